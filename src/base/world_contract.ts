import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type {
  DialHandler,
  FileError,
  Listener,
  NetError,
  Socket,
  SocketAddress,
  SocketHandler,
  World,
} from "./world.ts";

/** A World under test, and how its time goes by. */
export interface ContractWorld {
  readonly world: World;
  /** An empty folder. */
  readonly folder: string;
  /** Goes on until the condition holds, and fails where it never does. */
  until(condition: () => boolean): Promise<void>;
  /** Everything that was opened is closed. */
  close(): void | Promise<void>;
}

/** What every World must do. Run by world.test.ts against each of them. */
export function worldContract(name: string, create: () => ContractWorld): void {
  describe(name, () => {
    let it: ContractWorld;
    beforeEach(() => {
      it = create();
    });
    afterEach(() => it.close());
    netContract(() => it);
    endingContract(() => it);
    dialContract(() => it);
    resolveContract(() => it);
    filesContract(() => it);
    openFilesContract(() => it);
    clockContract(() => it);
  });
}

/** Writes down what a socket says, and does what the test wants at each event. */
export class Recorder implements DialHandler {
  socket!: Socket;
  readonly events: string[] = [];
  received = 0;
  /** A weighted sum of all bytes: a lost, doubled or swapped byte changes it. */
  checksum = 0;
  error: NetError | null = null;
  openCount = 0;
  onOpenDo: (socket: Socket) => void = () => {};
  onDataDo: (socket: Socket, bytes: Uint8Array) => void = () => {};
  onDrainDo: (socket: Socket) => void = () => {};
  onEndDo: (socket: Socket) => void = () => {};
  onCloseDo: () => void = () => {};

  onOpen(socket: Socket): void {
    this.socket = socket;
    this.openCount += 1;
    this.events.push("open");
    this.onOpenDo(socket);
  }

  onData(bytes: Uint8Array): void {
    this.received += bytes.length;
    let sum = this.checksum;
    for (let at = 0; at < bytes.length; at += 1) sum = (Math.imul(sum, 31) + bytes[at]!) | 0;
    this.checksum = sum;
    if (this.events.at(-1) !== "data") this.events.push("data");
    this.onDataDo(this.socket, bytes);
  }

  onDrain(): void {
    this.events.push("drain");
    this.onDrainDo(this.socket);
  }

  onEnd(): void {
    this.events.push("end");
    this.onEndDo(this.socket);
  }

  onClose(error: NetError | null): void {
    this.error = error;
    this.events.push(error === null ? "close" : `close ${error.code}`);
    this.onCloseDo();
  }

  onConnectError(error: NetError): void {
    this.error = error;
    this.events.push(`connect error ${error.code}`);
  }

  get isOver(): boolean {
    return this.events.some((event) => event.startsWith("close"));
  }

  /** Without "drain", which depends on how much a kernel takes at once. */
  get story(): string {
    return this.events.filter((event) => event !== "drain").join(", ");
  }
}

/** Sends all of it as a real owner would: the rest in onDrain, then `done`. */
export class Sender {
  sent = 0;
  shortWrites = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly done: (socket: Socket) => void,
  ) {}

  readonly pump = (socket: Socket): void => {
    while (this.sent < this.bytes.length) {
      const length = Math.min(65_536, this.bytes.length - this.sent);
      const taken = socket.write(this.bytes, this.sent, length);
      if (taken < 0) return;
      this.sent += taken;
      if (taken < length) {
        this.shortWrites += 1;
        return;
      }
    }
    this.done(socket);
  };
}

interface Pair {
  readonly client: Recorder;
  readonly server: Recorder;
  readonly listener: Listener;
}

/** A listener on a free port, and what to do with both ends before the client connects. */
function connectPair(
  { world }: ContractWorld,
  prepare: (client: Recorder, server: Recorder) => void,
): Pair {
  const client = new Recorder();
  const server = new Recorder();
  prepare(client, server);
  const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => server);
  world.net.connect({ host: "127.0.0.1", port: listener.port }, client);
  return { client, server, listener };
}

export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) bytes[index] = (index * 7 + (index >> 8)) & 0xff;
  return bytes;
}

function checksumOf(bytes: Uint8Array): number {
  const recorder = new Recorder();
  recorder.onData(bytes);
  return recorder.checksum;
}

/** More than the kernel's buffers of both ends hold. */
const LARGE = 12 * 1024 * 1024;

function netContract(it: () => ContractWorld): void {
  test("net: an echo comes back whole, and both ends know their addresses", async () => {
    const bytes = pattern(1_000);
    const { client, server, listener } = connectPair(it(), (client, server) => {
      // Only a part of the buffer: start and length are obeyed.
      client.onOpenDo = (socket) => expect(socket.write(bytes, 100, 500)).toBe(500);
      server.onDataDo = (socket, chunk) => {
        socket.write(chunk, 0, chunk.length);
      };
    });
    await it().until(() => client.received === 500);
    expect(client.checksum).toBe(checksumOf(bytes.subarray(100, 600)));
    expect(client.socket.remoteAddress).toBe("127.0.0.1");
    expect(client.socket.remotePort).toBe(listener.port);
    expect(server.socket.localPort).toBe(listener.port);
    expect(server.socket.remotePort).toBe(client.socket.localPort);
    client.socket.terminate();
    await it().until(() => server.isOver);
    listener.stop();
  });

  test("net: a large body arrives whole through short writes and onDrain", async () => {
    const sender = new Sender(pattern(LARGE), (socket) => socket.close());
    const { client, server, listener } = connectPair(it(), (client, server) => {
      client.onOpenDo = client.onDrainDo = sender.pump;
      server.onEndDo = (socket) => socket.close();
    });
    await it().until(() => server.isOver && client.isOver);
    expect(sender.shortWrites).toBeGreaterThan(0);
    expect(server.received).toBe(LARGE);
    expect(server.checksum).toBe(checksumOf(sender.bytes));
    expect(server.story).toBe("open, data, end, close");
    expect(client.story).toBe("open, close");
    // A drain for each short write and none without one.
    expect(client.events.filter((event) => event === "drain")).toHaveLength(sender.shortWrites);
    listener.stop();
  });

  test("net: a paused reader blocks the writer, and loses nothing once it resumes", async () => {
    const sender = new Sender(pattern(LARGE), (socket) => socket.close());
    const { client, server, listener } = connectPair(it(), (client, server) => {
      server.onOpenDo = (socket) => socket.pause();
      server.onEndDo = (socket) => socket.close();
      client.onOpenDo = client.onDrainDo = sender.pump;
    });
    await it().until(() => sender.shortWrites > 0 && server.openCount === 1);
    // Whatever the buffers of the system hold, a reader that does not read gets nothing.
    expect(server.received).toBe(0);
    expect(sender.sent).toBeLessThan(LARGE);
    server.socket.resume();
    await it().until(() => server.isOver && client.isOver);
    expect(server.received).toBe(LARGE);
    expect(server.checksum).toBe(checksumOf(sender.bytes));
    listener.stop();
  });

  test("net: pause inside onData holds back what comes behind", async () => {
    let chunks = 0;
    const { client, server, listener } = connectPair(it(), (client, server) => {
      server.onDataDo = (socket, chunk) => {
        chunks += 1;
        socket.pause();
        socket.write(chunk, 0, 1);
      };
      client.onOpenDo = (socket) => socket.write(pattern(10), 0, 10);
    });
    await it().until(() => client.received === 1);
    client.socket.write(pattern(10), 0, 10);
    expect(chunks).toBe(1);
    expect(server.received).toBeLessThanOrEqual(10);
    client.onDataDo = () => {};
    server.onDataDo = () => {};
    server.socket.resume();
    await it().until(() => server.received === 20);
    client.socket.terminate();
    await it().until(() => server.isOver);
    listener.stop();
  });
}

function endingContract(it: () => ContractWorld): void {
  test("net: the client ends first; the server still answers", async () => {
    const answer = new Sender(pattern(100_000), (socket) => socket.close());
    const { client, server, listener } = connectPair(it(), (client, server) => {
      client.onOpenDo = (socket) => {
        socket.write(pattern(10), 0, 10);
        socket.shutdown();
        expect(socket.write(pattern(10), 0, 10)).toBe(-1);
      };
      server.onEndDo = answer.pump;
      server.onDrainDo = answer.pump;
    });
    await it().until(() => client.isOver && server.isOver);
    expect(client.received).toBe(100_000);
    expect(server.story).toBe("open, data, end, close");
    expect(client.story).toBe("open, data, end, close");
    listener.stop();
  });

  test("net: the server ends first; the client still sends", async () => {
    const { client, server, listener } = connectPair(it(), (client, server) => {
      server.onOpenDo = (socket) => socket.shutdown();
      client.onEndDo = (socket) => {
        expect(socket.write(pattern(10), 0, 10)).toBe(10);
        socket.close();
      };
    });
    await it().until(() => client.isOver && server.isOver);
    expect(server.received).toBe(10);
    expect(server.story).toBe("open, data, end, close");
    expect(client.story).toBe("open, end, close");
    listener.stop();
  });

  test("net: when both ends have shut down, both are closed", async () => {
    const { client, server, listener } = connectPair(it(), (client, server) => {
      client.onOpenDo = (socket) => socket.shutdown();
      server.onEndDo = (socket) => socket.shutdown();
    });
    await it().until(() => client.isOver && server.isOver);
    expect([client.story, server.story]).toEqual(["open, end, close", "open, end, close"]);
    listener.stop();
  });

  test("net: terminate is a reset at the other end", async () => {
    const { client, server, listener } = connectPair(it(), (client) => {
      client.onOpenDo = (socket) => socket.write(pattern(1), 0, 1);
    });
    await it().until(() => server.received === 1);
    server.socket.terminate();
    await it().until(() => client.isOver && server.isOver);
    expect(client.story).toBe("open, close reset");
    expect(client.error?.message).toContain("reset by the peer");
    expect(server.story).toBe("open, data, close");
    listener.stop();
  });

  test("net: after the end every call is harmless and onClose does not come again", async () => {
    const { client, server, listener } = connectPair(it(), (client, server) => {
      client.onOpenDo = (socket) => socket.close();
      server.onEndDo = (socket) => socket.close();
    });
    await it().until(() => client.isOver && server.isOver);
    for (const { socket } of [client, server]) {
      socket.close();
      socket.terminate();
      socket.shutdown();
      socket.pause();
      socket.resume();
      expect(socket.write(pattern(5), 0, 5)).toBe(-1);
    }
    const after = connectPair(it(), (client) => {
      client.onOpenDo = (socket) => socket.terminate();
    });
    await it().until(() => after.client.isOver);
    expect([client.story, server.story]).toEqual(["open, close", "open, end, close"]);
    listener.stop();
    after.listener.stop();
  });

  test("net: a handler that throws loses its socket, is reported, and hurts nobody else", async () => {
    const reports: unknown[] = [];
    it().world.processes.self.onUncaught((error) => reports.push(error));
    const bystander = connectPair(it(), () => {});
    await it().until(() => bystander.server.openCount === 1 && bystander.client.openCount === 1);
    const { client, server, listener } = connectPair(it(), (client, server) => {
      client.onOpenDo = (socket) => socket.write(pattern(1), 0, 1);
      server.onDataDo = () => {
        throw new Error("thrown in onData");
      };
    });
    await it().until(() => client.isOver && server.isOver);
    expect(reports.map(String)).toEqual(["Error: thrown in onData"]);
    expect([client.story, server.story]).toEqual(["open, close reset", "open, data, close"]);
    bystander.client.socket.write(pattern(3), 0, 3);
    await it().until(() => bystander.server.received === 3);
    bystander.client.socket.terminate();
    await it().until(() => bystander.server.isOver);
    listener.stop();
    bystander.listener.stop();
  });

  test("net: a connection that accept refuses is reset", async () => {
    const listener = it().world.net.listen(
      { address: { host: "127.0.0.1", port: 0 } },
      () => null,
    );
    const client = new Recorder();
    it().world.net.connect({ host: "127.0.0.1", port: listener.port }, client);
    await it().until(() => client.isOver);
    expect(client.story).toBe("open, close reset");
    listener.stop();
  });
}

function dialContract(it: () => ContractWorld): void {
  test("net: nobody listens, so the connect is refused, and nothing follows", async () => {
    const listener = it().world.net.listen(
      { address: { host: "127.0.0.1", port: 0 } },
      () => null,
    );
    listener.stop();
    const client = new Recorder();
    it().world.net.connect({ host: "127.0.0.1", port: listener.port }, client);
    expect(client.events).toEqual([]);
    await it().until(() => client.events.length > 0);
    expect(client.events).toEqual(["connect error refused"]);
    expect(client.error?.message).toContain(`127.0.0.1:${listener.port}`);
  });

  test("net: a host that is no address is refused before anything is sent", async () => {
    const client = new Recorder();
    it().world.net.connect({ host: "api.example", port: 80 }, client);
    await it().until(() => client.events.length > 0);
    expect(client.events).toEqual(["connect error other"]);
    expect(client.error?.message).toContain('"api.example" is not an IP address');
  });

  test("net: a dial that was given up says nothing and leaves nothing open", async () => {
    const servers: Recorder[] = [];
    const accept = (): SocketHandler => {
      const server = new Recorder();
      servers.push(server);
      return server;
    };
    const listener = it().world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, accept);
    const address = { host: "127.0.0.1", port: listener.port };
    const given = new Recorder();
    const dial = it().world.net.connect(address, given);
    dial.abort();
    dial.abort();
    const client = new Recorder();
    const second = it().world.net.connect(address, client);
    await it().until(() => client.openCount === 1);
    // Too late to give up: it is open and stays so.
    second.abort();
    client.socket.write(pattern(1), 0, 1);
    await it().until(() => servers.some((server) => server.received === 1));
    client.socket.terminate();
    await it().until(() => servers.every((server) => server.isOver));
    expect(given.events).toEqual([]);
    expect(client.events).toEqual(["open", "close"]);
    listener.stop();
  });

  test("net: two listeners on one port are one too many, and the message names the holder", () => {
    const { world } = it();
    const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => null);
    const address: SocketAddress = { host: "127.0.0.1", port: listener.port };
    const error = thrownBy(() => world.net.listen({ address }, () => null)) as NetError;
    expect(error.code).toBe("address-in-use");
    expect(error.message).toStartWith(`127.0.0.1:${listener.port} is in use by `);
    expect(world.processes.holderOfPort(listener.port)?.pid).toBe(world.processes.self.pid);
    listener.stop();
    listener.stop();
    expect(world.processes.holderOfPort(listener.port)).toBeNull();
    world.net.listen({ address }, () => null).stop();
  });

  test("net: a stopped listener accepts no more; its open connections live on", async () => {
    const { client, server, listener } = connectPair(it(), () => {});
    await it().until(() => client.openCount === 1 && server.openCount === 1);
    listener.stop();
    const late = new Recorder();
    it().world.net.connect({ host: "127.0.0.1", port: listener.port }, late);
    await it().until(() => late.events.length > 0);
    expect(late.events).toEqual(["connect error refused"]);
    client.socket.write(pattern(4), 0, 4);
    await it().until(() => server.received === 4);
    server.socket.close();
    client.socket.close();
    await it().until(() => client.isOver && server.isOver);
  });

  test("net: a unix socket has the permission bits that were asked for", async () => {
    const { world, folder } = it();
    const path = `${folder}/admin.sock`;
    const server = new Recorder();
    server.onDataDo = (socket, bytes) => {
      socket.write(bytes, 0, bytes.length);
      if (server.received === 9) socket.close();
    };
    const listener = world.net.listen({ address: { path }, mode: 0o600 }, () => server);
    expect(world.files.stat(path)).toMatchObject({ kind: "other", mode: 0o600 });
    const twice = thrownBy(() => world.net.listen({ address: { path } }, () => null)) as NetError;
    expect(twice.code).toBe("address-in-use");
    const client = new Recorder();
    client.onOpenDo = (socket) => socket.write(pattern(9), 0, 9);
    client.onEndDo = (socket) => socket.close();
    world.net.connect({ path }, client);
    await it().until(() => client.isOver && server.isOver);
    expect(client.received).toBe(9);
    expect([client.socket.remoteAddress, client.socket.remotePort]).toEqual(["", 0]);
    listener.stop();
    expect(world.files.stat(path)).toBeNull();
    const late = new Recorder();
    world.net.connect({ path }, late);
    await it().until(() => late.events.length > 0);
    expect(late.events).toEqual(["connect error refused"]);
  });
}

function resolveContract(it: () => ContractWorld): void {
  test("net: localhost and the names below it are the loopback address", async () => {
    for (const name of ["localhost", "shop.localhost", "LOCALHOST."]) {
      const answer = await it().world.net.resolve(name);
      expect(answer.map(({ address }) => address)).toEqual(["127.0.0.1"]);
      expect(answer[0]!.ttlMs).toBeGreaterThan(0);
    }
  });
}

function filesContract(it: () => ContractWorld): void {
  test("files: what was written is read, as text and as bytes", () => {
    const { files } = it().world;
    const path = `${it().folder}/a.txt`;
    files.write(path, "grüße\n", { mode: 0o640 });
    expect(files.readText(path)).toBe("grüße\n");
    expect(files.stat(path)).toMatchObject({ kind: "file", sizeBytes: 8, mode: 0o640 });
    files.write(path, new Uint8Array([1, 2, 3]));
    expect([...files.readBytes(path)]).toEqual([1, 2, 3]);
    expect(files.stat(path)!.mode).toBe(0o640);
  });

  test("files: replace puts a new inode in place, keeps the bits and leaves nothing beside", () => {
    const { files } = it().world;
    const path = `${it().folder}/state.json`;
    files.replace(path, "one", { mode: 0o600 });
    const reader = files.open(path, "read");
    files.replace(path, "second");
    expect(files.readText(path)).toBe("second");
    expect(files.stat(path)!.mode).toBe(0o600);
    expect(files.stat(path)!.inode).not.toBe(reader.stat().inode);
    expect(readAll(reader)).toBe("one");
    reader.close();
    expect(files.list(it().folder)).toEqual(["state.json"]);
    files.makeFolder(`${it().folder}/full`);
    files.write(`${it().folder}/full/x`, "");
    expect(codeOf(() => files.replace(`${it().folder}/full`, "x"))).toBe("not-a-file");
    expect(files.list(it().folder)).toEqual(["full", "state.json"]);
  });

  test("files: folders are made with their parents, listed in order, and removed whole", () => {
    const { files } = it().world;
    const { folder } = it();
    files.makeFolder(`${folder}/x/y/z`);
    files.makeFolder(`${folder}/x/y/z`);
    for (const name of ["b", "c", "a"]) files.write(`${folder}/x/${name}`, name);
    expect(files.list(`${folder}/x`)).toEqual(["a", "b", "c", "y"]);
    expect(files.stat(`${folder}/x`)!.kind).toBe("folder");
    files.remove(`${folder}/x`);
    files.remove(`${folder}/x`);
    expect(files.stat(`${folder}/x`)).toBeNull();
    expect(files.list(folder)).toEqual([]);
  });

  test("files: a rename keeps the inode and replaces what was there", () => {
    const { files } = it().world;
    const { folder } = it();
    files.write(`${folder}/app.log`, "old");
    files.write(`${folder}/app.log.1`, "older");
    const { inode, device } = files.stat(`${folder}/app.log`)!;
    files.rename(`${folder}/app.log`, `${folder}/app.log.1`);
    expect(files.stat(`${folder}/app.log.1`)).toMatchObject({ inode, device, sizeBytes: 3 });
    expect(files.list(folder)).toEqual(["app.log.1"]);
    expect(files.realPath(`${folder}/../${folder.split("/").at(-1)}/app.log.1`)).toEndWith(
      "/app.log.1",
    );
  });

  test("files: errors say what cannot be done, to which path, and why", () => {
    const { files } = it().world;
    const { folder } = it();
    files.write(`${folder}/file`, "x");
    const cases: [() => unknown, string, string][] = [
      [() => files.readText(`${folder}/no`), "not-found", `cannot read ${folder}/no: there is no`],
      [() => files.readBytes(folder), "not-a-file", `cannot read ${folder}: it is a folder`],
      [() => files.write(`${folder}/no/x`, ""), "not-found", `${folder}/no/x: there is no`],
      [() => files.write(folder, ""), "not-a-file", "it is a folder, not a file"],
      [() => files.replace(`${folder}/no/x`, ""), "not-found", `cannot write ${folder}/no/x: `],
      [() => files.list(`${folder}/no`), "not-found", `cannot list ${folder}/no: there is no`],
      [() => files.list(`${folder}/file`), "not-a-folder", "is not a folder"],
      [() => files.makeFolder(`${folder}/file/x`), "not-a-folder", "is not a folder"],
      [() => files.rename(`${folder}/no`, `${folder}/b`), "not-found", `cannot rename to `],
      [() => files.realPath(`${folder}/no`), "not-found", `cannot find ${folder}/no: `],
      [() => files.open(`${folder}/no`, "read"), "not-found", `cannot open ${folder}/no: `],
      [() => files.open(folder, "read"), "not-a-file", "it is a folder, not a file"],
      [() => files.watch(`${folder}/no`, () => {}), "not-found", `cannot watch ${folder}/no: `],
    ];
    for (const [run, code, text] of cases) {
      const error = thrownBy(run) as FileError;
      expect(error.name).toBe("FileError");
      expect(error.message).toContain(text);
      expect(error.code as string).toBe(code);
      expect(error.path).toStartWith(folder);
    }
  });
}

function openFilesContract(it: () => ContractWorld): void {
  test("files: appending goes to the end, whatever others did meanwhile", () => {
    const { files } = it().world;
    const path = `${it().folder}/log`;
    const one = files.open(path, "append", { mode: 0o600 });
    const two = files.open(path, "append");
    one.write(bytesOf("a\n"));
    two.write(bytesOf("b\n"));
    one.write(bytesOf("c\n"));
    one.sync();
    expect(files.readText(path)).toBe("a\nb\nc\n");
    expect(one.stat()).toMatchObject({ sizeBytes: 6, mode: 0o600 });
    // Truncated by somebody (copytruncate): the next line starts the file anew.
    files.write(path, "");
    two.write(bytesOf("d\n"));
    expect(files.readText(path)).toBe("d\n");
    one.truncate(1);
    expect(files.readText(path)).toBe("d");
    one.close();
    two.close();
    one.close();
  });

  test("files: opening for write truncates, and continues where it stopped", () => {
    const { files } = it().world;
    const path = `${it().folder}/out`;
    files.write(path, "something long");
    const file = files.open(path, "write");
    expect(file.stat().sizeBytes).toBe(0);
    file.write(bytesOf("ab"));
    file.write(bytesOf("cd"));
    file.close();
    expect(files.readText(path)).toBe("abcd");
    expect(thrownBy(() => file.write(bytesOf("x")))).toHaveProperty("name", "FileError");
  });

  test("files: an open file is read at any place, and lives on without a name", () => {
    const { files } = it().world;
    const path = `${it().folder}/log`;
    files.write(path, "0123456789");
    const file = files.open(path, "read");
    const into = new Uint8Array(6);
    expect(file.readAt(into, 2, 3, 4)).toBe(3);
    expect([...into]).toEqual([0, 0, 52, 53, 54, 0]);
    expect(file.readAt(into, 0, 6, 8)).toBe(2);
    expect(file.readAt(into, 0, 6, 10)).toBe(0);
    files.remove(path);
    expect(files.stat(path)).toBeNull();
    expect(readAll(file)).toBe("0123456789");
    files.write(path, "new");
    expect(files.stat(path)!.inode).not.toBe(file.stat().inode);
    file.close();
  });

  test("files: a watched folder tells of a change", async () => {
    const { files } = it().world;
    let changes = 0;
    const watcher = files.watch(it().folder, () => {
      changes += 1;
    });
    let seen = 0;
    const next = async (change: () => void): Promise<void> => {
      seen = changes;
      change();
      await it().until(() => changes > seen);
    };
    await next(() => files.write(`${it().folder}/a`, "1"));
    await next(() => files.rename(`${it().folder}/a`, `${it().folder}/b`));
    await next(() => files.remove(`${it().folder}/b`));
    watcher.close();
    watcher.close();
  });
}

function clockContract(it: () => ContractWorld): void {
  test("clock: timers come in order, not early, and not once cancelled", async () => {
    const { clock } = it().world;
    const start = clock.now();
    const fired: string[] = [];
    const late: number[] = [];
    const after = (name: string, delayMs: number): void => {
      clock.after(delayMs, () => {
        fired.push(name);
        late.push(clock.now() - start - delayMs);
      });
    };
    after("c", 12);
    after("a", 0);
    after("b", 4.5);
    const cancelled = clock.after(1, () => fired.push("cancelled"));
    cancelled.cancel();
    cancelled.cancel();
    await it().until(() => fired.length === 3);
    expect(fired).toEqual(["a", "b", "c"]);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  });

  test("clock: every comes again and again until it is cancelled, also from inside", async () => {
    const { clock } = it().world;
    let count = 0;
    const timer = clock.every(1, () => {
      count += 1;
      if (count === 3) timer.cancel();
    });
    let isOver = false;
    await it().until(() => count === 3);
    clock.after(5, () => {
      isOver = true;
    });
    await it().until(() => isOver);
    expect(count).toBe(3);
    timer.cancel();
  });

  test("clock: a delay of more than 24.8 days does not come at once", async () => {
    const { clock } = it().world;
    let isDue = false;
    let isOver = false;
    const timer = clock.after(30 * 86_400_000, () => {
      isDue = true;
    });
    clock.after(3, () => {
      isOver = true;
    });
    await it().until(() => isOver);
    expect(isDue).toBe(false);
    timer.cancel();
  });

  test("clock: sleep resolves, and the wall clock is a date", async () => {
    const { clock } = it().world;
    let isAwake = false;
    void clock.sleep(2).then(() => {
      isAwake = true;
    });
    await it().until(() => isAwake);
    expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0));
    expect(Number.isInteger(clock.wallMs())).toBe(true);
  });

  test("random: numbers are in range, and secure bytes as many as asked for", () => {
    const { random } = it().world;
    const buckets = new Array<number>(10).fill(0);
    for (let index = 0; index < 10_000; index += 1) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
      const whole = random.uint32();
      expect(Number.isInteger(whole) && whole >= 0 && whole < 2 ** 32).toBe(true);
    }
    // 1,000 each, give or take: six sigma is 180.
    for (const bucket of buckets) expect(Math.abs(bucket - 1_000)).toBeLessThan(200);
    const bytes = random.secureBytes(100_000);
    expect(bytes).toHaveLength(100_000);
    expect(new Set(bytes).size).toBe(256);
  });
}

function readAll(file: {
  readAt(into: Uint8Array, offset: number, length: number, position: number): number;
}): string {
  const into = new Uint8Array(100);
  return new TextDecoder().decode(into.subarray(0, file.readAt(into, 0, 100, 0)));
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function thrownBy(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

function codeOf(run: () => unknown): string {
  return (thrownBy(run) as FileError).code;
}

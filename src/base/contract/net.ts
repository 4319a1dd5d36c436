import { expect, test } from "bun:test";
import type { Listener, NetError, SocketAddress, SocketHandler } from "../world.ts";
import type { ContractWorld } from "../world_contract.ts";
import { checksumOf, pattern, Recorder, Sender, thrownBy } from "./recorder.ts";

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

/** More than the kernel's buffers of both ends hold. */
const LARGE = 12 * 1024 * 1024;

export function netContract(it: () => ContractWorld): void {
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

export function endingContract(it: () => ContractWorld): void {
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

  test("net: a handler that throws loses its socket, and hurts nobody else", async () => {
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

export function dialContract(it: () => ContractWorld): void {
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
    const error = thrownBy<NetError>(() => world.net.listen({ address }, () => null));
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
    const again = (): Listener => world.net.listen({ address: { path } }, () => null);
    expect(thrownBy<NetError>(again).code).toBe("address-in-use");
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

export function resolveContract(it: () => ContractWorld): void {
  test("net: localhost and the names below it are the loopback address", async () => {
    for (const name of ["localhost", "shop.localhost", "LOCALHOST."]) {
      const answer = await it().world.net.resolve(name);
      expect(answer.map(({ address }) => address)).toEqual(["127.0.0.1"]);
      expect(answer[0]!.ttlMs).toBeGreaterThan(0);
    }
  });
}

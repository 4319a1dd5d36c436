import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Recorder, thrownBy } from "../contract/recorder.ts";
import type { NetError } from "../world.ts";
import { createBunWorld } from "./mod.ts";

const world = createBunWorld();

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(0);
}

test("the holder of a port is named with its command, in another process too", async () => {
  const script =
    "const l = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });" +
    "console.log(l.port)";
  const { promise: started, resolve } = Promise.withResolvers<number>();
  const { promise: exited, resolve: exit } = Promise.withResolvers<void>();
  const child = world.processes.spawn({
    command: [process.execPath, "-e", script],
    stdout: (bytes) => resolve(Number(Buffer.from(bytes).toString())),
    onExit: () => exit(),
  });
  const port = await started;
  const error = thrownBy<NetError>(() =>
    world.net.listen({ address: { host: "127.0.0.1", port } }, () => null),
  );
  child.kill("SIGKILL");
  await exited;
  expect(error.code).toBe("address-in-use");
  expect(error.message).toStartWith(`127.0.0.1:${port} is in use by ${process.execPath} -e`);
  expect(error.message).toEndWith(`(pid ${child.pid})`);
});

test("an address that this machine does not have is said to be so", () => {
  const address = { host: "192.0.2.7", port: 0 };
  const error = thrownBy<NetError>(() => world.net.listen({ address }, () => null));
  expect([error.code, error.message]).toEqual([
    "address-unavailable",
    "listening on 192.0.2.7:0: this machine has no such address (EADDRNOTAVAIL)",
  ]);
});

test("the socket file that a killed process left behind is no obstacle; a file is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "outrigger-net-"));
  const path = join(folder, "admin.sock");
  const script =
    `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } });` +
    "process.kill(process.pid, 'SIGKILL')";
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  world.processes.spawn({ command: [process.execPath, "-e", script], onExit: () => resolve() });
  await exited;
  expect(world.files.stat(path)?.kind).toBe("other");
  const listener = world.net.listen({ address: { path }, mode: 0o600 }, () => null);
  expect(world.files.stat(path)?.mode).toBe(0o600);
  const second = thrownBy<NetError>(() => world.net.listen({ address: { path } }, () => null));
  expect(second.message).toStartWith(`${path} is in use by `);
  expect(second.message).toEndWith(`(pid ${process.pid})`);
  listener.stop();
  world.files.write(path, "precious");
  const third = thrownBy<NetError>(() => world.net.listen({ address: { path } }, () => null));
  expect([third.code, third.message]).toEqual([
    "address-in-use",
    `${path} exists and is not a socket`,
  ]);
  expect(world.files.readText(path)).toBe("precious");
  rmSync(folder, { recursive: true });
});

test("dials that were given up are bounded, and room comes back as they end", async () => {
  const listener = world.net.listen({ address: { host: "127.0.0.1", port: 0 } }, () => null);
  const address = { host: "127.0.0.1", port: listener.port };
  listener.stop();
  const given: Recorder[] = [];
  for (let index = 0; index < 1_024; index += 1) {
    const one = new Recorder();
    given.push(one);
    world.net.connect(address, one).abort();
  }
  const refused = new Recorder();
  world.net.connect(address, refused);
  expect(refused.events).toEqual([]);
  await until(() => refused.events.length > 0);
  expect(refused.events).toEqual(["connect error too-many-open"]);
  const next = (): Recorder => {
    const recorder = new Recorder();
    world.net.connect(address, recorder);
    return recorder;
  };
  let last = next();
  await until(() => {
    const [event] = last.events;
    if (event === "connect error too-many-open") last = next();
    return event === "connect error refused";
  });
  expect(given.every((one) => one.events.length === 0)).toBe(true);
});

test("a port out of range is told as an error of the connect", async () => {
  const recorder = new Recorder();
  world.net.connect({ host: "127.0.0.1", port: 70_000 }, recorder);
  await until(() => recorder.events.length > 0);
  expect(recorder.events).toEqual(["connect error other"]);
});

test("two listeners share a port only when both ask for it", () => {
  const listen = (port: number, reusePort: boolean) =>
    world.net.listen({ address: { host: "127.0.0.1", port }, reusePort }, () => null);
  const first = listen(0, true);
  const second = listen(first.port, true);
  expect(thrownBy<NetError>(() => listen(first.port, false)).code).toBe("address-in-use");
  first.stop();
  second.stop();
});

test("IPv6 and a dual-stack listener work; an IPv4 peer shows in its plain form", async () => {
  const server = new Recorder();
  const listener = world.net.listen({ address: { host: "::", port: 0 } }, () => server);
  const four = new Recorder();
  world.net.connect({ host: "127.0.0.1", port: listener.port }, four);
  await until(() => server.openCount === 1 && four.openCount === 1);
  expect(server.socket.remoteAddress).toBe("127.0.0.1");
  four.socket.terminate();
  const six = new Recorder();
  world.net.connect({ host: "::1", port: listener.port }, six);
  await until(() => server.openCount === 2 && six.openCount === 1);
  expect(server.socket.remoteAddress).toBe("::1");
  six.socket.terminate();
  listener.stop();
});

test("a lack of descriptors is told as such, not as a refusal", async () => {
  const script =
    `import { createBunWorld } from ${JSON.stringify(join(import.meta.dir, "mod.ts"))};` +
    "const world = createBunWorld(); const none = () => {};" +
    "const quiet = { onOpen: none, onData: none, onDrain: none, onEnd: none, onClose: none };" +
    "const listener = world.net.listen({ address: { host: '127.0.0.1', port: 0 } }, () => quiet);" +
    "const onConnectError = (e) => { console.log(e.code); process.exit(0); };" +
    "const address = { host: '127.0.0.1', port: listener.port };" +
    "for (let i = 0; i < 100; i += 1) world.net.connect(address, { ...quiet, onConnectError });";
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  world.processes.spawn({
    command: ["bash", "-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, script],
    stdout: (bytes) => resolve(Buffer.from(bytes).toString().trim()),
  });
  expect(await answer).toBe("too-many-open");
});

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testAuthority, testCertificate } from "../contract/certificates.ts";
import type {
  DialHandler,
  NetError,
  Socket,
  SocketAddress,
  SocketHandler,
  TlsClientOptions,
} from "../world.ts";
import { createBunWorld } from "./mod.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(1);
}

function handler(part: Partial<SocketHandler>): SocketHandler {
  return { onOpen() {}, onData() {}, onDrain() {}, onEnd() {}, onClose() {}, ...part };
}

test("every socket is counted once and taken off again, however it ends", async () => {
  const own = createBunWorld().net;
  expect(own.room.limit !== null).toBe(process.platform === "linux");
  const authority = testAuthority("CA");
  const one = testCertificate({ commonName: "a", names: ["DNS:a.example"], issuer: authority });
  const context = own.tlsContext({ certificate: one.certificate, key: one.key });
  const sockets: Socket[] = [];
  const accept = (): SocketHandler => handler({ onOpen: (socket) => void sockets.push(socket) });
  const at = { host: "127.0.0.1", port: 0 };
  const plain = own.listen({ address: at }, accept);
  const refusing = own.listen({ address: at }, () => null);
  const secure = own.listen({ address: at, tls: { contextFor: () => context } }, accept);
  const folder = mkdtempSync(join(tmpdir(), "outrigger-room-"));
  const path = join(folder, "s");
  const local = own.listen({ address: { path } }, accept);
  let [open, over] = [0, 0];
  const dial = (to: SocketAddress, tls?: TlsClientOptions, isAborted = false): void => {
    const mine: DialHandler = {
      ...handler({
        onOpen: (socket) => {
          open++;
          sockets.push(socket);
        },
        onClose: () => void over++,
      }),
      onConnectError: () => void over++,
    };
    const dialled = own.connect(to, mine, tls);
    if (!isAborted) return;
    dialled.abort();
    over++;
  };
  const ca = own.tlsContext({ ca: authority.certificate });
  for (let n = 0; n < 20; n++) {
    dial({ host: "127.0.0.1", port: plain.port });
    dial({ host: "127.0.0.1", port: plain.port }, undefined, true);
    dial({ host: "127.0.0.1", port: refusing.port });
    dial({ path });
    dial({ path: `${path}.none` });
    dial({ host: "127.0.0.1", port: 1 });
    dial({ host: "no address", port: 1 });
    dial({ host: "127.0.0.1", port: 70_000 });
    dial({ host: "127.0.0.1", port: secure.port }, { context: ca, serverName: "a.example" });
    dial({ host: "127.0.0.1", port: secure.port }, { context: ca, serverName: "b.example" });
    dial({ host: "127.0.0.1", port: secure.port }, { context: ca, serverName: "a.example" }, true);
    dial({ host: "127.0.0.1", port: plain.port }, { context: ca, serverName: "a.example" });
  }
  await until(() => open >= 60);
  for (const [index, socket] of sockets.entries()) {
    if (index % 2 === 0) socket.close();
    else socket.terminate();
  }
  await until(() => {
    for (const socket of sockets) socket.terminate();
    return over === 12 * 20 && own.room.open === 0;
  });
  // Above the bound no connect begins.
  own.room.maxForAll = 0;
  let problem = "";
  const refused = { ...handler({}), onConnectError: ({ code }: NetError) => (problem = code) };
  own.connect({ host: "127.0.0.1", port: plain.port }, refused as DialHandler);
  await until(() => problem !== "");
  expect([problem, own.room.open]).toEqual(["too-many-open", 0]);
  for (const listener of [plain, refusing, secure, local]) listener.stop();
  rmSync(folder, { recursive: true });
});

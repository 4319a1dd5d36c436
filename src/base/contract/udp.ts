import { expect, test } from "bun:test";
import type { NetError, UdpSocket } from "../world.ts";
import type { ContractWorld } from "../world_contract.ts";
import { pattern } from "./recorder.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };

export function udpContract(it: () => ContractWorld): void {
  /** Datagrams may be lost: sent again until the condition holds. */
  async function sendUntil(socket: UdpSocket, port: number, heard: () => boolean): Promise<void> {
    for (let tries = 0; tries < 50 && !heard(); tries += 1) {
      expect(socket.send(pattern(100), { host: "127.0.0.1", port })).toBe(true);
      let isLater = false;
      it().world.clock.after(5, () => {
        isLater = true;
      });
      await it().until(() => heard() || isLater);
    }
  }

  test("udp: a datagram arrives whole, with its sender's address", async () => {
    const { net } = it().world;
    const heard: { bytes: Uint8Array; address: string; port: number; truncated: boolean }[] = [];
    const server = await net.udp(
      { address: LOCAL, receiveBufferBytes: 1024 * 1024 },
      {
        onMessage: (bytes, address, port, truncated) => heard.push({ bytes, address, port, truncated }),
      },
    );
    let answers = 0;
    const client = await net.udp({ address: LOCAL }, { onMessage: () => (answers += 1) });
    expect(server.port).toBeGreaterThan(0);
    await sendUntil(client, server.port, () => heard.length > 0);
    const { bytes, ...from } = heard[0]!;
    expect(bytes).toEqual(pattern(100));
    expect(from).toEqual({ address: "127.0.0.1", port: client.port, truncated: false });
    await sendUntil(server, client.port, () => answers > 0);
    server.close();
    server.close();
    client.close();
    expect(client.send(pattern(1), { host: "127.0.0.1", port: server.port })).toBe(false);
  });

  test("udp: what is too long or has no address is not taken; nobody there is no error", async () => {
    const socket = await it().world.net.udp({ address: LOCAL }, { onMessage() {} });
    expect(socket.send(new Uint8Array(66_000), { host: "127.0.0.1", port: 9 })).toBe(false);
    expect(socket.send(pattern(1), { host: "api.example", port: 9 })).toBe(false);
    for (let index = 0; index < 3; index += 1) {
      expect(socket.send(pattern(1), { host: "127.0.0.1", port: 9 })).toBe(true);
    }
    socket.close();
  });

  test("udp: an address in use and a host that is no address are refused", async () => {
    const { net } = it().world;
    const socket = await net.udp({ address: LOCAL }, { onMessage() {} });
    const codeOf = (host: string, port: number): Promise<string> =>
      net.udp({ address: { host, port } }, { onMessage() {} }).then(
        () => "opened",
        (error: NetError) => error.code,
      );
    expect(await codeOf("127.0.0.1", socket.port)).toBe("address-in-use");
    expect(await codeOf("api.example", 0)).toBe("address-unavailable");
    socket.close();
    const again = await net.udp({ address: { ...LOCAL, port: socket.port } }, { onMessage() {} });
    again.close();
  });

  test("udp: a handler that throws is reported, and hears the next datagram", async () => {
    const { net, processes } = it().world;
    const reports: unknown[] = [];
    processes.self.onUncaught((error) => reports.push(error));
    const server = await net.udp(
      { address: LOCAL },
      {
        onMessage() {
          throw new Error("thrown in onMessage");
        },
      },
    );
    const client = await net.udp({ address: LOCAL }, { onMessage() {} });
    await sendUntil(client, server.port, () => reports.length > 1);
    expect(String(reports[0])).toBe("Error: thrown in onMessage");
    server.close();
    client.close();
  });
}

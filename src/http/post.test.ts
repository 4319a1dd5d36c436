import { expect, test } from "bun:test";
import { testAuthority, testCertificate } from "../base/contract/certificates.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import { createPost, resolveHost } from "./post.ts";
import { HttpServer, textAnswer } from "./server.ts";

test("a post reaches its URL, by address or by name", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const server = new HttpServer(world, {
    address: { host: "127.0.0.1", port: 9200 },
    handle: ({ method, path, query, headers, body }) => {
      const text = `${query.get("a")} ${headers.get("host")} ${Buffer.from(body)}`;
      return textAnswer(201, `${method} ${path} ${text}`);
    },
  });
  server.start();
  const post = createPost(world);
  for (const host of ["127.0.0.1", "localhost"]) {
    let text = "";
    void post(`http://${host}:9200/_bulk?a=1`, {}, Buffer.from("x")).then(({ status, body }) => {
      text = `${status} ${body}`;
    });
    await world.clock.until(() => text !== "", 10_000);
    expect(text).toBe(`201 POST /_bulk 1 ${host}:9200 x\n`);
  }
  server.stop();
});

test("a name without an address says so; addresses are never asked for", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  let problem = "";
  resolveHost(world, "nowhere.example").catch((error: Error) => (problem = error.message));
  await world.clock.until(() => problem !== "", 60_000);
  expect(problem).toStartWith("nowhere.example: ");
  expect(await resolveHost(world, "[::1]")).toBe("::1");
  expect(await resolveHost(world, "10.0.0.1")).toBe("10.0.0.1");
});

test("https: the server's certificate has to be good for the name and signed by whom we trust", async () => {
  const world = createSimulatedWorld({ seed: 1 });
  const authority = testAuthority("Test CA");
  const names = ["DNS:localhost", "IP:127.0.0.1"];
  const { certificate, key } = testCertificate({ commonName: "hook", names, issuer: authority });
  const context = world.net.tlsContext({ certificate, key });
  const address = { host: "127.0.0.1", port: 9443 };
  const got: string[] = [];
  world.net.listen({ address, tls: { contextFor: () => context } }, () => {
    let reply = (): void => {};
    return {
      onOpen: (socket) => {
        const bytes = Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        reply = () => void socket.write(bytes, 0, bytes.length);
      },
      onData: (bytes) => {
        got.push(Buffer.from(bytes).toString().split("\r\n")[0]!);
        reply();
      },
      onDrain: () => {},
      onEnd: () => {},
      onClose: () => {},
    };
  });
  const post = createPost(world);
  const trusted = world.net.tlsContext({ ca: authority.certificate });
  const stranger = world.net.tlsContext({ ca: testAuthority("Stranger").certificate });
  for (const [host, tls] of [
    ["localhost", trusted],
    ["127.0.0.1", trusted],
    ["127.0.0.1", stranger],
  ] as const) {
    let told = "";
    post(`https://${host}:9443/in`, {}, Buffer.from(""), { tls }).then(
      ({ status, body }) => (told = `${status} ${body}`),
      (error: Error) => (told = error.message),
    );
    await world.clock.until(() => told !== "", 60_000);
    if (tls === trusted) expect(told).toBe("200 ok");
    else expect(told).toStartWith("127.0.0.1:9443: ");
  }
  // The kept connection of another trust was not used.
  expect(got).toEqual(["POST /in HTTP/1.1", "POST /in HTTP/1.1"]);
});

/**
 * A bulk API in a process of its own that takes everything: `bun bulk_server.ts PORT`. It answers
 * each request with one item a document, and `GET /count` with how many there were.
 */
const [port] = process.argv.slice(2);
let documents = 0;

Bun.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  maxRequestBodySize: 256 << 20,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/count") return new Response(String(documents));
    if (!pathname.endsWith("/_bulk")) return Response.json({ version: { number: "8.0.0" } });
    const body = new Uint8Array(await request.arrayBuffer());
    let lines = 0;
    for (let at = body.indexOf(10); at >= 0; at = body.indexOf(10, at + 1)) lines += 1;
    const count = lines / 2;
    documents += count;
    const items = new Array(count).fill('{"create":{"status":201}}').join(",");
    return new Response(`{"took":1,"errors":false,"items":[${items}]}`, {
      headers: { "content-type": "application/json" },
    });
  },
});

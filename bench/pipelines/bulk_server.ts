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
    // By their action lines: rsyslog puts an empty line behind each document.
    let count = 0;
    for (let at = 0; at < body.length; ) {
      if (isAction(body, at)) count += 1;
      const newline = body.indexOf(10, at);
      at = newline < 0 ? body.length : newline + 1;
    }
    documents += count;
    const items = new Array(count).fill('{"create":{"status":201}}').join(",");
    return new Response(`{"took":1,"errors":false,"items":[${items}]}`, {
      headers: { "content-type": "application/json" },
    });
  },
});

/** `{"create":` or `{"index":`, by the first letter: no document here has such a first field. */
function isAction(body: Uint8Array, at: number): boolean {
  const letter = body[at + 2];
  return body[at] === 0x7b && body[at + 1] === 0x22 && (letter === 0x63 || letter === 0x69);
}

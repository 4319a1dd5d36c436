// Takes notes as JSON, tells the ledger of each, and answers what it understood. It knows nothing of
// tokens, of other versions of its interface, and of signatures.
import http from "node:http";

const { PORT, LEDGER_URL } = process.env;

const server = http.createServer(async (request, response) => {
  if (request.url === "/healthz") return response.end("ok\n");
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { first, last, text } = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    const entry = JSON.stringify({ by: request.headers["x-user"], text });
    const ledger = await fetch(`${LEDGER_URL}/entries?of=notes`, { method: "POST", body: entry });
    response.writeHead(ledger.ok ? 200 : 502, { "content-type": "application/json" });
    const user = request.headers["x-user"];
    response.end(JSON.stringify({ first, last, user, ledger: await ledger.text() }));
  } catch (error) {
    response.writeHead(400, { "content-type": "text/plain" });
    response.end(`${error.message}\n`);
  }
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`notes on http://127.0.0.1:${PORT}`));
process.on("SIGTERM", () => process.exit(0));

// Takes only what is signed with the key that it knows.
import { createHash, createHmac } from "node:crypto";
import http from "node:http";

const { PORT, LEDGER_KEY } = process.env;

function isSigned({ method, url, headers }, body) {
  const { pathname, search } = new URL(url, "http://ledger");
  const digest = createHash("sha256").update(body).digest("hex");
  const text = [method, pathname, search.slice(1), headers["x-date"], digest].join("\n");
  const signature = createHmac("sha256", LEDGER_KEY).update(text).digest("hex");
  return headers["x-signature"] === `keyId=notes,sha256=${signature}`;
}

const server = http.createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(request, body)) response.writeHead(403);
  response.end(response.statusCode === 403 ? "not signed" : `kept ${body.length} bytes`);
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`ledger on http://127.0.0.1:${PORT}`));
process.on("SIGTERM", () => process.exit(0));

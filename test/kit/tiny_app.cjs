// Answers each whole request with its name; /call/PATH is passed on to CALL_URL with what traces
// need, and /flaky/ANY fails once. A plain Node program.
const http = require("node:http");

const { PORT, NAME = "tiny", CALL_URL } = process.env;

const TRACES = ["traceparent", "tracestate", "b3"];
const flaky = new Set();

function passOn(path, came, response) {
  const kept = TRACES.filter((name) => name in came).map((name) => [name, came[name]]);
  const options = { headers: Object.fromEntries(kept) };
  const request = http.get(new URL(path, CALL_URL), options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  request.on("error", (error) => {
    response.writeHead(502);
    response.end(error.message);
  });
}

const server = http.createServer((request, response) => {
  const path = request.url;
  if (path.startsWith("/call/")) return passOn(path.slice("/call".length), request.headers, response);
  if (path.startsWith("/flaky/") && !flaky.has(path)) {
    flaky.add(path);
    response.statusCode = 503;
  }
  // Not before the whole request is there: an early answer to half a request would be right too.
  request.resume();
  request.on("end", () => response.end(`${NAME}\n`));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), "127.0.0.1", () => console.log(`${NAME} on ${PORT}`));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

// Answers each whole request with its name; /call/PATH is passed on to CALL_URL. A plain Node program.
const http = require("node:http");

const { PORT, NAME = "tiny", CALL_URL } = process.env;

function passOn(path, response) {
  const request = http.get(new URL(path, CALL_URL), (answer) => {
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
  if (path.startsWith("/call/")) return passOn(path.slice("/call".length), response);
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

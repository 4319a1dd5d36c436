// The shop's page: asks the API for its items, once per page view, and shows them. A plain Node
// program that knows nothing of what may stand in front of it or behind it.
//   PORT        where to listen (18080)
//   HOST        on which address (127.0.0.1)
//   API_URL     where the API is (http://127.0.0.1:9000)
import http from "node:http";

const port = Number(process.env.PORT ?? process.argv[2] ?? 18080);
const host = process.env.HOST ?? "127.0.0.1";
const apiUrl = process.env.API_URL ?? "http://127.0.0.1:9000";
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function ask(path, headers) {
  return new Promise((resolve, reject) => {
    const request = http.get(new URL(path, apiUrl), { agent, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() });
      });
    });
    request.on("error", reject);
  });
}

// What a tracing system needs from an app: hand on the ids that came in.
function passOn(headers) {
  const names = ["x-request-id", "traceparent", "tracestate"];
  return Object.fromEntries(names.filter((n) => headers[n]).map((n) => [n, headers[n]]));
}

const escape = (text) =>
  String(text).replace(
    /[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c],
  );

function page(title, content) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
li { display: flex; justify-content: space-between; padding: .5rem 0 }
ul { list-style: none; padding: 0 }
.error { background: #fde8e8; border: 1px solid #c0392b; padding: 1rem }
.degraded { background: #fff6da; border: 1px solid #c9a227; padding: 1rem }
</style>
</head>
<body>
<h1>${title}</h1>
${content}
</body>
</html>
`;
}

function itemsPage({ items, degraded }) {
  const rows = items.map(
    (item) =>
      `<li data-id="${escape(item.id)}"><span>${escape(item.name)}</span>` +
      `<b>${escape(item.price)}</b></li>`,
  );
  const note = degraded
    ? `<p class="degraded">Our catalogue takes a short break. Try again in a moment.</p>`
    : "";
  return page("The shop", `${note}<ul id="items">${rows.join("")}</ul>`);
}

function errorPage(reason) {
  return page(
    "Something went wrong",
    `<p class="error">The shop cannot show its items: ${escape(reason)}</p>`,
  );
}

function send(response, status, type, body) {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const HTML = "text/html; charset=utf-8";
const JSON_TYPE = "application/json";

async function showItems(request, response) {
  let answer;
  try {
    answer = await ask("/items", passOn(request.headers));
  } catch (error) {
    return send(
      response,
      502,
      HTML,
      errorPage(`no answer from the API (${error.code ?? error.message})`),
    );
  }
  if (answer.status !== 200) {
    return send(response, 500, HTML, errorPage(`the API answered ${answer.status}`));
  }
  try {
    send(response, 200, HTML, itemsPage(JSON.parse(answer.body)));
  } catch (error) {
    send(response, 500, HTML, errorPage(`the API's answer is unreadable (${error.message})`));
  }
}

async function passItems(request, response) {
  try {
    const answer = await ask("/items", passOn(request.headers));
    send(response, answer.status, JSON_TYPE, answer.body);
  } catch (error) {
    send(response, 502, JSON_TYPE, JSON.stringify({ error: error.code ?? error.message }));
  }
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://shop");
  if (pathname === "/") return showItems(request, response);
  if (pathname === "/api/items") return passItems(request, response);
  if (pathname === "/healthz" || pathname === "/livez")
    return send(response, 200, "text/plain", "ok\n");
  send(response, 404, HTML, page("Not found", `<p>There is no ${escape(pathname)}.</p>`));
});
server.keepAliveTimeout = 60_000;
server.listen(port, host, () =>
  console.log(`frontend on http://${host}:${port}, API at ${apiUrl}`),
);

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

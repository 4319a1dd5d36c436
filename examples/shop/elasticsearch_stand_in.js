// A stand-in for the few calls of Elasticsearch that the demo makes: it keeps documents in memory
// and loses them when it ends. Not for anything else.
//   PORT        where to listen (9200)
//   HOST        on which address (127.0.0.1)
//
//   POST /_bulk, /INDEX/_bulk      index and create actions, NDJSON; 200 with one item per action
//   GET  /_count, /INDEX/_count    {"count": n}
//   GET  /_search, /INDEX/_search  ?size=10&q=FIELD:VALUE  the newest first
//   DELETE /INDEX                  removes an index
//   GET  /                         name and version
import http from "node:http";

const port = Number(process.env.PORT ?? process.argv[2] ?? 9200);
const host = process.env.HOST ?? "127.0.0.1";
// What is kept at most: the oldest go first.
const MAX_DOCUMENTS = 100_000;
const MAX_BODY_BYTES = 64 << 20;

/** Index to documents, by id, in the order in which they came. */
const indices = new Map();
let total = 0;
let nextId = 1;

function store(index, id, source) {
  let documents = indices.get(index);
  if (documents === undefined) indices.set(index, (documents = new Map()));
  const known = documents.has(id);
  documents.set(id, source);
  if (!known && ++total > MAX_DOCUMENTS) {
    const [oldest, first] = indices.entries().next().value;
    first.delete(first.keys().next().value);
    if (first.size === 0) indices.delete(oldest);
    total--;
  }
  return known ? "updated" : "created";
}

function bulk(defaultIndex, body) {
  const lines = body.split("\n");
  const items = [];
  let errors = false;
  for (let n = 0; n < lines.length; n++) {
    if (lines[n] === "") continue;
    const [verb, target] = Object.entries(JSON.parse(lines[n]))[0];
    const _index = target._index ?? defaultIndex;
    const _id = target._id ?? String(nextId++);
    if (verb !== "index" && verb !== "create") {
      throw new Error(`"${verb}" is no action that this stand-in knows; it knows index and create`);
    }
    const source = lines[++n];
    if (verb === "create" && indices.get(_index)?.has(_id)) {
      errors = true;
      const error = {
        type: "version_conflict_engine_exception",
        reason: "document already exists",
      };
      items.push({ create: { _index, _id, status: 409, error } });
      continue;
    }
    try {
      const result = store(_index, _id, JSON.parse(source));
      items.push({ [verb]: { _index, _id, result, status: result === "created" ? 201 : 200 } });
    } catch (reason) {
      errors = true;
      const error = { type: "mapper_parsing_exception", reason: reason.message };
      items.push({ [verb]: { _index, _id, status: 400, error } });
    }
  }
  return { took: 1, errors, items };
}

function* documentsOf(pattern) {
  const matches = new RegExp(
    `^${pattern
      .split("*")
      .map(RegExp.escape ?? quote)
      .join(".*")}$`,
  );
  for (const [_index, documents] of indices) {
    if (!matches.test(_index)) continue;
    for (const [_id, _source] of documents) yield { _index, _id, _source };
  }
}

function quote(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function search(pattern, url) {
  const size = Math.min(Number(url.searchParams.get("size") ?? 10), 10_000);
  const [field, ...value] = (url.searchParams.get("q") ?? "").split(":");
  let hits = [...documentsOf(pattern)].reverse();
  if (field !== "" && value.length > 0) {
    hits = hits.filter(({ _source }) => String(_source[field]) === value.join(":"));
  }
  const found = { value: hits.length, relation: "eq" };
  return { took: 1, timed_out: false, hits: { total: found, hits: hits.slice(0, size) } };
}

function answer(request, url, body) {
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const verb = parts.at(-1)?.startsWith("_") ? parts.pop() : null;
  const pattern = decodeURIComponent(parts[0] ?? "*");
  switch (`${request.method} ${verb ?? (parts.length === 0 ? "/" : "INDEX")}`) {
    case "GET /":
    case "HEAD /":
      return [200, { name: "stand-in", version: { number: "8.0.0" }, tagline: "not the real one" }];
    case "POST _bulk":
    case "PUT _bulk":
      return [200, bulk(parts[0], body)];
    case "GET _count":
      return [200, { count: [...documentsOf(pattern)].length }];
    case "GET _search":
    case "POST _search":
      return [200, search(pattern, url)];
    case "DELETE INDEX":
      total -= indices.get(pattern)?.size ?? 0;
      return [200, { acknowledged: indices.delete(pattern) }];
    default:
      return [
        404,
        { error: { type: "unknown", reason: `${request.method} ${url.pathname}` }, status: 404 },
      ];
  }
}

const server = http.createServer((request, response) => {
  const chunks = [];
  let length = 0;
  request.on("data", (chunk) => {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
  });
  request.on("end", () => {
    let status, body;
    try {
      if (length > MAX_BODY_BYTES) [status, body] = [413, { error: "body too large", status: 413 }];
      else {
        const url = new URL(request.url, "http://elasticsearch");
        [status, body] = answer(request, url, Buffer.concat(chunks).toString());
      }
    } catch (error) {
      const reason = { type: "illegal_argument_exception", reason: error.message };
      [status, body] = [400, { error: reason, status: 400 }];
    }
    const text = JSON.stringify(body);
    response.writeHead(status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      "x-elastic-product": "Elasticsearch",
    });
    response.end(text);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(port, host, () =>
  console.log(`stand-in for Elasticsearch on http://${host}:${port}`),
);
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

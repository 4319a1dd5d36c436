// The shop's API: a catalogue that is not well. A plain Node program that knows nothing of what may
// stand in front of it.
//   PORT        where to listen (19000)
//   HOST        on which address (127.0.0.1)
//   LOG_FILE    where it writes its events (logs/events.log below the folder that it runs in)
//
//   GET  /items                          200 with the catalogue, or 500, as its state says
//   GET  /admin/mode                     its state
//   POST /admin/mode?to=ill|down|healed  ill (at first): about a third of the answers are 500;
//                                        down: all are; healed: none is
//   GET  /admin/count                    {"items": tries of /items, "failed": of them answered 500}
//   POST /admin/count                    sets both to 0
import fs from "node:fs";
import http from "node:http";
import path from "node:path";

const port = Number(process.env.PORT ?? process.argv[2] ?? 19000);
const host = process.env.HOST ?? "127.0.0.1";
const logFile = path.resolve(process.env.LOG_FILE ?? "logs/events.log");

const ITEMS = [
  { id: 1, name: "Ash paddle", price: "84.00" },
  { id: 2, name: "Dry bag, 20 l", price: "29.50" },
  { id: 3, name: "Lashing cord, 30 m", price: "17.00" },
  { id: 4, name: "Spare float", price: "240.00" },
  { id: 5, name: "Sail, crab claw", price: "410.00" },
];

const MODES = ["ill", "down", "healed"];
let mode = "ill";
const count = { items: 0, failed: 0 };

// Failures come from a small generator with a fixed seed, so that each run of the demo meets the
// same ones: about one in three, neither in a row nor in a rhythm.
let seed = 3;
function chance() {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

const fails = () => mode === "down" || (mode === "ill" && chance() < 1 / 3);

fs.mkdirSync(path.dirname(logFile), { recursive: true });
const log = fs.createWriteStream(logFile, { flags: "a" });

// Its own odd format: `2026-11-21 09:15:00.123 [info] items_listed count=5 took=0.4ms`.
function note(level, event, rest) {
  const time = new Date().toISOString().replace("T", " ").replace("Z", "");
  log.write(`${time} [${level}] ${event} ${rest}\n`);
}

function send(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

function listItems(request, response) {
  const id = request.headers["x-request-id"] ?? "-";
  count.items++;
  if (fails()) {
    count.failed++;
    note("error", "catalogue_unreadable", `mode=${mode} request=${id} try=${count.items}`);
    return send(response, 500, { error: "catalogue unreadable" });
  }
  note("info", "items_listed", `count=${ITEMS.length} request=${id} try=${count.items}`);
  send(response, 200, { items: ITEMS });
}

function setMode(url, response) {
  const wanted = url.searchParams.get("to");
  if (!MODES.includes(wanted)) {
    return send(response, 400, {
      error: `to=${wanted} is no state; there are ${MODES.join(", ")}`,
    });
  }
  note("warn", "mode_changed", `from=${mode} to=${wanted}`);
  mode = wanted;
  send(response, 200, { mode });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://api");
  switch (`${request.method} ${url.pathname}`) {
    case "GET /items":
      return listItems(request, response);
    case "GET /admin/mode":
      return send(response, 200, { mode });
    case "POST /admin/mode":
      return setMode(url, response);
    case "GET /admin/count":
      return send(response, 200, count);
    case "POST /admin/count":
      Object.assign(count, { items: 0, failed: 0 });
      return send(response, 200, count);
    case "GET /healthz":
    case "GET /livez":
      return send(response, 200, { ok: true });
    default:
      return send(response, 404, { error: `no ${request.method} ${url.pathname} here` });
  }
});
server.keepAliveTimeout = 60_000;
server.listen(port, host, () => {
  note("info", "started", `port=${port} mode=${mode}`);
  console.log(`api on http://${host}:${port}, ${mode}; events in ${logFile}`);
});

process.on("SIGTERM", () => {
  server.close(() => {
    note("info", "stopped", `tries=${count.items}`);
    log.end(() => process.exit(0));
  });
  server.closeIdleConnections();
});

import uplotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplotScript from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import type { HostPort } from "../api/snapshot.ts";
import type { Timer, World } from "../base/world.ts";
import { HttpServer, type ServerAnswer, type ServerRequest } from "../http/server.ts";
import { History } from "./history.ts";
import pageHtml from "./page/index.html" with { type: "text" };
import pageStyle from "./page/page.css" with { type: "text" };
import pageScript from "./page/page.js" with { type: "text" };
import type { ConsoleApp, ConsoleSource, ConsoleView } from "./view.ts";

const SAMPLE_EVERY_MS = 1000;
const EVENTS_SHOWN = 20;

/** The page loads nothing from elsewhere and talks to nobody else. */
const SECURITY: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

const FILES: Readonly<Record<string, { readonly type: string; readonly text: string }>> = {
  "/": { type: "text/html; charset=utf-8", text: pageHtml as unknown as string },
  "/page.css": { type: "text/css; charset=utf-8", text: pageStyle },
  "/page.js": { type: "text/javascript; charset=utf-8", text: pageScript },
  "/uplot.css": { type: "text/css; charset=utf-8", text: uplotStyle },
  "/uplot.js": { type: "text/javascript; charset=utf-8", text: uplotScript },
};

/** The web console of one machine: samples what its source tells, serves the page and its API. */
export class Console {
  readonly #world: World;
  readonly #source: ConsoleSource;
  readonly #server: HttpServer;
  readonly #history = new History();
  #apps: readonly ConsoleApp[] = [];
  #timer: Timer | null = null;
  #sampling = false;

  constructor(world: World, address: HostPort, source: ConsoleSource) {
    this.#world = world;
    this.#source = source;
    this.#server = new HttpServer(world, { address, handle: (request) => this.#answer(request) });
  }

  /** Returns the port. @throws NetError where the address cannot be had. */
  start(): number {
    const port = this.#server.start();
    this.#timer = this.#world.clock.every(SAMPLE_EVERY_MS, () => void this.#sample());
    void this.#sample();
    return port;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#server.stop();
  }

  async #sample(): Promise<void> {
    // A source that is slow loses samples; it does not pile up questions.
    if (this.#sampling) return;
    this.#sampling = true;
    try {
      this.#apps = await this.#source.apps();
      this.#history.add(this.#apps, this.#world.clock.now(), this.#world.clock.wallMs());
    } finally {
      this.#sampling = false;
    }
  }

  #answer(request: ServerRequest): ServerAnswer {
    if (!isLocalHost(request.headers.get("host") ?? "")) {
      // A foreign name that points here is another site's page reading through the browser.
      return { status: 421, headers: SECURITY, body: "open the console as http://localhost\n" };
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, headers: { ...SECURITY, allow: "GET, HEAD" }, body: "read only\n" };
    }
    if (request.path === "/api/view") {
      const since = Number(request.query.get("since") ?? "0");
      const body = JSON.stringify(this.view(Number.isFinite(since) ? since : 0));
      return { status: 200, headers: { ...SECURITY, "content-type": "application/json" }, body };
    }
    const file = FILES[request.path];
    if (file === undefined) return { status: 404, headers: SECURITY, body: "not found\n" };
    return { status: 200, headers: { ...SECURITY, "content-type": file.type }, body: file.text };
  }

  /** What `GET /api/view` answers. */
  view(sinceMs: number): ConsoleView {
    return {
      title: this.#source.title,
      nowMs: this.#world.clock.wallMs(),
      samples: this.#history.since(sinceMs),
      apps: this.#apps.map(({ workload, url, processes, stats }) => ({
        workload,
        url,
        processes,
        policyHash: stats?.policyHash ?? null,
        residentBytes: stats?.residentBytes ?? null,
        events: [...(stats?.events ?? [])].reverse().slice(0, EVENTS_SHOWN),
      })),
    };
  }
}

function isLocalHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i.test(host);
}

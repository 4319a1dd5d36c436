import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { PROGRAM } from "../kit/outrigger.ts";
import { partOf } from "../kit/parts.ts";
import { untilTrue } from "../kit/poll.ts";
import { freePort, isFree } from "../kit/ports.ts";
import { Recorder } from "./recorder.ts";

export const NAMES = ["outrigger", "haproxy", "nginx", "envoy"] as const;
export type Name = (typeof NAMES)[number];

/** Where the others are; null without one of them, which fails where the run has to be complete. */
export const PEERS = await findPeers();

async function findPeers(): Promise<Readonly<Record<Exclude<Name, "outrigger">, string>> | null> {
  const [haproxy, nginx, envoy] = await Promise.all(["haproxy", "nginx", "envoy"].map(partOf));
  if (!haproxy || !nginx || !envoy) return null;
  return { haproxy, nginx, envoy };
}

export interface Standing {
  readonly name: Name;
  readonly port: number;
  readonly recorder: Recorder;
}

/** Proxies as they come, each in front of a recorder of its own. */
export class Stand {
  readonly all: Standing[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "ot-odd-"));
  readonly #children: Bun.Subprocess[] = [];

  async start(): Promise<void> {
    for (const name of NAMES) {
      const recorder = await new Recorder().start();
      const port = await freePort();
      const folder = join(this.#folder, name);
      mkdirSync(folder);
      const command = await COMMANDS[name](folder, port, recorder.port, await freePort());
      this.#children.push(
        Bun.spawn([...command], { cwd: folder, stdio: ["ignore", "ignore", "ignore"] }),
      );
      this.all.push({ name, port, recorder });
      await untilTrue(`${name} listens`, async () => !(await isFree(port)));
    }
  }

  async stop(): Promise<void> {
    // Killed outright, nginx would leave its worker behind.
    for (const child of this.#children) child.kill("SIGTERM");
    const late = setTimeout(() => this.#children.forEach((child) => child.kill("SIGKILL")), 3000);
    await Promise.all(this.#children.map(({ exited }) => exited));
    clearTimeout(late);
    for (const { recorder } of this.all) recorder.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

type Command = (
  folder: string,
  port: number,
  upstream: number,
  spare: number,
) => Promise<readonly string[]>;

const COMMANDS: Readonly<Record<Name, Command>> = {
  outrigger: async (folder, port, upstream, spare) => {
    const file = join(folder, "snapshot.json");
    writeFileSync(file, JSON.stringify(snapshot(folder, port, upstream, spare)));
    return [PROGRAM, "proxy", "--snapshot", file];
  },
  haproxy: async (folder, port, upstream) => {
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
frontend in
  bind 127.0.0.1:${port}
  default_backend api
backend api
  server s1 127.0.0.1:${upstream}
`,
    );
    return [PEERS!.haproxy, "-db", "-f", file];
  },
  nginx: async (folder, port, upstream) => {
    const file = join(folder, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((what) => `  ${what}_temp_path ${folder}/${what};\n`)
      .join("");
    const user = process.getuid?.() === 0 ? "user root;\n" : "";
    writeFileSync(
      file,
      `${user}daemon off;
error_log ${folder}/error.log;
pid ${folder}/nginx.pid;
events {}
http {
${temporary}  access_log off;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
    }
  }
}
`,
    );
    return [PEERS!.nginx, "-e", join(folder, "error.log"), "-p", folder, "-c", file];
  },
  envoy: async (folder, port, upstream) => {
    const file = join(folder, "envoy.json");
    writeFileSync(file, JSON.stringify(envoy(port, upstream)));
    const flags = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "off"];
    return [PEERS!.envoy, ...flags];
  },
};

function envoy(port: number, upstream: number): object {
  const TYPE = "type.googleapis.com/envoy.extensions";
  const address = (port_value: number): object => ({
    socket_address: { address: "127.0.0.1", port_value },
  });
  const host = {
    name: "api",
    domains: ["*"],
    routes: [{ match: { prefix: "/" }, route: { cluster: "api", timeout: "5s" } }],
  };
  const manager = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    codec_type: "HTTP1",
    route_config: { virtual_hosts: [host] },
    http_filters: [
      { name: "router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }];
  return {
    static_resources: {
      listeners: [
        {
          name: "in",
          address: address(port),
          filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: "api",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: { cluster_name: "api", endpoints },
        },
      ],
    },
  };
}

function snapshot(folder: string, port: number, upstream: number, spare: number): Snapshot {
  return {
    apiVersion: "outrigger.dev/v1alpha1",
    kind: "Snapshot",
    workload: { namespace: "test", name: "odd" },
    version: "0000000000000001",
    policyHash: "0000000000000001",
    policy: {
      listeners: {
        in: {
          direction: "inbound",
          protocol: "http",
          routes: [
            {
              name: "all",
              hosts: ["*"],
              path: { kind: "prefix", value: "/" },
              backends: [{ cluster: "app", weight: 1 }],
              timeoutMs: 5000,
              idleTimeoutMs: 0,
              retry: null,
              fallback: null,
              filters: [],
            },
          ],
          maxConnections: 1024,
          maxHeaderBytes: 65_536,
          maxHeaders: 100,
          headerTimeoutMs: 5000,
          idleTimeoutMs: 5000,
        },
      },
      clusters: {
        app: {
          kind: "app",
          balance: { policy: "round-robin" },
          connectTimeoutMs: 1000,
          idleTimeoutMs: 5000,
          limits: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024 },
          breaker: null,
        },
      },
      pipelines: {},
      accessLog: { format: "off" },
      drainMs: 1000,
    },
    bindings: {
      listeners: { in: { host: "127.0.0.1", port } },
      clusters: {
        app: {
          discovery: "static",
          endpoints: [{ host: "127.0.0.1", port: upstream }],
          refresh: { minMs: 1000, maxMs: 60_000 },
        },
      },
      admin: {
        readOnly: { host: "127.0.0.1", port: spare },
        socket: join(folder, "admin.sock"),
      },
      pipelines: {},
      stateFolder: join(folder, "state"),
    },
    origins: {},
  };
}

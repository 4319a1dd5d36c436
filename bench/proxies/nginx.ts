import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { part } from "../../tools/install.ts";
import { Program } from "../processes.ts";
import {
  type BenchedProxy,
  HOST,
  logFile,
  otherPrefixes,
  type Setup,
  TLS_CIPHER,
  type TlsFiles,
} from "./proxy.ts";

export async function nginx(): Promise<BenchedProxy> {
  const { path, version } = await part("nginx");
  return {
    name: "nginx",
    version,
    does: {
      bare: "one worker, keep-alive to the upstream",
      policies:
        "server_name and location, stub_status (it has no metrics per route), timeouts, " +
        "proxy_next_upstream, max_fails with fail_timeout, max_conns, $request_id",
    },
    start: (setup) => startNginx("nginx", path, setup.folder, site(setup), log(setup)),
  };
}

/** Files of 1 KB and 64 KB, from one worker of nginx: what every proxy of a bench passes on to. */
export async function startUpstream(folder: string, port: number): Promise<Program> {
  mkdirSync(join(folder, "www"), { recursive: true });
  writeFileSync(join(folder, "www", "1KB"), "x".repeat(1024));
  writeFileSync(join(folder, "www", "64KB"), "x".repeat(64 * 1024));
  // Sparse: it takes no room on the disk.
  writeFileSync(join(folder, "www", "1GB"), "");
  truncateSync(join(folder, "www", "1GB"), 2 ** 30);
  const { path } = await part("nginx");
  return startNginx(
    "upstream",
    path,
    folder,
    `
  open_file_cache max=10;
  sendfile on;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${folder}/www;
  }`,
  );
}

function startNginx(
  name: string,
  path: string,
  folder: string,
  http: string,
  accessLog = "access_log off;",
): Program {
  const file = join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((what) => `  ${what}_temp_path ${folder}/${what};`)
    .join("\n");
  // As root nginx would run its worker as another user, who cannot read this folder.
  const user = process.getuid?.() === 0 ? "user root;\n" : "";
  writeFileSync(
    file,
    `${user}daemon off;
worker_processes 1;
error_log stderr error;
pid ${folder}/nginx.pid;
events { worker_connections 8192; }
http {
${temporary}
  ${accessLog}
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
${http}
}
`,
  );
  return new Program(name, [path, "-e", "stderr", "-p", folder, "-c", file], { cwd: folder });
}

/** About what ours says of a request; written when 64 KB are full or a second is over, as Envoy does. */
function log(setup: Setup): string {
  if (!setup.accessLog) return "access_log off;";
  return `log_format json escape=json '{"time":"$time_iso8601","method":"$request_method",'
    '"path":"$request_uri","host":"$host","status":$status,"bytes":$body_bytes_sent,'
    '"received":$request_length,"duration":$request_time,"upstream":"$upstream_addr",'
    '"client":"$remote_addr","request":"$request_id"}';
  access_log ${logFile(setup)} json buffer=64k flush=1s;`;
}

function tlsLines({ certificate, key }: TlsFiles): string {
  return `
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command Ciphersuites ${TLS_CIPHER};
    ssl_session_cache shared:s:10m;`;
}

function site(setup: Setup): string {
  const { profile, port, adminPort, upstreamPort } = setup;
  const toUpstream = `
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;`;
  const listen = `listen 127.0.0.1:${port}${setup.tls === null ? "" : " ssl"}`;
  const tls = setup.tls === null ? "" : tlsLines(setup.tls);
  const pool = "keepalive 1024; keepalive_requests 1000000000;";
  if (profile === "bare") {
    return `
  upstream api { server 127.0.0.1:${upstreamPort}; ${pool} }
  server {
    ${listen};${tls}
    location / {${toUpstream}
    }
  }`;
  }
  return `
  upstream api {
    server 127.0.0.1:${upstreamPort} max_fails=50 fail_timeout=5s max_conns=2048;
    ${pool}
  }
  map $http_x_request_id $rid { default $http_x_request_id; "" $request_id; }
  server { ${listen} default_server;${tls} return 404; }
  server {
    ${listen};${tls}
    server_name ${HOST};
${otherPrefixes(setup)
  .map((prefix) => `    location ${prefix} { proxy_pass http://api; }`)
  .join("\n")}
    location / {${toUpstream}
      proxy_set_header X-Request-Id $rid;
      proxy_connect_timeout 1s;
      proxy_read_timeout 2s;
      proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
      proxy_next_upstream_tries 3;
      proxy_next_upstream_timeout 2s;
    }
  }
  server { listen 127.0.0.1:${adminPort}; location /metrics { stub_status; } }`;
}

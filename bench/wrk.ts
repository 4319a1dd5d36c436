import { part } from "../tools/install.ts";
import { HOST } from "./proxies/proxy.ts";

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
}

/**
 * Connections, kept alive unless told otherwise, that each send the next request when the last is answered.
 * @throws where an answer was not 2xx or a socket failed: then the figures compare nothing.
 */
export async function wrk(
  name: string,
  url: string,
  options: {
    readonly connections: number;
    readonly seconds: number;
    /** A connection a request: what a caller without keep-alive costs. */
    readonly close?: boolean;
  },
): Promise<WrkResult> {
  const { path } = await part("wrk");
  const { connections, seconds, close = false } = options;
  const flags = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--timeout",
    "5s",
    "-H",
    `Host: ${HOST}`,
    ...(close ? ["-H", "Connection: close"] : []),
  ];
  const child = Bun.spawn([path, ...flags, url], { stdout: "pipe", stderr: "pipe" });
  const output =
    (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  await child.exited;
  return readWrk(name, output);
}

/** Reads what wrk prints. @throws as `wrk` does. */
export function readWrk(name: string, output: string): WrkResult {
  const bad = /^\s*(?:Non-2xx or 3xx responses|Socket errors):.*$/m.exec(output);
  const requests = /(\d+) requests in /.exec(output);
  const rate = /^Requests\/sec:\s+([\d.]+)/m.exec(output);
  if (bad !== null || requests === null || rate === null || requests[1] === "0") {
    const what = bad?.[0].trim() ?? output.trim();
    throw new Error(`the run of wrk through ${name} was not clean: ${what}`);
  }
  return { requests: Number(requests[1]), requestsPerSecond: Number(rate[1]) };
}

import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import type { LoadOptions, LoadReport } from "../operate/load.ts";
import type { Command, Input } from "./command.ts";
import { durationOption, outputOption } from "./command.ts";
import { printData } from "./output.ts";

export const load: Command = {
  name: "load",
  summary: "send requests at a rate, and report what came back",
  arguments: [{ name: "url", about: "http://HOST[:PORT]/PATH", required: true }],
  options: [
    { long: "rate", value: "N", about: "requests per second; as many as possible without it" },
    { long: "duration", value: "TIME", about: "how long", default: "10s" },
    { long: "connections", value: "N", about: "at most so many at once", default: "16" },
    { long: "timeout", value: "TIME", about: "how long an answer may take", default: "10s" },
    { long: "method", value: "METHOD", about: "the method", default: "GET" },
    { long: "header", short: "H", value: "NAME: VALUE", about: "a header more", many: true },
    outputOption("table"),
  ],
  examples: [
    {
      line: "outrigger load http://127.0.0.1:8080/ --rate 50 --duration 30s",
      about: "50 requests a second; status 1 where some failed or were answered with a 5xx",
    },
  ],
  async run(world, input) {
    const { runLoad } = await import("../operate/load.ts");
    let stopped = false;
    const remove = world.signals.on("SIGINT", () => (stopped = true));
    const report = await runLoad(world, await loadOptions(world, input), () => stopped);
    remove();
    const format = input.text("output") ?? "table";
    if (format === "table") world.stdio.stdout.write(reportText(report));
    else await printData(world, format, report);
    return report.successRate === 1 ? 0 : 1;
  },
};

async function loadOptions(world: World, input: Input): Promise<LoadOptions> {
  const { resolveHost } = await import("../http/post.ts");
  const written = input.words[0] ?? "";
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url === null || url.protocol !== "http:" || url.username !== "") {
    const advice = "write it as http://HOST[:PORT]/PATH";
    throw new Failure("usage", `"${written}" is no URL to send to`, advice);
  }
  const port = url.port === "" ? 80 : Number(url.port);
  const headers: Record<string, string> = {};
  let host = url.host;
  for (const header of input.list("header")) {
    const colon = header.indexOf(":");
    if (colon < 1) throw new Failure("usage", `--header "${header}" is not NAME: VALUE`);
    const name = header.slice(0, colon).trim();
    const value = header.slice(colon + 1).trim();
    // There is one Host.
    if (name.toLowerCase() === "host") host = value;
    else headers[name] = value;
  }
  return {
    address: { host: await resolveHost(world, url.hostname), port },
    host,
    path: `${url.pathname}${url.search}`,
    method: (input.text("method") ?? "GET").toUpperCase(),
    headers,
    rate: input.number("rate", { min: 0.01, max: 1_000_000 }),
    durationMs: durationOption(input, "duration") ?? 10_000,
    connections: input.number("connections", { min: 1, max: 10_000 }) ?? 16,
    timeoutMs: durationOption(input, "timeout") ?? 10_000,
  };
}

function reportText(report: LoadReport): string {
  const ms = (value: number | null) => (value === null ? "-" : `${value.toFixed(1)} ms`);
  const counts = (what: Readonly<Record<string, number>>) =>
    Object.entries(what)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", ") || "none";
  const success = report.successRate === null ? "-" : `${(report.successRate * 100).toFixed(2)}%`;
  const { requests, p50Ms, p90Ms, p99Ms, maxMs } = report;
  const seconds = (report.elapsedMs / 1000).toFixed(1);
  return [
    `requests   ${requests} in ${seconds} s, ${report.requestsPerSecond.toFixed(1)} a second`,
    `success    ${success} (answers below 500)`,
    `answers    ${counts(report.byStatus)}`,
    `no answer  ${counts(report.failures as Record<string, number>)}`,
    `latency    p50 ${ms(p50Ms)}, p90 ${ms(p90Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)}`,
    "",
  ].join("\n");
}

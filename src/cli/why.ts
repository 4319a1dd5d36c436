import type { FailedHop, Story } from "../local/why.ts";
import { placeWords } from "../local/failure_words.ts";
import type { Command } from "./command.ts";
import { outputOption } from "./command.ts";
import { printData } from "./output.ts";
import { SIDECAR_OPTIONS, wantedPlaces } from "./sidecar_options.ts";
import { ms, printable, tryText } from "./tap.ts";

export const why: Command = {
  name: "why",
  summary: "explain one refused or failed request: which hop, which policy, which line",
  arguments: [
    { name: "id", about: "its request id or trace id; without it the newest are listed" },
  ],
  options: [
    ...SIDECAR_OPTIONS,
    { long: "count", value: "N", about: "so many of the newest", default: "20" },
    outputOption("text", ["text", "json", "yaml"]),
  ],
  examples: [
    { line: "outrigger why", about: "the newest that were refused or failed, with their ids" },
    {
      line: "outrigger why 1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b",
      about: "what became of this one, hop by hop",
    },
  ],
  async run(world, input) {
    const { findStory, idOf, newestFailures } = await import("../local/why.ts");
    const places = await wantedPlaces(world, input, null);
    const format = input.text("output") ?? "text";
    const [id] = input.words;
    if (id !== undefined) {
      const story = await findStory(world, places, id);
      if (format !== "text") await printData(world, format, story);
      else world.stdio.stdout.write(storyText(story));
      return story.hops.length === 0 ? 1 : 0;
    }
    const count = input.wholeNumber("count", { min: 1, max: 1_000 }) ?? 20;
    const newest = await newestFailures(world, places, count);
    if (format === "text" && newest.length === 0) {
      world.stdio.stdout.write(`nothing was refused or failed in ${places.length} sidecars\n`);
    } else {
      await printData(world, format === "text" ? "table" : format, newest, () => ({
        columns: ["time", "app", "listener", "request", "outcome", "cause", "id"],
        rows: newest.map((hop) => [
          new Date(hop.timeMs).toISOString().slice(11, 23),
          ...[hop.app, hop.listener, printable(`${hop.method} ${hop.path}`), outcomeText(hop)],
          ...[hop.cause, printable(idOf(hop))],
        ]),
      }));
    }
    return 0;
  },
};

function outcomeText({ status, flags }: FailedHop): string {
  return `${status === 0 ? "no answer" : status}${flags.length === 0 ? "" : ` ${flags.join(",")}`}`;
}

function storyText({ id, hops, asked, silent }: Story): string {
  const lines: string[] = [];
  const looked = `${asked.length} sidecars were asked: ${asked.join(", ")}`;
  if (hops.length === 0) {
    lines.push(
      `nothing is known of ${id}`,
      `  ${looked}`,
      "  each keeps its newest 1,024 requests that were refused or failed, as long as it runs, and",
      "  of a flood the first of each second: this one went well, is too old, or had another id",
      "  outrigger why lists those that are kept; the access log has all (outrigger logs)",
    );
  } else {
    const count = hops.length === 1 ? "one sidecar" : `${hops.length} hops`;
    lines.push(`${id}: refused or failed at ${count}`);
    hops.forEach((hop, index) => lines.push("", ...hopLines(hop, index + 1)));
  }
  lines.push(...silent.map((text) => `  not asked: ${text}`));
  return `${lines.map(printable).join("\n")}\n`;
}

function hopLines(hop: FailedHop, number: number): string[] {
  const { app, listener, route, method, path, query, host, durationMs } = hop;
  const time = new Date(hop.timeMs).toISOString();
  const lines = [
    `${number}. ${app}, listener ${listener}, route ${route ?? "none"}, at ${time}`,
    `   ${method} ${path}${query} for ${host === "" ? "no host" : host}: ` +
      `${outcomeText(hop)} after ${ms(durationMs)}`,
    `   ${hop.what}`,
  ];
  if (hop.tries.length > 0) {
    lines.push("   tries that failed:", ...hop.tries.map((one, at) => `     ${tryText(one, at)}`));
  }
  if (hop.breaker !== null) lines.push(`   breaker of ${hop.cluster}: ${hop.breaker} at its end`);
  for (const place of hop.policy) {
    const { what, from } = placeWords(place);
    lines.push(`   decided by ${what}`, `     ${from}`);
  }
  lines.push(`   what to do: ${hop.advice}`);
  return lines;
}

import { join } from "node:path";
import { paced } from "../paced.ts";
import { memoryBytes } from "../processes.ts";
import { HOST } from "../proxies/proxy.ts";
import { median, quantile, row, type Row } from "../results.ts";
import { type Area, type Run, type Running, withStand } from "./area.ts";

/** Of the good ones. */
const RATE = 500;
const CONNECTIONS = 16;
/** Connections a second of those that misbehave. */
const ODD_RATE = 200;

/** Of a run: how long each part is, in slices that each give one p99. */
interface Plan {
  readonly sliceSeconds: number;
  readonly quietSlices: number;
  readonly oddSlices: number;
}

const WHOLE: Plan = { sliceSeconds: 10, quietSlices: 6, oddSlices: 30 };
const QUICK: Plan = { sliceSeconds: 5, quietSlices: 4, oddSlices: 12 };

/** Ours alone: good requests beside callers that misbehave, and what they cost the good ones. */
export const odd: Area = async (proxies, run) => {
  const ours = proxies.filter(({ name }) => name === "outrigger");
  return withStand(ours, { profile: "policies" }, ({ running }) => {
    return measure(running[0]!, run.quick ? QUICK : WHOLE, run);
  });
};

async function measure(one: Running, plan: Plan, { say }: Run): Promise<Row[]> {
  const { sliceSeconds, quietSlices, oddSlices } = plan;
  const slice = async (seconds = sliceSeconds): Promise<number> => {
    const latenciesMs = await paced(one.name, one.port, { rate: RATE, seconds, connections: CONNECTIONS });
    return quantile(latenciesMs, 0.99);
  };
  const quiet: number[] = [];
  const beside: number[] = [];
  const residentMb: number[] = [];
  await slice();
  say("odd: quiet");
  for (let n = 0; n < quietSlices / 2; n++) quiet.push(await slice());
  say(`odd: beside odd requests for ${oddSlices * sliceSeconds} s`);
  // A slice takes longer than its requests; it is stopped when the last one is through.
  const client = startOddClient(one.port, (oddSlices + 2) * (sliceSeconds + 10));
  try {
    // Connections that are held for long are there from here on.
    await slice();
    for (let n = 0; n < oddSlices; n++) {
      residentMb.push(memoryBytes(one.program.pid).rss / 1e6);
      beside.push(await slice());
    }
    residentMb.push(memoryBytes(one.program.pid).rss / 1e6);
  } finally {
    await client.stop();
  }
  say("odd: quiet again");
  await slice();
  for (let n = 0; n < quietSlices / 2; n++) quiet.push(await slice());
  return rows(plan, quiet, beside, residentMb, await client.counts);
}

interface OddCounts {
  readonly sent: Readonly<Record<string, number>>;
  readonly answered: Readonly<Record<string, number>>;
}

function startOddClient(
  port: number,
  seconds: number,
): { readonly counts: Promise<OddCounts>; stop(): Promise<void> } {
  const client = join(import.meta.dir, "..", "odd_client.ts");
  const args = [port, HOST, "/1KB", ODD_RATE, seconds, 1].map(String);
  const child = Bun.spawn([process.execPath, client, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const counts = new Response(child.stdout).text().then((text) => JSON.parse(text) as OddCounts);
  counts.catch(() => {});
  return {
    counts,
    async stop() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

function rows(
  { oddSlices, sliceSeconds }: Plan,
  quiet: readonly number[],
  beside: readonly number[],
  residentMb: readonly number[],
  counts: OddCounts,
): Row[] {
  const inWords = (all: Readonly<Record<string, number>>): string =>
    Object.entries(all)
      .map(([what, count]) => `${what} ${count}`)
      .join(", ");
  const work =
    `GET of 1 KB, ${RATE} a second over ${CONNECTIONS} connections, open loop, policies as in http1; ` +
    `beside it ${ODD_RATE} connections a second that misbehave, for ${oddSlices * sliceSeconds} s. ` +
    `A figure for each ${sliceSeconds} s.`;
  const sent = `They sent: ${inWords(counts.sent)}. They were answered: ${inWords(counts.answered)}.`;
  const lower = { better: "lower" } as const;
  const p99 = row(
    { id: "odd/p99", work: `${work} ${sent} quiet: before and after, without them.`, unit: "ms", ...lower },
    new Map([
      ["outrigger", beside],
      ["quiet", quiet],
    ]),
  );
  const sorted = (all: readonly number[]): number[] => [...all].sort((a, b) => a - b);
  const ratio = median(sorted(beside)) / median(sorted(quiet));
  const third = Math.floor(residentMb.length / 3);
  const memory = (id: string, figures: readonly number[], what: string): Row =>
    row({ id, work: `${what} ${work}`, unit: "MB", ...lower }, new Map([["outrigger", figures]]));
  return [
    p99,
    row(
      { id: "odd/p99-ratio", work: "The median beside them, by the quiet one.", unit: "times", ...lower },
      new Map([["outrigger", [ratio]]]),
    ),
    memory("odd/rss/start", residentMb.slice(0, third), "The first third of the time."),
    memory("odd/rss/middle", residentMb.slice(third, -third), "The middle."),
    memory("odd/rss/end", residentMb.slice(-third), "The last third."),
  ];
}

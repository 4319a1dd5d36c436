/** A pipeline's steps alone, without its sources and sinks: for a file's tests and for replays. */
import type { Event, Fields } from "../api/event.ts";
import type { PipelineBinding, PipelinePolicy, PipelineTest } from "../api/snapshot.ts";
import type { World } from "../base/world.ts";
import { EventBatch } from "./event_batch.ts";
import type { ComponentLists } from "./plan.ts";
import { planPipeline } from "./plan.ts";
import type { StepHost } from "./step.ts";
import { RunningStep } from "./step.ts";

/** What the steps make of one input. */
export interface Tried {
  readonly out: readonly TriedEvent[];
  /** Reasons, with the step. */
  readonly dropped: readonly TriedEnd[];
  readonly refused: readonly TriedEnd[];
  /** What steps said meanwhile, as of a file that cannot be loaded. */
  readonly said: readonly string[];
}

export interface TriedEvent {
  readonly fields: Fields;
  /** Names of the sinks that it is for. */
  readonly sinks: readonly string[];
}

export interface TriedEnd {
  readonly step: string;
  readonly reason: string;
}

/** A line as the source reads it, or fields as a source makes them. */
export type TriedInput =
  | { readonly line: string; readonly source?: string | undefined }
  | { readonly fields: Fields; readonly source?: string | undefined };

const WAIT_MS = 5000;
const LOOK_MS = 2;

const NO_BINDING: PipelineBinding = { sources: {}, sinks: {} };

export class TriedSteps {
  #world: World;
  #steps: readonly RunningStep[];
  #plan: ReturnType<typeof planPipeline>;
  #firstSource: string;
  #out: TriedEvent[] = [];
  #dropped: TriedEnd[] = [];
  #refused: TriedEnd[] = [];
  #said: string[] = [];
  #offset = 0;

  /** @throws Failure `refused` where the pipeline cannot be. */
  constructor(
    world: World,
    name: string,
    policy: PipelinePolicy,
    options: { readonly folder: string; readonly components?: ComponentLists },
  ) {
    this.#world = world;
    this.#plan = planPipeline(name, policy, NO_BINDING, options.components);
    this.#firstSource = this.#plan.sources[0]!.name;
    const host: StepHost = {
      world,
      folder: options.folder,
      report: (text) => void this.#said.push(text),
      count: () => {},
      drop: (_, step, reason) => void this.#dropped.push({ step, reason }),
      refuse: (_, step, reason) => void this.#refused.push({ step, reason }),
      buffered: () => {},
      replaced: () => {},
      made: () => {},
      end: () => {},
      advance: (step, events) => this.#advance(this.#steps.indexOf(step) + 1, events),
    };
    this.#steps = this.#plan.steps.map((step) => new RunningStep(host, step));
  }

  /**
   * What comes out of these, all of them of one moment; what a step holds it lets go then. A step
   * that waits (for its file, for a promise) is waited for, at most WAIT_MS.
   */
  async run(inputs: readonly TriedInput[]): Promise<Tried> {
    this.#out = [];
    this.#dropped = [];
    this.#refused = [];
    const { clock } = this.#world;
    const untilMs = clock.now() + WAIT_MS;
    for (const input of inputs) this.#advance(0, [this.#eventOf(input)]);
    for (;;) {
      for (const step of this.#steps) step.flush();
      const holds = this.#steps.find((step) => step.held > 0);
      if (holds === undefined) break;
      if (clock.now() >= untilMs) {
        this.#said.push(`${holds.name} still holds ${holds.held} after ${WAIT_MS / 1000} s`);
        break;
      }
      await clock.sleep(LOOK_MS);
    }
    const [out, dropped, refused] = [this.#out, this.#dropped, this.#refused];
    return { out, dropped, refused, said: this.#said.splice(0) };
  }

  close(): void {
    for (const step of this.#steps) step.close();
  }

  #eventOf(input: TriedInput): Event {
    const source = input.source ?? this.#firstSource;
    const chunk = "line" in input ? Buffer.from(input.line) : Buffer.alloc(0);
    const now = this.#world.clock.wallMs();
    const batch = new EventBatch(source, "test", "", chunk, this.#offset, now, () => {});
    this.#offset += chunk.length + 1;
    if ("line" in input) batch.add(0, chunk.length);
    else batch.addFields(input.fields, 1);
    return batch.events[0]!;
  }

  #advance(from: number, events: readonly Event[]): void {
    for (const event of events) {
      const { source } = event.origin;
      let left: readonly Event[] = [event];
      for (const step of this.#steps.slice(from)) {
        if (left.length === 0) break;
        if (step.route.sources?.includes(source) === false) continue;
        left = step.apply([...left]);
      }
      for (const one of left) this.#out.push({ fields: one.decode(), sinks: this.#sinksOf(one) });
    }
  }

  #sinksOf(event: Event): readonly string[] {
    return this.#plan.sinks
      .filter(({ route: { sources, when } }) => {
        if (sources?.includes(event.origin.source) === false) return false;
        return when === null || when(event);
      })
      .map(({ name }) => name);
  }
}

/** What differs between a test of a file and what its steps did; empty where nothing does. */
export function testDifferences(test: PipelineTest, tried: Tried): readonly string[] {
  const differences = differencesOf(test, tried);
  return differences.length === 0 ? [] : [...tried.said, ...differences];
}

function differencesOf(test: PipelineTest, tried: Tried): readonly string[] {
  const differences: string[] = [];
  const ends = [...tried.dropped, ...tried.refused];
  if (test.dropped !== undefined && !ends.some(({ reason }) => reason === test.dropped)) {
    const found = ends.length === 0 ? "nothing was dropped" : ends.map(endText).join(", ");
    differences.push(`expected it to be dropped for "${test.dropped}": ${found}`);
  }
  const expected = test.out ?? (test.dropped === undefined ? [] : null);
  if (expected === null) return differences;
  if (test.dropped === undefined) {
    for (const end of ends) differences.push(`not expected: ${endText(end)}`);
  }
  if (expected.length !== tried.out.length) {
    differences.push(`expected ${expected.length} events, ${tried.out.length} came out`);
  }
  for (const [i, event] of expected.entries()) {
    const found = tried.out[i]?.fields;
    for (const [name, value] of Object.entries(event)) {
      const [wanted, is] = [JSON.stringify(value), JSON.stringify(found?.[name]) ?? "missing"];
      if (wanted !== is) differences.push(`out[${i}].${name}: - ${wanted}\n${PLUS}+ ${is}`);
    }
  }
  for (const { fields } of tried.out.slice(expected.length)) {
    differences.push(`out, not expected: + ${JSON.stringify(fields)}`);
  }
  return differences;
}

const PLUS = "      ";

function endText({ step, reason }: TriedEnd): string {
  return `${step} gave it up: ${reason}`;
}

/** The input of a test: a text is a line; an object is a line of JSON, as a source reads it. */
export function testInput({ in: written, source }: PipelineTest): TriedInput {
  const line = typeof written === "string" ? written : JSON.stringify(written);
  return { line, source };
}

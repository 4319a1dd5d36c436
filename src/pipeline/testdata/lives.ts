/** A pipeline before an Elasticsearch that fails now and then; it is killed, and starts again. */
import type { PipelinePolicy } from "../../api/snapshot.ts";
import type { SimulatedWorld } from "../../base/simulated/mod.ts";
import type { PipelineOptions, PipelineRunner } from "../runner.ts";
import { FakeElasticsearch } from "./fake_elasticsearch.ts";
import { expectBalanced, mortal, startPipeline } from "./harness.ts";
import type { Mortal } from "./harness.ts";

export class Lives {
  readonly server: FakeElasticsearch;
  #world: SimulatedWorld;
  #policy: PipelinePolicy;
  #options: PipelineOptions;
  #life: Mortal;
  #runner: PipelineRunner;

  constructor(world: SimulatedWorld, policy: PipelinePolicy, options: PipelineOptions = {}) {
    this.#world = world;
    this.#policy = policy;
    this.#options = options;
    this.server = new FakeElasticsearch(world);
    this.#life = mortal(world);
    this.#runner = this.#start();
  }

  /** Of the life that goes on. */
  get runner(): PipelineRunner {
    return this.#runner;
  }

  /** Ends this one, in the midst of whatever it does, and begins the next. */
  next(): void {
    this.#life.kill();
    this.#life = mortal(this.#world);
    this.#runner = this.#start();
    expectBalanced(this.#runner);
  }

  /** No answer, 503 and single 429s, as chance has it; no answer at all while `isAway` says so. */
  fail(isAway: () => boolean = () => false): void {
    const { random } = this.#world;
    this.server.whole = () => {
      return isAway() || random.next() < 0.25 ? "none" : random.next() < 0.1 ? 503 : null;
    };
    this.server.item = () => (random.next() < 0.1 ? 429 : 201);
  }

  /** The server works from here on, and for so long that all is delivered. */
  async recover(): Promise<void> {
    this.server.whole = () => null;
    this.server.item = () => 201;
    await this.#world.clock.advance(300_000);
    expectBalanced(this.#runner);
  }

  #start(): PipelineRunner {
    const post = this.#life.post(this.server.post);
    return startPipeline(this.#life.world, this.#policy, { ...this.#options, post });
  }
}

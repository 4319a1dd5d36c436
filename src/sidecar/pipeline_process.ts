import type { PipelineBinding, PipelinePolicy, Snapshot } from "../api/snapshot.ts";
import { PROMETHEUS_TEXT_TYPE } from "../codec/prometheus_text.ts";
import type { World } from "../base/world.ts";
import { createPost } from "../http/post.ts";
import { HttpServer, jsonAnswer, textAnswer } from "../http/server.ts";
import { PipelineRunner } from "../pipeline/runner.ts";
import { mergeMetrics } from "./merge_metrics.ts";
import { untilStopped } from "./until_stopped.ts";

export interface PipelineSet {
  readonly policies: Readonly<Record<string, PipelinePolicy>>;
  readonly bindings: Readonly<Record<string, PipelineBinding>>;
  readonly stateFolder: string;
}

export interface PipelineProcessOptions {
  /** Where metrics and ledgers can be asked for; null for nowhere. */
  readonly adminSocket: string | null;
  /** Beside a sidecar: ends when standard input does, for then the sidecar is gone. */
  readonly endsWithInput: boolean;
  readonly log: (line: string) => void;
}

const NO_BINDING: PipelineBinding = { sources: {}, sinks: {} };

export function pipelinesOf(snapshot: Snapshot): PipelineSet {
  const { policy, bindings } = snapshot;
  return {
    policies: policy.pipelines,
    bindings: bindings.pipelines,
    stateFolder: bindings.stateFolder,
  };
}

/**
 * Runs pipelines until it is told to stop. Returns the exit code.
 *
 * @throws Failure "refused" where a pipeline cannot be built, FileError where its state cannot be
 *   read.
 */
export async function runPipelines(
  world: World,
  { policies, bindings, stateFolder }: PipelineSet,
  options: PipelineProcessOptions,
): Promise<number> {
  const post = createPost(world);
  const runners = Object.entries(policies).map(
    ([name, policy]) =>
      new PipelineRunner(world, name, policy, bindings[name] ?? NO_BINDING, stateFolder, {
        post,
        report: (line) => options.log(`${name}: ${line}`),
      }),
  );
  for (const runner of runners) runner.start();
  const server = options.adminSocket === null ? null : serve(world, options.adminSocket, runners);
  const stop = async () => {
    await Promise.all(runners.map((runner) => runner.stop()));
    server?.stop();
  };
  return untilStopped(world, { drain: stop, close: () => server?.stop() }, (run) => {
    if (options.endsWithInput) world.stdio.stdin.read(() => {}, run);
  });
}

function serve(world: World, socket: string, runners: readonly PipelineRunner[]): HttpServer {
  world.files.remove(socket);
  const server = new HttpServer(world, {
    address: { path: socket },
    mode: 0o600,
    maxBodyBytes: 0,
    handle: ({ method, path }) => {
      if (method !== "GET") return textAnswer(405, "only GET");
      if (path === "/stats") {
        return jsonAnswer(200, Object.fromEntries(runners.map((one) => [one.name, one.ledger()])));
      }
      if (path !== "/metrics") return textAnswer(404, "known here: /stats /metrics");
      const headers = { "content-type": PROMETHEUS_TEXT_TYPE };
      const body = mergeMetrics(runners.map((runner) => runner.metrics()));
      return { status: 200, headers, body };
    },
  });
  server.start();
  return server;
}

/** What a pipelines' process answers on its unix socket, mode 0600. */
import type { Fields } from "../api/event.ts";
import { Failure } from "../base/failure.ts";
import { FileError, type SocketAddress, type World } from "../base/world.ts";
import { PROMETHEUS_TEXT_TYPE } from "../codec/prometheus_text.ts";
import {
  HttpServer,
  jsonAnswer,
  type ServerAnswer,
  type ServerRequest,
  textAnswer,
} from "../http/server.ts";
import { chooseLetters, dropLetters, editLetter } from "../pipeline/letter_file.ts";
import type { LetterChoice } from "../pipeline/letter_file.ts";
import { moveToReplay, readLetters } from "../pipeline/letter_file.ts";
import type { PipelineRunner } from "../pipeline/runner.ts";
import { Trace } from "../pipeline/trace.ts";
import { mergeMetrics } from "./merge_metrics.ts";

const MAX_TRACED = 1000;
const KNOWN =
  "known here: GET /stats /metrics /state /trace /letters, POST /trace /letters /reload";

/** A request to do something with dead letters. */
export interface LetterOrder extends LetterChoice {
  readonly what: "drop" | "replay" | "edit";
  readonly pipeline: string;
  /** For `edit`. */
  readonly event?: Fields;
}

export interface AdminHost {
  runners(): readonly PipelineRunner[];
  /** Null where there is nothing to reload from. Resolves to what happened. */
  readonly reload: (() => Promise<string>) | null;
}

export function serveAdmin(world: World, socket: string, host: AdminHost): HttpServer {
  world.files.remove(socket);
  const server = new HttpServer(world, {
    address: { path: socket },
    mode: 0o600,
    handle: async (request) => {
      try {
        return await answer(world, host, request);
      } catch (error) {
        if (!(error instanceof Failure) && !(error instanceof FileError)) throw error;
        const advice = error instanceof Failure ? (error.advice ?? null) : null;
        return jsonAnswer(409, { problem: error.message, advice });
      }
    },
  });
  server.start();
  return server;
}

/** For a scraper: nothing but the metrics. @throws NetError where it cannot listen */
export function serveMetrics(world: World, address: SocketAddress, host: AdminHost): HttpServer {
  const server = new HttpServer(world, {
    address,
    handle: ({ method, path }) => {
      if (path !== "/metrics") return textAnswer(404, "known here: GET /metrics");
      return method === "GET" ? metricsAnswer(host.runners()) : textAnswer(405, "GET only");
    },
  });
  server.start();
  return server;
}

async function answer(
  world: World,
  host: AdminHost,
  request: ServerRequest,
): Promise<ServerAnswer> {
  const runners = host.runners();
  switch (`${request.method} ${request.path}`) {
    case "GET /stats":
      return jsonAnswer(200, Object.fromEntries(runners.map((one) => [one.name, one.ledger()])));
    case "GET /metrics":
      return metricsAnswer(runners);
    case "GET /state": {
      const pipelines = Object.fromEntries(runners.map((one) => [one.name, one.state()]));
      return jsonAnswer(200, { atMs: world.clock.now(), pipelines });
    }
    case "GET /trace":
      return jsonAnswer(
        200,
        runners.flatMap(({ name, trace }) =>
          trace === null ? [] : [{ pipeline: name, isFull: trace.isFull, events: trace.events }],
        ),
      );
    case "POST /trace":
      return startTrace(runners, request.query);
    case "DELETE /trace":
      for (const runner of runners) runner.trace = null;
      return jsonAnswer(200, {});
    case "GET /letters":
      return jsonAnswer(
        200,
        runners.map(({ name, deadLettersPath }) => ({
          pipeline: name,
          letters: readLetters(world.files, deadLettersPath),
        })),
      );
    case "POST /letters":
      return orderLetters(world, runners, JSON.parse(Buffer.from(request.body).toString()));
    case "POST /reload":
      if (host.reload === null) return textAnswer(409, "it was not started from files");
      return textAnswer(200, await host.reload());
    default:
      return textAnswer(request.method === "GET" ? 404 : 405, KNOWN);
  }
}

/** The books of all, and what their sinks made of events. */
function metricsAnswer(runners: readonly PipelineRunner[]): ServerAnswer {
  const texts = runners.flatMap((one) => [one.metrics(), ...one.sinkMetrics()]);
  const headers = { "content-type": PROMETHEUS_TEXT_TYPE };
  return { status: 200, headers, body: mergeMetrics(texts) };
}

function startTrace(
  runners: readonly PipelineRunner[],
  query: ReadonlyMap<string, string>,
): ServerAnswer {
  const count = Math.min(MAX_TRACED, Math.max(1, Number(query.get("count") ?? 10) || 10));
  const every = Math.max(1, Number(query.get("every") ?? 1) || 1);
  for (const runner of chosen(runners, query.get("pipeline"))) {
    runner.trace = new Trace(count, every);
  }
  return jsonAnswer(200, { count, every });
}

function chosen(runners: readonly PipelineRunner[], name?: string): readonly PipelineRunner[] {
  if (name === undefined) return runners;
  const found = runners.filter((one) => one.name === name || one.name.endsWith(`.${name}`));
  if (found.length > 0) return found;
  const names = runners.map((one) => one.name).join(", ");
  throw new Failure("usage", `no pipeline is called "${name}"`, `there are: ${names}`);
}

function orderLetters(
  world: World,
  runners: readonly PipelineRunner[],
  order: LetterOrder,
): ServerAnswer {
  const [runner] = chosen(runners, order.pipeline);
  const done = doOrder(world, runner!.folder, order);
  runner!.lettersChanged();
  return jsonAnswer(200, done);
}

/** The order carried out on the files below the pipeline's folder. @throws Failure, FileError */
export function doOrder(
  world: World,
  folder: string,
  { what, ids, where, event }: LetterOrder,
): { readonly count: number } {
  const path = `${folder}/dead-letters.jsonl`;
  const letters = chooseLetters(readLetters(world.files, path), { ids, where });
  if (letters.length === 0) return { count: 0 };
  if (what === "drop") return { count: dropLetters(world.files, path, letters) };
  if (what === "replay") {
    const name = Buffer.from(world.random.secureBytes(6)).toString("hex");
    moveToReplay(world.files, folder, letters, name);
    return { count: letters.length };
  }
  if (event === undefined || letters.length !== 1) {
    throw new Failure("usage", "edit takes one letter, and the fields that it has from now on");
  }
  editLetter(world.files, path, letters[0]!, event);
  return { count: 1 };
}

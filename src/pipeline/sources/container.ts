import type { Timer } from "../../base/world.ts";
import { boolean, choice, duration, list, object, size, text } from "../../schema/field.ts";
import type { Infer } from "../../schema/field.ts";
import type { Source, SourceContext, SourceDefinition } from "../component.ts";
import { FileTail } from "../tail/file_tail.ts";
import { PartialLines } from "../tail/join_partials.ts";
import { tailFields } from "../tail/tail_fields.ts";

// A line that is split here is joined again, so there is nothing to choose.
const { longLines: _, ...common } = tailFields;

const config = object({
  ...common,
  include: list(text(), { min: 1, max: 100 })
    .about("Logs of containers, as the runtime of a node writes them.")
    .default(["/var/log/pods/*/*/*.log"])
    .example(["/var/lib/docker/containers/*/*-json.log"]),
  format: choice(["auto", "cri", "docker"])
    .about("`cri` for containerd and CRI-O, `docker` for Docker's json-file; `auto` tells them apart.")
    .default("auto"),
  followLinks: boolean()
    .about("Links are followed into `linkFolders`: a node's log folders are full of them.")
    .default(true),
  linkFolders: list(text(), { max: 100 })
    .about("Folders into which links may lead, besides the one before the first pattern.")
    .default(["/var/log/pods", "/var/lib/docker/containers"]),
  maxLineBytes: size({ min: "1KiB", max: "1MiB" })
    .about("A longer line of the runtime is read in pieces, which are joined as partial lines are.")
    .default("256KiB"),
  maxMessageBytes: size({ min: "1KiB", max: "16MiB" })
    .about("Bound of one message, joined, counted in characters; what is behind it is another one.")
    .default("1MiB"),
  partialTimeout: duration({ min: "100ms", max: "10m" })
    .about("A message whose rest does not come is handed on as it is.")
    .default("10s"),
});

type Config = Infer<typeof config>;

/** How often messages are looked for whose rest does not come. */
const LOOK_MS = 1000;
const TIME = "2026-11-21T09:15:18";

export const container: SourceDefinition<Config> = {
  name: "container",
  summary: "Reads what containers print, from the logs of containerd, CRI-O and Docker.",
  status: "beta",
  security:
    "Reads regular files only; links may lead into linkFolders and nowhere else, so that a" +
    " container cannot show another file of its node as its log. Messages are bounded.",
  config,
  examples: [
    {
      title: "Lines that the runtime cut are joined, each stream by itself",
      config: { include: ["/var/log/pods/*/*/*.log"], followLinks: false },
      files: {
        "/var/log/pods/shop_api-0_0a1b2c3d-0000/app/0.log":
          `${TIME}.100000000Z stdout P one \n` +
          `${TIME}.150000000Z stderr F error\n` +
          `${TIME}.200000000Z stdout F message\n`,
      },
      events: [
        {
          time: `${TIME}.150000000Z`,
          stream: "stderr",
          message: "error",
          namespace: "shop",
          pod: "api-0",
          pod_uid: "0a1b2c3d-0000",
          container: "app",
        },
        {
          time: `${TIME}.100000000Z`,
          stream: "stdout",
          message: "one message",
          namespace: "shop",
          pod: "api-0",
          pod_uid: "0a1b2c3d-0000",
          container: "app",
        },
      ],
    },
    {
      title: "Docker's json-file",
      config: { include: ["/logs/*-json.log"] },
      files: {
        "/logs/a-json.log": `{"log":"hello\\n","stream":"stdout","time":"${TIME}.5Z"}\n`,
      },
      events: [{ time: `${TIME}.500Z`, stream: "stdout", message: "hello" }],
    },
  ],
  create: (settings, context) => new ContainerLogs(settings, context),
};

class ContainerLogs implements Source {
  readonly #context: SourceContext;
  readonly #lines: PartialLines;
  readonly #tail: FileTail;
  #timer: Timer | null = null;

  constructor(settings: Config, context: SourceContext) {
    this.#context = context;
    this.#lines = new PartialLines(context, {
      format: settings.format,
      maxMessageLength: settings.maxMessageBytes,
      partialTimeoutMs: settings.partialTimeout,
    });
    this.#tail = new FileTail({ ...settings, longLines: "split" }, context, this.#lines);
  }

  start(): void {
    this.#tail.start();
    this.#timer = this.#context.world.clock.every(LOOK_MS, () => this.#lines.flushOld());
  }

  resume(): void {
    this.#tail.resume();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#tail.stop();
  }

  close(): void {
    this.#timer?.cancel();
    this.#tail.close();
  }

  lagBytes(): number {
    return this.#tail.lagBytes();
  }
}

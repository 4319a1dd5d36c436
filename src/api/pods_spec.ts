/** How many pods an App has, and pods of it that do something else. */
import { boolean, integer, list, map, object, oneOf, percent, text } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import { computeResources } from "./traffic.ts";
import { imageName, scalingMetric, type ScalingMetric } from "./workload_spec.ts";

export const env = map(text({ scalars: true, minLength: 0 }), {
  key: /^[A-Za-z_][A-Za-z0-9_.-]*$/,
  keyExpected: 'a variable name such as "API_URL"',
  keyName: "VARIABLE",
});

export const replicas = oneOf(
  integer({ min: 0, max: 10_000 }).as((count) => ({
    ...{ min: count, max: count, cpu: undefined },
    metrics: [] as readonly ScalingMetric[],
  })),
  object({
    min: integer({ min: 0, max: 10_000 }).about("At least as many run. 1.").default(1).example(2),
    max: integer({ min: 1, max: 10_000 }).about("At most as many run.").example(10),
    cpu: percent({ min: "1%", max: "1000%" })
      .about(
        "More are started when they use more than this part of the CPU that they reserve. 80%.",
      )
      .default("80%")
      .example("70%"),
    metrics: list(scalingMetric, { max: 10 })
      .about("What else they are more for; whoever asks for the most is followed. None.")
      .default([])
      .example([{ name: "queue_messages_ready", of: "external", target: 30 }]),
  })
    .checkOf(["min", "max"], (value, report) => {
      if (value.max < value.min) report("max", "max is less than min", "raise it");
    })
    .as(
      (
        value,
      ): {
        min: number;
        max: number;
        cpu: number | undefined;
        metrics: readonly ScalingMetric[];
      } => value,
    ),
);

const group = object({
  replicas: replicas
    .about("How many run, as of the App's own. 1.")
    .optional()
    .example(3),
  command: list(text({ minLength: 0 }), { min: 1, max: 1000 })
    .about("Started instead of what the App's own pods start.")
    .optional()
    .example(["./server", "--worker"]),
  image: imageName.about("Its image. The App's by default.").optional(),
  env: env
    .about("Variables that are others than the App's, or more; templates as in `env`.")
    .default({})
    .example({ ROLE: "worker" }),
  resources: computeResources.about("What it reserves. As the App's own by default.").optional(),
  listens: boolean()
    .about("Whether it listens on the App's `port` too, and is probed there. Yes.")
    .default(true),
});

export const pods = map(group, { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED })
  .about(
    "Pods of the same App that do something else, as workers beside a leader: everything that is not " +
      "said here is as in its own pods, the sidecar's policy too. They are NAME-GROUP to each other, " +
      "and nobody else reaches them. None by default.",
  )
  .default({})
  .example({ worker: { replicas: 3, command: ["./server", "--worker"], listens: false } });

/** What the pods of a namespace may have together, and what each has that says nothing. */
import { cpu, integer, map, object, size } from "../schema/field.ts";
import { LABEL_EXPECTED, LABEL_PATTERN } from "./names.ts";
import { computeResources } from "./traffic.ts";

const quota = object({
  cpu: cpu({ min: "1m" }).about("CPU that its pods reserve together.").example("8").optional(),
  memory: size({ min: "4Mi" })
    .about("Memory that its pods reserve together; their limits may be twice as much.")
    .example("16Gi")
    .optional(),
  pods: integer({ min: 1, max: 100_000 }).about("How many pods.").example(50).optional(),
  storage: size({ min: "1Mi" }).about("Of all its volumes together.").example("100Gi").optional(),
}).check((value, report) => {
  if (Object.values(value).some((one) => one !== undefined)) return;
  report("", "a quota of nothing", "say cpu, memory, pods or storage");
});

export const namespaces = map(
  object({
    quota: quota
      .about("The most that all its pods have together (a ResourceQuota). No bound by default.")
      .optional(),
    defaults: computeResources
      .about(
        "What a container has that says nothing (a LimitRange). Apps of these files say it always; " +
          "this is for others. None by default.",
      )
      .optional(),
  }),
  { key: LABEL_PATTERN, keyExpected: LABEL_EXPECTED },
)
  .about("Bounds of namespaces, by their name. None by default.")
  .onlyOn("kubernetes")
  .default({})
  .example({ shop: { quota: { cpu: "8", memory: "16Gi", pods: 50 } } });

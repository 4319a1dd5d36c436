/** Annotations of a document: free, but for those that tune its sidecar. */
import type { Problem } from "../schema/problem.ts";
import { nearest } from "../schema/spelling.ts";
import { CPU_PATTERN, parseCpu, parseSize, SIZE_PATTERN } from "../schema/units.ts";
import { map, text } from "../schema/field.ts";

const OWN = "outrigger.dev/";

interface Tuning {
  readonly resource: "cpu" | "memory";
  readonly expected: string;
  readonly read: (written: string) => number | null;
  /** The least that the field of the same name takes. */
  readonly min: number;
}

const MIB = 1024 * 1024;

const TUNINGS: Readonly<Record<string, Tuning>> = {
  "outrigger.dev/sidecar-cpu": {
    resource: "cpu",
    expected: 'CPU such as "50m", at least 1m',
    read: (written) => (CPU_PATTERN.test(written) ? parseCpu(written) : null),
    min: 1,
  },
  "outrigger.dev/sidecar-memory": {
    resource: "memory",
    expected: 'a size such as "96Mi", at least 4Mi',
    read: (written) => (SIZE_PATTERN.test(written) ? parseSize(written) : null),
    min: 4 * MIB,
  },
};

/** What is wrong with an annotation of ours; null where nothing is, or where it is not ours. */
function annotationProblem(
  name: string,
  written: string,
): Pick<Problem, "message" | "advice"> | null {
  if (!name.startsWith(OWN)) return null;
  const tuning = TUNINGS[name];
  if (tuning === undefined) {
    const known = Object.keys(TUNINGS);
    const meant = nearest(name, known);
    const advice = meant === null ? `there are ${known.join(" and ")}` : `did you mean ${meant}?`;
    return { message: `annotations: ${name} is none of Outrigger's`, advice };
  }
  const value = tuning.read(written);
  if (value !== null && value >= tuning.min) return null;
  const message = `annotations: ${name} is ${JSON.stringify(written)}, expected ${tuning.expected}`;
  return { message, advice: null };
}

export const annotations = map(text({ scalars: true, minLength: 0, maxLength: 4096 }), {
  key: /^(?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
  keyExpected: 'an annotation such as "example.com/owner"',
  keyName: "ANNOTATION",
  max: 100,
})
  .about(
    "Notes of your own, given to an App's pods. `outrigger.dev/sidecar-cpu` and " +
      "`outrigger.dev/sidecar-memory` tune the sidecar's container as `sidecar.resources` does, and " +
      "win over it.",
  )
  .onlyOn("kubernetes")
  .check((value, report) => {
    for (const [name, written] of Object.entries(value)) {
      const problem = annotationProblem(name, written);
      if (problem !== null) report([name], problem.message, problem.advice ?? undefined);
    }
  })
  .default({})
  .example({ "outrigger.dev/sidecar-memory": "96Mi", "example.com/owner": "checkout" });

export interface SidecarTuning {
  readonly value: number;
  /** The annotation that says so. */
  readonly annotation: string;
}

/** What annotations say of the sidecar's container; they have been checked. */
export function sidecarTuning(
  written: Readonly<Record<string, string>>,
): Readonly<Partial<Record<"cpu" | "memory", SidecarTuning>>> {
  const found: Partial<Record<"cpu" | "memory", SidecarTuning>> = {};
  for (const [annotation, { resource, read }] of Object.entries(TUNINGS)) {
    if (!Object.hasOwn(written, annotation)) continue;
    const value = read(written[annotation]!);
    if (value !== null) found[resource] = { value, annotation };
  }
  return found;
}

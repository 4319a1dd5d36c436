/** Scorers that we did not write find nothing in our objects that has no reason. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifestText } from "../src/render/kubernetes/mod.ts";
import { builtTool, controlPlaneMissing, run } from "../tools/kube/control_plane.ts";
import { ROOT } from "./kit/outrigger.ts";
import { partOf } from "./kit/parts.ts";
import { EXAMPLES, renderExample } from "./kit/rendered.ts";

setDefaultTimeout(300_000);

const MINOR = 35;

interface Finding {
  readonly check: string;
  readonly says: string;
  /** Whether it is the sidecar's container, or a workload that is ours. */
  readonly ours: boolean;
  readonly name: string;
}

interface Row {
  readonly scorer: string;
  readonly check: string;
  readonly says: string;
  readonly where: string;
}

/** The table of docs/kubernetes_exceptions.md. */
function exceptions(scorer: string): readonly Row[] {
  return readFileSync(join(ROOT, "docs", "kubernetes_exceptions.md"), "utf8")
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter((cells) => cells[1] === scorer)
    .map(([, , check = "", says = "", where = "", reason = ""]) => {
      expect([check, reason.length >= 9]).toEqual([check, true]);
      return { scorer, check, says, where };
    });
}

function expectListed(scorer: string, findings: readonly Finding[]): void {
  const rows = exceptions(scorer);
  const rowOf = ({ check, says, ours }: Finding) => {
    return rows.find((row) => row.check === check && row.says === says && (row.where === "any" || !ours));
  };
  expect(findings.filter((one) => rowOf(one) === undefined)).toEqual([]);
  const used = new Set(findings.map(rowOf));
  expect(rows.filter((row) => !used.has(row))).toEqual([]);
}

function withManifests<T>(use: (folder: string, files: readonly string[]) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "outrigger-scores-"));
  const files = [...EXAMPLES.keys()].map((name) => {
    const file = join(folder, name.replaceAll("/", "_"));
    writeFileSync(file, manifestText(renderExample(name, "kubernetes", MINOR)));
    return file;
  });
  return use(folder, files).finally(() => rmSync(folder, { recursive: true, force: true }));
}

const missing = controlPlaneMissing();
if (missing !== null) {
  if (process.env["CI"] === "true") throw new Error(missing);
  console.log(`skipped: no kube-score: ${missing}`);
}

test.skipIf(missing !== null)("S3-5 kube-score finds nothing that has no reason", async () => {
  const scorer = await builtTool("kube-score");
  const findings = await withManifests(async (_, files) => {
    const all: Finding[] = [];
    for (const file of files) {
      const version = `v1.${MINOR}`;
      // 1 where anything failed.
      const { stdout } = await run([scorer, "score", "-o", "json", "--kubernetes-version", version, file]);
      const objects = JSON.parse(stdout);
      expect(objects.length).toBeGreaterThan(2);
      for (const { object_meta, type_meta, checks } of objects) {
        for (const { check, grade, skipped, comments } of checks) {
          if (skipped || grade === 10) continue;
          for (const { path, summary } of comments) {
            all.push({
              check: check.id,
              says: summary,
              ours: path === "outrigger" || (path === "" && object_meta.name === "gateway"),
              name: `${type_meta.kind}/${object_meta.name} ${path}`,
            });
          }
        }
      }
    }
    return all;
  });
  expectListed("kube-score", findings);
});

const checkov = await partOf("checkov");

describe.skipIf(checkov === null)("checkov", () => {
  const scored = async (folder: string) => {
    const options = ["--framework", "kubernetes", "--compact", "--skip-download", "-o", "json"];
    const { stdout } = await run([checkov!, ...options, "-d", folder]);
    return JSON.parse(stdout);
  };

  test("S3-5 checkov finds nothing that has no reason", async () => {
    const { summary, results } = await withManifests(scored);
    expect(summary.parsing_errors).toBe(0);
    expect(summary.passed).toBeGreaterThan(1000);
    const findings = results.failed_checks.map((one: any): Finding => ({
      check: one.check_id,
      says: one.check_name,
      ours: one.resource.endsWith(".gateway"),
      name: one.resource,
    }));
    expectListed("checkov", findings);
  });
});

import { parseBulkRequest, parseBulkResponse } from "./bulk.ts";
import { readBulkRequest } from "./bulk_request.ts";
import { chance, fuzzUntil, garbled, oneOf } from "./testdata/fuzzing.ts";
import { parsePrometheusText } from "./prometheus_text.ts";

/**
 * Bodies that we read whole: scraped metrics, bulk requests and answers. Whatever comes: nothing
 * throws, bounds hold, and an answer is for as many documents as were sent.
 */

const METRICS = [
  "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\\\"\\n\",d=\"\"} 1 1700000000000\na_total 2\n",
  '# TYPE h histogram\nh_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 0.3\nh_count 2\n# EOF\n',
  'x{quantile="0.5"} NaN\ny -Inf\n\n# a comment\nz 1e-9 # {trace_id="a"} 1 1\n',
];
const BULKS = [
  '{"create":{"_index":"a","_id":"1"}}\n{"m":1}\n{"index":{}}\n{"m":"x"}\n',
  '{"delete":{"_id":"7"}}\n{"update":{"_id":"8"}}\n{"doc":{}}\n\n',
];
const ANSWERS = [
  '{"took":1,"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}',
  '{"errors":true,"items":[{"create":{"status":429,"error":{"type":"a","reason":"b"}}},{"index":{"status":200}}]}',
];
const SPECIAL = [
  ...'{}[]",:\\ \n\r\t\0#=+-.0159eäÿ\u2028', "{}\n", '""', "null", "1e999", "\\u0000", "__proto__",
  '"__proto__":', "+Inf", "NaN", "le=", "_bucket", "# TYPE ", "# HELP ",
];
const MAX_ITEMS = 5;

/** Runs until `Date.now()` passes `deadlineMs`, once at least; throws with seed and input. */
export function fuzz(seed: number, deadlineMs: number): Promise<{ runs: number }> {
  return fuzzUntil(seed, deadlineMs, fuzzOnce);
}

/** One body of each kind; the same seed makes the same ones. */
export function fuzzOnce(seed: number): void {
  const below = chance(seed);
  const kind = oneOf([scrape, bulk, answer], below);
  const text = garbled({ scrape: METRICS, bulk: BULKS, answer: ANSWERS }[kind.name]!, below, SPECIAL);
  try {
    kind(text);
  } catch (error) {
    throw new Error(`seed ${seed}: ${kind.name} ${JSON.stringify(text)}`, { cause: error });
  }
}

function scrape(text: string): void {
  const { families, problems } = parsePrometheusText(text);
  const samples = families.flatMap((family) => family.samples);
  if (samples.length > text.length) throw new Error("more samples than characters");
  for (const { line } of problems) if (!(line >= 1)) throw new Error(`a problem in line ${line}`);
}

function bulk(text: string): void {
  const found = readBulkRequest(Buffer.from(text), "logs", MAX_ITEMS);
  if (typeof found !== "string") {
    if (found.length === 0 || found.length > MAX_ITEMS) throw new Error(`${found.length} items`);
    for (const { document, problem } of found) {
      if ((document === null) === (problem === null)) throw new Error("neither taken nor refused");
    }
  }
  parseBulkRequest(text);
}

function answer(text: string): void {
  const found = parseBulkResponse(text, 2);
  if (typeof found === "string") return;
  if (found.length !== 2) throw new Error(`${found.length} answers for 2 documents`);
  for (const { status } of found) if (!Number.isInteger(status)) throw new Error(`status ${status}`);
}

/**
 * The other side of the bulk API of Elasticsearch and OpenSearch: a request is read item by item,
 * and answered item by item, so that their clients can tell what was taken.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
 */

export type BulkVerb = "create" | "index" | "update" | "delete";

export interface BulkRequestItem {
  readonly verb: BulkVerb;
  /** Empty where neither the item nor the path names one. */
  readonly index: string;
  /** Null where the client leaves it to the server. */
  readonly id: string | null;
  readonly sizeBytes: number;
  /** The document; null where it cannot be taken. */
  readonly document: Record<string, unknown> | null;
  /** Why it cannot; null where it can. */
  readonly problem: BulkProblem | null;
}

export interface BulkProblem {
  readonly type: string;
  readonly reason: string;
}

const NEWLINE = 10;

/**
 * Reads a body of at most `maxItems`. A text says what is wrong with the request as a whole: then
 * nothing of it is taken, as Elasticsearch does it.
 */
export function readBulkRequest(
  body: Buffer,
  pathIndex: string,
  maxItems: number,
): readonly BulkRequestItem[] | string {
  if (body.length === 0) return "request body is required";
  if (body[body.length - 1] !== NEWLINE) {
    return "The bulk request must be terminated by a newline [\\n]";
  }
  const items: BulkRequestItem[] = [];
  let line = 0;
  for (let at = 0; at < body.length; ) {
    const actionEnd = body.indexOf(NEWLINE, at);
    line += 1;
    const action = body.toString("utf8", at, actionEnd).trim();
    at = actionEnd + 1;
    // Clients put empty lines between items, and at the end.
    if (action === "") continue;
    if (items.length >= maxItems) return `more than ${maxItems} items in one request`;
    const target = readAction(action);
    if (typeof target === "string") return `Malformed action/metadata line [${line}], ${target}`;
    const { verb, index = pathIndex, id } = target;
    const common = { verb, index, id };
    if (verb === "delete") {
      items.push({ ...common, sizeBytes: 0, document: null, problem: notTaken(verb) });
      continue;
    }
    const end = at < body.length ? body.indexOf(NEWLINE, at) : -1;
    if (end < 0) return `the action of line [${line}] has no document`;
    line += 1;
    const sizeBytes = end - at;
    items.push({ ...common, sizeBytes, ...readDocument(verb, body, at, end) });
    at = end + 1;
  }
  return items.length === 0 ? "request body is required" : items;
}

interface Target {
  readonly verb: BulkVerb;
  readonly index: string | undefined;
  readonly id: string | null;
}

function readAction(text: string): Target | string {
  const parsed = parseObject(text);
  if (parsed === null) return "expected START_OBJECT";
  const [entry, more] = Object.entries(parsed);
  if (entry === undefined || more !== undefined) return "expected one action";
  const [verb, target] = entry;
  if (verb !== "create" && verb !== "index" && verb !== "update" && verb !== "delete") {
    return `expected one of [create, delete, index, update] but found [${verb.slice(0, 64)}]`;
  }
  const { _index: index, _id: id } = isObject(target) ? target : {};
  return {
    verb,
    index: typeof index === "string" ? index : undefined,
    id: typeof id === "string" ? id : typeof id === "number" ? String(id) : null,
  };
}

function readDocument(
  verb: BulkVerb,
  body: Buffer,
  start: number,
  end: number,
): Pick<BulkRequestItem, "document" | "problem"> {
  if (verb === "update") return { document: null, problem: notTaken(verb) };
  const document = parseObject(body.toString("utf8", start, end));
  if (document !== null) return { document, problem: null };
  const reason = "failed to parse: the document is not a JSON object";
  return { document: null, problem: { type: "document_parsing_exception", reason } };
}

function notTaken(verb: BulkVerb): BulkProblem {
  const reason = `[${verb}] changes what is stored; only [create] and [index] make events`;
  return { type: "illegal_argument_exception", reason };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The answer: 201 for what was taken, 400 for what never can be. `brief` leaves out what clients do
 * not ask for (`filter_path`).
 */
export function bulkAnswer(
  items: readonly BulkRequestItem[],
  ids: (nth: number) => string,
  tookMs: number,
  brief: boolean,
): string {
  const parts: string[] = [];
  let errors = false;
  for (const [nth, { verb, index, id, problem }] of items.entries()) {
    errors ||= problem !== null;
    const error = problem === null ? "" : `,"error":${JSON.stringify(problem)}`;
    if (brief) {
      parts.push(`{"${verb}":{"status":${problem === null ? 201 : 400}${error}}}`);
      continue;
    }
    const target = `"_index":${JSON.stringify(index)},"_id":${JSON.stringify(id ?? ids(nth))}`;
    const shards = '"_shards":{"total":1,"successful":1,"failed":0}';
    const taken = `"_version":1,"result":"created",${shards},"_seq_no":0,"_primary_term":1`;
    const rest = problem === null ? `,${taken},"status":201` : `,"status":400${error}`;
    parts.push(`{"${verb}":{${target}${rest}}}`);
  }
  const took = brief ? "" : `"took":${tookMs},`;
  return `{${took}"errors":${errors},"items":[${parts.join(",")}]}`;
}

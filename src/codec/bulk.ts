/**
 * Framing of the bulk API of Elasticsearch and OpenSearch: an action line and a document line for
 * each document; the answer names what became of each, in order.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
 */

export interface BulkAction {
  readonly index: string;
  /** `create` with an id makes a resend harmless: the second one is a conflict, 409. */
  readonly id: string;
}

/** The two lines of one document. `document` is JSON on one line. */
export function encodeBulkItem({ index, id }: BulkAction, document: string): string {
  return `${bulkActionHead(index)}${quoted(id)}}}\n${document}\n`;
}

/** The line in front of a document, up to its id: the same for all of an index. */
export function bulkActionHead(index: string): string {
  return `{"create":{"_index":${quoted(index)},"_id":`;
}

/** Nothing in it is written otherwise in JSON. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** As JSON.stringify, at a third of its price for the usual ones. */
export function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** What became of one document. */
export interface BulkItem {
  readonly status: number;
  /** `mapper_parsing_exception: failed to parse field [n]`, or null where it was taken. */
  readonly reason: string | null;
}

/**
 * Reads the answer to a request of `count` documents. A text says why it is none: what was found
 * and what was expected.
 */
export function parseBulkResponse(body: string, count: number): readonly BulkItem[] | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return `the answer is not JSON: ${excerpt(body)}`;
  }
  const items = isRecord(parsed) ? parsed["items"] : undefined;
  if (!Array.isArray(items)) return `the answer has no list "items": ${excerpt(body)}`;
  if (items.length !== count) {
    return `the answer has ${items.length} items, expected ${count}, one for each document sent`;
  }
  const found: BulkItem[] = [];
  for (const [index, item] of items.entries()) {
    const result = isRecord(item) ? firstOf(item) : undefined;
    const status = isRecord(result) ? result["status"] : undefined;
    if (typeof status !== "number" || !Number.isInteger(status)) {
      return `item ${index} of the answer has no status: ${excerpt(JSON.stringify(item))}`;
    }
    if (status === CREATED.status) found.push(CREATED);
    else if (status < 300) found.push({ status, reason: null });
    else found.push({ status, reason: reasonOf(result as Record<string, unknown>) });
  }
  return found;
}

/** What became of nearly all. */
const CREATED: BulkItem = Object.freeze({ status: 201, reason: null });

function firstOf(item: Record<string, unknown>): unknown {
  for (const name in item) return item[name];
  return undefined;
}

function reasonOf(result: Record<string, unknown>): string {
  const error = result["error"];
  if (typeof error === "string") return excerpt(error);
  if (!isRecord(error)) return `status ${String(result["status"])}`;
  const cause = isRecord(error["caused_by"]) ? error["caused_by"]["reason"] : undefined;
  const parts = [error["type"], error["reason"], cause];
  return excerpt(parts.filter((part) => typeof part === "string").join(": "));
}

/** As much of a foreign text goes into a message. */
const MAX_EXCERPT = 500;

function excerpt(text: string): string {
  return text.length > MAX_EXCERPT ? `${text.slice(0, MAX_EXCERPT)}...` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Documents of a request, as a server reads them; a text says what is wrong. */
export function parseBulkRequest(body: string): readonly BulkDocument[] | string {
  if (body.length > 0 && !body.endsWith("\n")) return "the last line must end with a newline";
  const lines = body.split("\n");
  lines.pop();
  const documents: BulkDocument[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const action = parseAction(lines[i]!);
    if (action === null) return `line ${i + 1}: expected an action such as {"create":{...}}`;
    if (i + 1 >= lines.length) return `line ${i + 1}: an action without its document`;
    documents.push({ ...action, document: lines[i + 1]! });
  }
  return documents;
}

export interface BulkDocument {
  readonly action: "create" | "index";
  readonly index: string | null;
  readonly id: string | null;
  /** JSON, as it was sent. */
  readonly document: string;
}

function parseAction(line: string): Omit<BulkDocument, "document"> | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isRecord(parsed)) return null;
  const [entry] = Object.entries(parsed);
  if (entry === undefined || (entry[0] !== "create" && entry[0] !== "index")) return null;
  const target = isRecord(entry[1]) ? entry[1] : {};
  const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
  return { action: entry[0], index: text(target["_index"]), id: text(target["_id"]) };
}

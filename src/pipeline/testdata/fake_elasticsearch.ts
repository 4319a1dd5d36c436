/** An Elasticsearch in memory behind `HttpPost`: documents by id, answers that a test chooses. */
import { parseBulkRequest } from "../../codec/bulk.ts";
import type { BulkDocument } from "../../codec/bulk.ts";
import type { World } from "../../base/world.ts";
import type { HttpAnswer, HttpPost } from "../component.ts";

/** A status for one document; 201 stores it. */
export type ItemStatus = (document: BulkDocument, request: number) => number;
/** A whole answer instead, or "none", or "late" (stored, answered after a minute), or null. */
export type WholeAnswer = (request: number, documents: number) => number | "none" | "late" | null;

export class FakeElasticsearch {
  /** The message by id. */
  readonly documents = new Map<string, string>();
  readonly indices = new Map<string, number>();
  readonly requestTimes: number[] = [];
  requests = 0;
  open = 0;
  mostOpen = 0;
  /** Documents that arrived, stored or not. */
  seen = 0;
  item: ItemStatus = () => 201;
  whole: WholeAnswer = () => null;
  latencyMs = 5;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  readonly post: HttpPost = async (url, headers, body) => {
    if (!url.endsWith("/_bulk") || headers["content-type"] !== "application/x-ndjson") {
      throw new Error(`not a bulk request: ${url}`);
    }
    this.requests += 1;
    const request = this.requests;
    this.requestTimes.push(this.#world.clock.now());
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    try {
      await this.#world.clock.sleep(this.latencyMs);
      return await this.#answer(Buffer.from(body).toString(), request);
    } finally {
      this.open -= 1;
    }
  };

  get messages(): string[] {
    return [...this.documents.values()];
  }

  async #answer(body: string, request: number): Promise<HttpAnswer> {
    const documents = parseBulkRequest(body);
    if (typeof documents === "string") return answer(400, documents);
    const whole = this.whole(request, documents.length);
    if (whole === "none") throw new Error("connection reset");
    if (typeof whole === "number") return answer(whole, `{"error":"as told","status":${whole}}`);
    const items = documents.map((document) => ({ create: this.#store(document, request) }));
    if (whole === "late") await this.#world.clock.sleep(60_000);
    return answer(200, JSON.stringify({ errors: items.some((i) => i.create.status > 299), items }));
  }

  #store(document: BulkDocument, request: number): { status: number; error?: object } {
    this.seen += 1;
    const status = this.item(document, request);
    if (status === 400) {
      const error = { type: "mapper_parsing_exception", reason: "failed to parse field [n]" };
      return { status, error };
    }
    if (status !== 201) return { status, error: { type: "exception", reason: "as told" } };
    if (this.documents.has(document.id!)) return { status: 409 };
    const parsed = JSON.parse(document.document) as { message?: string };
    this.documents.set(document.id!, parsed.message ?? document.document);
    this.indices.set(document.index!, (this.indices.get(document.index!) ?? 0) + 1);
    return { status };
  }
}

function answer(status: number, body: string): HttpAnswer {
  return { status, headers: { "content-type": "application/json" }, body };
}

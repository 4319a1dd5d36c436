import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeBulkItem, parseBulkRequest, parseBulkResponse } from "./bulk.ts";

describe("requests", () => {
  test("S2-17 an action line and a document line", () => {
    expect(encodeBulkItem({ index: "logs", id: "a-1" }, '{"n":1}')).toBe(
      '{"create":{"_index":"logs","_id":"a-1"}}\n{"n":1}\n',
    );
  });

  test("any index, id and document come back, in order", () => {
    const item = fc.record({ index: fc.string(), id: fc.string(), document: fc.json() });
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const oneLine = (json: string): string => JSON.stringify(JSON.parse(json));
        const lines = items.map((one) => ({ ...one, document: oneLine(one.document) }));
        const body = lines.map((one) => encodeBulkItem(one, one.document)).join("");
        expect(parseBulkRequest(body)).toEqual(lines.map((one) => ({ action: "create", ...one })));
      }),
    );
  });

  test("what is wrong with a request is said", () => {
    expect(parseBulkRequest('{"create":{}}\n{}')).toBe("the last line must end with a newline");
    expect(parseBulkRequest('{"create":{}}\n')).toBe("line 1: an action without its document");
    expect(parseBulkRequest('{"shout":{}}\n{}\n')).toContain("line 1: expected an action");
    expect(parseBulkRequest("[1]\n{}\n")).toContain("line 1: expected an action");
  });
});

describe("answers", () => {
  test("what became of each document", () => {
    const body = JSON.stringify({
      errors: true,
      items: [
        { create: { status: 201 } },
        { create: { status: 429, error: { type: "rejected_execution", reason: "full" } } },
        {
          create: {
            status: 400,
            error: { type: "mapper_parsing", reason: "no", caused_by: { reason: "not a date" } },
          },
        },
        { index: { status: 503 } },
      ],
    });
    expect(parseBulkResponse(body, 4)).toEqual([
      { status: 201, reason: null },
      { status: 429, reason: "rejected_execution: full" },
      { status: 400, reason: "mapper_parsing: no: not a date" },
      { status: 503, reason: "status 503" },
    ]);
  });

  test("an answer that is none says why", () => {
    expect(parseBulkResponse("<html>", 1)).toContain("not JSON");
    expect(parseBulkResponse("{}", 1)).toContain('no list "items"');
    expect(parseBulkResponse('{"items":[]}', 1)).toContain("0 items, expected 1");
    expect(parseBulkResponse('{"items":[{"create":{}}]}', 1)).toContain("has no status");
    expect(parseBulkResponse('{"items":[null]}', 1)).toContain("has no status");
    expect((parseBulkResponse("x".repeat(10_000), 1) as string).length).toBeLessThan(600);
  });

  test("no text breaks it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.nat(3), (body, count) => {
        const found = parseBulkResponse(body, count);
        if (typeof found !== "string") expect(found.length).toBe(count);
      }),
    );
  });
});

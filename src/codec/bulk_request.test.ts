import { expect, test } from "bun:test";
import { Xoshiro128 } from "../base/xoshiro.ts";
import { encodeBulkItem, parseBulkResponse } from "./bulk.ts";
import { bulkAnswer, readBulkRequest } from "./bulk_request.ts";

const read = (text: string) => readBulkRequest(Buffer.from(text), "from-path", 100);

test("what our own sink writes is read, and what we answer our own sink understands", () => {
  const body = [1, 2, 3].map((n) => encodeBulkItem({ index: "a", id: `i${n}` }, `{"n":${n}}`));
  const items = read(body.join(""));
  if (typeof items === "string") throw new Error(items);
  expect(items.map(({ verb, index, id, document }) => [verb, index, id, document])).toEqual([
    ["create", "a", "i1", { n: 1 }],
    ["create", "a", "i2", { n: 2 }],
    ["create", "a", "i3", { n: 3 }],
  ]);
  for (const brief of [false, true]) {
    const answer = parseBulkResponse(bulkAnswer(items, () => "x", 1, brief), 3);
    expect(answer).toEqual(Array.from({ length: 3 }, () => ({ status: 201, reason: null })));
  }
});

test("items are judged one by one", () => {
  const items = read(
    '{"index":{}}\n{"a":1}\n{"create":{"_index":"b"}}\nnot json\n{"delete":{"_id":"7"}}\n' +
      '\n{"update":{"_id":7}}\n{"doc":{}}\n{"index":{"_id":"8"}}\r\n{"a":2}\r\n',
  );
  if (typeof items === "string") throw new Error(items);
  const seen = items.map(({ verb, index, id, problem }) => [verb, index, id, problem?.type ?? 201]);
  expect(seen).toEqual([
    ["index", "from-path", null, 201],
    ["create", "b", null, "document_parsing_exception"],
    ["delete", "from-path", "7", "illegal_argument_exception"],
    ["update", "from-path", "7", "illegal_argument_exception"],
    ["index", "from-path", "8", 201],
  ]);
  const answer = JSON.parse(bulkAnswer(items, (nth) => `made-${nth}`, 3, false)) as {
    errors: boolean;
    items: Record<string, { _id: string; status: number; error?: { type: string } }>[];
  };
  expect(answer.errors).toBe(true);
  expect(answer.items[0]!["index"]).toMatchObject({ _id: "made-0", status: 201 });
  expect(answer.items[1]!["create"]).toMatchObject({ status: 400 });
  expect(answer.items[2]!["delete"]!.error!.type).toBe("illegal_argument_exception");
});

test("a request that cannot be read is refused whole", () => {
  expect(read("")).toContain("body is required");
  expect(read("\n\n")).toContain("body is required");
  expect(read('{"index":{}}\n{"a":1}')).toContain("terminated by a newline");
  expect(read("[]\n{}\n")).toBe("Malformed action/metadata line [1], expected START_OBJECT");
  expect(read('{"drop":{}}\n{}\n')).toContain("but found [drop]");
  expect(read('{"index":{}}\n')).toContain("has no document");
  expect(read('{"index":{}}\n{}\n'.repeat(101))).toContain("more than 100 items");
});

test("no body throws", () => {
  const random = Xoshiro128.fromSeed(9);
  const pieces = ['{"index":{}}', "\n", '{"a":1}', "{", "}", '"', "null", "[1]", "\r\n", '{"delete":1}'];
  for (let run = 0; run < 3000; run++) {
    const length = Math.floor(random.next() * 8);
    const text = Array.from({ length }, () => pieces[Math.floor(random.next() * pieces.length)]!);
    read(text.join(""));
  }
});

import { expect, test } from "bun:test";
import { diffSnapshots } from "./diff.ts";
import { explain } from "./explain.ts";
import { appText, snapshotsOf } from "./testdata/from_text.ts";

function front(limit: string) {
  const lines = ["calls:", `  api: { endpoints: ["10.0.0.1:80"]${limit} }`];
  return snapshotsOf(appText("front", 8080, lines));
}

const LIMIT = ", rateLimit: { requests: 100, per: 1m, by: { header: X-User } }, faults: { abort: {} }";

test("a rate limit becomes a filter before the faults, line by line", () => {
  const [snapshot] = front(LIMIT);
  const { filters } = snapshot!.policy.listeners["call:api"]!.routes[0]!;
  expect(filters.map(({ filter }) => filter).slice(-2)).toEqual(["rate_limit", "fault"]);
  const limit = filters.find(({ filter }) => filter === "rate_limit")!;
  expect(limit.config).toEqual({
    name: "header x-user",
    requests: 100,
    perMs: 60_000,
    burst: 100,
    key: { by: "header", header: "x-user" },
    maxKeys: 10_000,
  });
  const at = `/filters/${filters.indexOf(limit)}/`;
  const parts = explain(snapshot!).filter(({ pointer }) => pointer.includes(at));
  const sources = parts.map(({ pointer, source }) => [pointer.split(at)[1], source]);
  expect(sources).toEqual([
    ["filter", "file"],
    ["config/name", "default"],
    ["config/requests", "file"],
    ["config/perMs", "file"],
    ["config/burst", "default"],
    ["config/key/by", "file"],
    ["config/key/header", "file"],
    ["config/maxKeys", "default"],
  ]);
  const abort = explain(snapshot!).find(({ pointer }) => pointer.endsWith("/config/delay"));
  expect(abort?.reason).toContain("Holds requests");
});

test("diff says a rate limit in words", () => {
  const changes = (before: string, after: string) =>
    diffSnapshots(front(before), front(after)).workloads.flatMap((one) => one.changes);
  const [added] = changes("", ", rateLimit: { requests: 5, burst: 9 }");
  expect(added!.sentence).toBe("rate limit of calls to api added: 5 requests in 1 s, 9 at once");
  const [changed] = changes(", rateLimit: { requests: 5 }", ", rateLimit: { requests: 5, by: source }");
  expect(changed!.sentence).toBe(
    "rate limit of calls to api changed: 5 requests in 1 s by source (was: 5 requests in 1 s)",
  );
});

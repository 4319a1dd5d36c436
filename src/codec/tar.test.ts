import { expect, test } from "bun:test";
import { tarOf } from "./tar.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("GNU tar finds the files, also with a path of more than 100 bytes, and their modes", () => {
  const long = `chart/templates/${"n".repeat(63)}/deployment-${"a".repeat(63)}.yaml`;
  const bytes = tarOf([
    { path: "chart/", mode: 0o755, bytes: new Uint8Array() },
    { path: "chart/Chart.yaml", mode: 0o644, bytes: text("name: chart\n") },
    { path: long, mode: 0o600, bytes: text("x".repeat(513)), owner: 65532 },
  ]);
  expect(bytes.length % 512).toBe(0);
  const list = Bun.spawnSync(["tar", "--numeric-owner", "-tvf", "-"], { stdin: bytes });
  const rows = list.stdout.toString().trimEnd().split("\n").map((row) => row.split(/\s+/));
  expect(rows.map(([mode, owner, size, , , path]) => [mode, owner, size, path])).toEqual([
    ["drwxr-xr-x", "0/0", "0", "chart/"],
    ["-rw-r--r--", "0/0", "12", "chart/Chart.yaml"],
    ["-rw-------", "65532/65532", "513", long],
  ]);
  const content = Bun.spawnSync(["tar", "-xOf", "-", "chart/Chart.yaml"], { stdin: bytes });
  expect(content.stdout.toString()).toBe("name: chart\n");
});

test("a path that no field holds is refused", () => {
  const file = { path: "a".repeat(101), mode: 0o644, bytes: new Uint8Array() };
  expect(() => tarOf([file])).toThrow("too long for a tar");
});

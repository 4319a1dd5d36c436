import { describe, expect, test } from "bun:test";
import { Failure } from "../base/failure.ts";
import { createSimulatedWorld } from "../base/simulated/mod.ts";
import type { TextInput } from "../base/world.ts";
import { MAX_FILE_LENGTH } from "../schema/read_yaml.ts";
import { loadDocuments } from "./documents.ts";
import { readFiles } from "./read_files.ts";

function folder(content: Readonly<Record<string, string | Uint8Array>>) {
  const { files } = createSimulatedWorld({ seed: 1 });
  for (const [path, data] of Object.entries(content)) {
    files.makeFolder(path.slice(0, path.lastIndexOf("/")));
    files.write(path, data);
  }
  return files;
}

const stdin = (text: string): TextInput => ({
  isTerminal: false,
  readAll: () => Promise.resolve(text),
  read: () => {},
});

async function failure(run: Promise<unknown>): Promise<Failure> {
  const error: unknown = await run.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Failure);
  return error as Failure;
}

describe("files from arguments", () => {
  const files = folder({
    "/shop/b.yml": "b",
    "/shop/a.yaml": "a",
    "/shop/c.json": '{"apiVersion": "x"}',
    "/shop/package.json": "{}",
    "/shop/notes.md": "n",
    "/shop/.hidden.yaml": "h",
    "/shop/.git/x.yaml": "h",
    "/shop/node_modules/m/x.yaml": "m",
    "/shop/more/d.yaml": "d",
    "/bare/notes.md": "n",
  });
  const names = async (...words: string[]): Promise<string[]> => {
    return (await readFiles(files, stdin("s"), words)).map((source) => source.file);
  };

  test("a folder: by name, without what is hidden or another tool's", async () => {
    expect(await names("/shop")).toEqual([
      "/shop/a.yaml",
      "/shop/b.yml",
      "/shop/c.json",
      "/shop/more/d.yaml",
    ]);
  });
  test("files in the order given, each once, whatever their ending", async () => {
    expect(await names("/shop/notes.md", "/shop/b.yml", "/shop/../shop/b.yml")).toEqual([
      "/shop/notes.md",
      "/shop/b.yml",
    ]);
    expect(await names("/shop/more", "/shop/more/d.yaml")).toEqual(["/shop/more/d.yaml"]);
  });
  test("standard input", async () => {
    expect(await readFiles(files, stdin("text"), ["-", "-"])).toEqual([
      { file: "stdin", text: "text" },
    ]);
  });
  test("what is not there says so, with an exit code of its own", async () => {
    const missing = await failure(names("/shop/x.yaml"));
    expect([missing.kind, missing.message]).toEqual([
      "input-not-found",
      "/shop/x.yaml: there is no such file or folder",
    ]);
    expect((await failure(names("/bare"))).kind).toBe("input-not-found");
    expect((await failure(names())).kind).toBe("usage");
  });
});

test("a file that is too large is cut, and reported as too large", async () => {
  const files = folder({ "/big.yaml": new Uint8Array(MAX_FILE_LENGTH * 4).fill(0x23) });
  const sources = await readFiles(files, stdin(""), ["/big.yaml"]);
  expect(sources[0]!.text.length).toBeLessThan(MAX_FILE_LENGTH * 4);
  const { problems } = loadDocuments(sources);
  expect(problems.map((one) => one.message)).toEqual([
    "the file is larger than 1048576 characters",
  ]);
});

test("a file that is not UTF-8 is a problem with its line", async () => {
  const files = folder({ "/a.yaml": new Uint8Array([0x61, 0x0a, 0x62, 0xff]) });
  const { problems } = loadDocuments(await readFiles(files, stdin(""), ["/a.yaml"]));
  expect(problems.map(({ line, column }) => [line, column])).toEqual([[2, 2]]);
});

import { expect, test } from "bun:test";
import type { FileError, OpenFile } from "../world.ts";
import type { ContractWorld } from "../world_contract.ts";
import { thrownBy } from "./recorder.ts";

export function filesContract(it: () => ContractWorld): void {
  test("files: what was written is read, as text and as bytes", () => {
    const { files } = it().world;
    const path = `${it().folder}/a.txt`;
    files.write(path, "grüße\n", { mode: 0o640 });
    expect(files.readText(path)).toBe("grüße\n");
    expect(files.stat(path)).toMatchObject({ kind: "file", sizeBytes: 8, mode: 0o640 });
    files.write(path, new Uint8Array([1, 2, 3]));
    expect([...files.readBytes(path)]).toEqual([1, 2, 3]);
    expect(files.stat(path)!.mode).toBe(0o640);
  });

  test("files: replace puts a new inode in place, keeps the bits and leaves nothing beside", () => {
    const { files } = it().world;
    const path = `${it().folder}/state.json`;
    files.replace(path, "one", { mode: 0o600 });
    const reader = files.open(path, "read");
    files.replace(path, "second");
    expect(files.readText(path)).toBe("second");
    expect(files.stat(path)!.mode).toBe(0o600);
    expect(files.stat(path)!.inode).not.toBe(reader.stat().inode);
    expect(readAll(reader)).toBe("one");
    reader.close();
    expect(files.list(it().folder)).toEqual(["state.json"]);
    files.makeFolder(`${it().folder}/full`);
    files.write(`${it().folder}/full/x`, "");
    expect(codeOf(() => files.replace(`${it().folder}/full`, "x"))).toBe("not-a-file");
    expect(files.list(it().folder)).toEqual(["full", "state.json"]);
  });

  test("files: folders are made with their parents, listed in order, and removed whole", () => {
    const { files } = it().world;
    const { folder } = it();
    files.makeFolder(`${folder}/x/y/z`);
    files.makeFolder(`${folder}/x/y/z`);
    for (const name of ["b", "c", "a"]) files.write(`${folder}/x/${name}`, name);
    expect(files.list(`${folder}/x`)).toEqual(["a", "b", "c", "y"]);
    expect(files.stat(`${folder}/x`)!.kind).toBe("folder");
    files.remove(`${folder}/x`);
    files.remove(`${folder}/x`);
    expect(files.stat(`${folder}/x`)).toBeNull();
    expect(files.list(folder)).toEqual([]);
  });

  test("files: a rename keeps the inode and replaces what was there", () => {
    const { files } = it().world;
    const { folder } = it();
    files.write(`${folder}/app.log`, "old");
    files.write(`${folder}/app.log.1`, "older");
    const { inode, device } = files.stat(`${folder}/app.log`)!;
    files.rename(`${folder}/app.log`, `${folder}/app.log.1`);
    expect(files.stat(`${folder}/app.log.1`)).toMatchObject({ inode, device, sizeBytes: 3 });
    expect(files.list(folder)).toEqual(["app.log.1"]);
    expect(files.realPath(`${folder}/../${folder.split("/").at(-1)}/app.log.1`)).toEndWith(
      "/app.log.1",
    );
  });

  test("files: errors say what cannot be done, to which path, and why", () => {
    const { files } = it().world;
    const { folder } = it();
    files.write(`${folder}/file`, "x");
    const cases: [() => unknown, string, string][] = [
      [() => files.readText(`${folder}/no`), "not-found", `cannot read ${folder}/no: there is no`],
      [() => files.readBytes(folder), "not-a-file", `cannot read ${folder}: it is a folder`],
      [() => files.write(`${folder}/no/x`, ""), "not-found", `${folder}/no/x: there is no`],
      [() => files.write(folder, ""), "not-a-file", "it is a folder, not a file"],
      [() => files.replace(`${folder}/no/x`, ""), "not-found", `cannot write ${folder}/no/x: `],
      [() => files.list(`${folder}/no`), "not-found", `cannot list ${folder}/no: there is no`],
      [() => files.list(`${folder}/file`), "not-a-folder", "is not a folder"],
      [() => files.makeFolder(`${folder}/file/x`), "not-a-folder", "is not a folder"],
      [() => files.rename(`${folder}/no`, `${folder}/b`), "not-found", `cannot rename to `],
      [() => files.realPath(`${folder}/no`), "not-found", `cannot find ${folder}/no: `],
      [() => files.open(`${folder}/no`, "read"), "not-found", `cannot open ${folder}/no: `],
      [() => files.open(folder, "read"), "not-a-file", "it is a folder, not a file"],
      [() => files.watch(`${folder}/no`, () => {}), "not-found", `cannot watch ${folder}/no: `],
    ];
    for (const [run, code, text] of cases) {
      const error = thrownBy<FileError>(run);
      expect(error.name).toBe("FileError");
      expect(error.message).toContain(text);
      expect(error.code as string).toBe(code);
      expect(error.path).toStartWith(folder);
    }
  });
}

export function openFilesContract(it: () => ContractWorld): void {
  test("files: what is to be created is no file that is there already", () => {
    const { files } = it().world;
    const path = `${it().folder}/new`;
    const made = files.open(path, "create", { mode: 0o600 });
    made.write(bytesOf("a"));
    made.close();
    expect([files.readText(path), files.stat(path)!.mode & 0o777]).toEqual(["a", 0o600]);
    expect(() => files.open(path, "create")).toThrow("something of that name exists already");
    expect(files.readText(path)).toBe("a");
  });

  test("files: appending goes to the end, whatever others did meanwhile", () => {
    const { files } = it().world;
    const path = `${it().folder}/log`;
    const one = files.open(path, "append", { mode: 0o600 });
    const two = files.open(path, "append");
    one.write(bytesOf("a\n"));
    two.write(bytesOf("b\n"));
    one.write(bytesOf("c\n"));
    one.sync();
    expect(files.readText(path)).toBe("a\nb\nc\n");
    expect(one.stat()).toMatchObject({ sizeBytes: 6, mode: 0o600 });
    // Truncated by somebody (copytruncate): the next line starts the file anew.
    files.write(path, "");
    two.write(bytesOf("d\n"));
    expect(files.readText(path)).toBe("d\n");
    one.truncate(1);
    expect(files.readText(path)).toBe("d");
    one.close();
    two.close();
    one.close();
  });

  test("files: opening for write truncates, and continues where it stopped", () => {
    const { files } = it().world;
    const path = `${it().folder}/out`;
    files.write(path, "something long");
    const file = files.open(path, "write");
    expect(file.stat().sizeBytes).toBe(0);
    file.write(bytesOf("ab"));
    file.write(bytesOf("cd"));
    file.close();
    expect(files.readText(path)).toBe("abcd");
    expect(thrownBy(() => file.write(bytesOf("x")))).toHaveProperty("name", "FileError");
  });

  test("files: an open file is read at any place, and lives on without a name", () => {
    const { files } = it().world;
    const path = `${it().folder}/log`;
    files.write(path, "0123456789");
    const file = files.open(path, "read");
    const into = new Uint8Array(6);
    expect(file.readAt(into, 2, 3, 4)).toBe(3);
    expect([...into]).toEqual([0, 0, 52, 53, 54, 0]);
    expect(file.readAt(into, 0, 6, 8)).toBe(2);
    expect(file.readAt(into, 0, 6, 10)).toBe(0);
    files.remove(path);
    expect(files.stat(path)).toBeNull();
    expect(readAll(file)).toBe("0123456789");
    files.write(path, "new");
    expect(files.stat(path)!.inode).not.toBe(file.stat().inode);
    file.close();
  });

  test("files: a watched folder tells of a change", async () => {
    const { files } = it().world;
    let changes = 0;
    const watcher = files.watch(it().folder, () => {
      changes += 1;
    });
    let seen = 0;
    const next = async (change: () => void): Promise<void> => {
      seen = changes;
      change();
      await it().until(() => changes > seen);
    };
    await next(() => files.write(`${it().folder}/a`, "1"));
    await next(() => files.rename(`${it().folder}/a`, `${it().folder}/b`));
    await next(() => files.remove(`${it().folder}/b`));
    watcher.close();
    watcher.close();
  });
}

function readAll(file: OpenFile): string {
  const into = new Uint8Array(100);
  return new TextDecoder().decode(into.subarray(0, file.readAt(into, 0, 100, 0)));
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function codeOf(run: () => unknown): string {
  return thrownBy<FileError>(run).code;
}

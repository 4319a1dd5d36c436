import { expect, test } from "bun:test";
import { join } from "node:path";

const MODULE = JSON.stringify(join(import.meta.dir, "mod.ts"));

function programOf(script: string): string {
  return `import { createBunWorld } from ${MODULE}; const world = createBunWorld(); ${script}`;
}

/** Runs a script with `world` in a process of its own. */
async function start(script: string, shell: string, input = ""): Promise<[string, string]> {
  const child = Bun.spawn(["bash", "-c", shell], {
    env: { ...process.env, BUN: process.execPath, PROGRAM: programOf(script) },
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  return Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
}

const RUN = '"$BUN" -e "$PROGRAM"';

test("write puts all of it into a pipe, much as it is", async () => {
  const script = 'world.stdio.stdout.write("x".repeat(1_000_000)); world.stdio.stdout.write("end")';
  const [out] = await start(script, `${RUN} | cat`);
  expect([out.length, out.slice(-5)]).toEqual([1_000_003, "xxend"]);
});

test("write and writeAll wait while a non-blocking pipe is full", async () => {
  // process.stdout makes the pipe non-blocking, so that a full one is EAGAIN.
  const script =
    'process.stdout.write(""); const big = "x".repeat(400_000);' +
    "world.stdio.stdout.write(big); await world.stdio.stdout.writeAll(big);" +
    'void world.stdio.stdout.writeAll(big); await world.stdio.stdout.writeAll("end\\n")';
  const [out, err] = await start(script, RUN);
  expect([out.length, out.slice(-5), err]).toEqual([1_200_004, "xend\n", ""]);
});

test("a reader that is gone is FileError closed, for write and for writeAll", async () => {
  const script =
    "const codes = [];" +
    'const big = "x".repeat(200_000);' +
    "try { for (;;) world.stdio.stdout.write(big); } catch (e) { codes.push(e.name, e.code); }" +
    "await world.stdio.stdout.writeAll(big).catch((e) => codes.push(e.message));" +
    "world.stdio.stderr.write(JSON.stringify(codes));";
  const [, err] = await start(script, `${RUN} | true`);
  expect(JSON.parse(err)).toEqual([
    "FileError",
    "closed",
    "cannot write to standard output: its reader is gone (EPIPE)",
  ]);
});

test("a reader that does not read does not stall the loop during writeAll", async () => {
  const script =
    'const all = world.stdio.stdout.writeAll("x".repeat(300_000));' +
    "for (let turn = 0; turn < 20; turn += 1) await Bun.sleep(0);" +
    'world.stdio.stderr.write("turned");' +
    "await all;";
  const child = Bun.spawn([process.execPath, "-e", programOf(script)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  // Nobody reads stdout until the loop has turned.
  const first = await child.stderr.getReader().read();
  expect(Buffer.from(first.value!).toString()).toBe("turned");
  expect((await new Response(child.stdout).text()).length).toBe(300_000);
});

test("input is read whole, or chunk by chunk with its end", async () => {
  const copy = "world.stdio.stdout.write(await world.stdio.stdin.readAll())";
  const [whole] = await start(copy, RUN, "grüße");
  expect(whole).toBe("grüße");
  const script =
    'let text = ""; world.stdio.stdin.read((b) => { text += Buffer.from(b).toString(); },' +
    '() => { world.stdio.stdout.write(text + "|" + world.stdio.stdin.isTerminal); });';
  const [chunks] = await start(script, RUN, "in parts");
  expect(chunks).toBe("in parts|false");
});

test("no terminal has no size", async () => {
  const script =
    "const o = world.stdio.stdout; o.write(`${o.isTerminal} ${o.columns} ${o.rows}`)";
  expect((await start(script, RUN))[0]).toBe("false 0 0");
});

import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "testdata", "follow_file.ts");
const LINES = 3000;
const KILLS = 6;

/** One life of the program; its output is collected, also of the one that is killed. */
function live(log: string, state: string, output: string[]) {
  const child = Bun.spawn({
    cmd: [process.execPath, PROGRAM, log, state],
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const chunks: Uint8Array[] = [];
  const reading = (async () => {
    for await (const chunk of child.stdout) chunks.push(chunk);
    output.push(Buffer.concat(chunks).toString());
  })();
  const ended = async (): Promise<void> => void (await Promise.all([child.exited, reading]));
  return { child, hasWritten: () => chunks.length > 0, ended };
}

test("S2-17 kill -9 while the file is written and rotated: no line is missing", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "outrigger-kill-"));
  const log = join(folder, "app.log");
  const output: string[] = [];
  let written = 0;
  let descriptor = fs.openSync(log, "a");
  const write = (count: number): void => {
    for (const end = written + count; written < end; written++) {
      fs.writeSync(descriptor, `${written} a line of the app\n`);
    }
  };
  const rotate = (): void => {
    for (let n = 20; n >= 1; n--) {
      if (fs.existsSync(`${log}.${n}`)) fs.renameSync(`${log}.${n}`, `${log}.${n + 1}`);
    }
    fs.renameSync(log, `${log}.1`);
    fs.closeSync(descriptor);
    descriptor = fs.openSync(log, "a");
  };
  let life = live(log, join(folder, "state"), output);
  try {
    const checkpoint = join(folder, "state", "pipelines", "test", "app.checkpoint.json");
    await until("the first checkpoint", () => fs.existsSync(checkpoint));
    for (let kill = 0; kill < KILLS; kill++) {
      for (let piece = 0; piece < 10; piece++) {
        write(LINES / KILLS / 10);
        if (piece % 4 === kill % 4) rotate();
        await Bun.sleep(3);
      }
      // In the midst of its work, not before it.
      await until("a line of this life", life.hasWritten);
      life.child.kill("SIGKILL");
      await life.ended();
      if (kill % 2 === 0) rotate();
      life = live(log, join(folder, "state"), output);
    }
    await until("all acknowledged", () => acknowledgedAll(checkpoint, log));
    life.child.kill("SIGTERM");
    await life.ended();
    const found = new Set<number>();
    for (const line of output.join("").split("\n")) {
      // A kill in the middle of a write leaves half a line; its event comes again.
      const number = /^\{"n":"(\d+)","message":"a line of the app"\}$/.exec(line)?.[1];
      if (number !== undefined) found.add(Number(number));
    }
    const missing = Array.from({ length: written }, (_, n) => n).filter((n) => !found.has(n));
    expect(missing).toEqual([]);
    expect(found.size).toBe(LINES);
  } finally {
    life.child.kill("SIGKILL");
    await life.child.exited;
    fs.closeSync(descriptor);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

test("S0-2 two processes of one pipeline: one is killed, the other goes on delivering", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "outrigger-two-"));
  const log = join(folder, "app.log");
  const outputs: [string[], string[]] = [[], []];
  const lives = outputs.map((output, i) => live(log, join(folder, `state-${i}`), output));
  const checkpoint = (i: number): string =>
    join(folder, `state-${i}`, "pipelines", "test", "app.checkpoint.json");
  try {
    for (const i of [0, 1]) await until("a checkpoint", () => fs.existsSync(checkpoint(i)));
    fs.appendFileSync(log, "1 a line of the app\n");
    for (const { hasWritten } of lives) await until("a line", hasWritten);
    lives[0]!.child.kill("SIGKILL");
    await lives[0]!.ended();
    fs.appendFileSync(log, "2 a line of the app\n");
    await until("all acknowledged", () => acknowledgedAll(checkpoint(1), log));
    lives[1]!.child.kill("SIGTERM");
    await lives[1]!.ended();
    const numbers = (output: readonly string[]): string[] =>
      [...output.join("").matchAll(/"n":"(\d+)"/g)].map((match) => match[1]!);
    expect(outputs.map(numbers)).toEqual([["1"], ["1", "2"]]);
  } finally {
    for (const { child } of lives) child.kill("SIGKILL");
    for (const { child } of lives) await child.exited;
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

/** The checkpoint knows the last byte of the current file, and of every file that it has open. */
function acknowledgedAll(checkpoint: string, log: string): boolean {
  const text = fs.readFileSync(checkpoint, "utf8");
  const { files } = JSON.parse(text) as { files: { inode: number; offset: number }[] };
  const offsets = new Map(files.map(({ inode, offset }) => [inode, offset]));
  const names = fs.readdirSync(join(log, "..")).filter((name) => name.startsWith("app.log"));
  const stats = names.map((name) => fs.statSync(join(log, "..", name)));
  return stats.every((stat) => offsets.get(stat.ino) === stat.size);
}

/** The bound is for a broken build: it fails with words instead of hanging. */
async function until(what: string, condition: () => boolean): Promise<void> {
  for (let look = 0; !condition(); look++) {
    if (look === 4000) throw new Error(`waited in vain: ${what}`);
    await Bun.sleep(5);
  }
}

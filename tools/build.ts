/**
 * Builds dist/outrigger: one file with everything in it, for this machine or for another.
 *
 *   bun tools/build.ts [--target bun-linux-arm64]
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dir, "..");
const { values } = parseArgs({ options: { target: { type: "string" } } });
const suffix = values.target === undefined ? "" : `-${values.target.replace(/^bun-/, "")}`;
const outfile = join(root, "dist", `outrigger${suffix}`);
mkdirSync(join(root, "dist"), { recursive: true });

const child = Bun.spawn(
  [
    process.execPath,
    "build",
    "src/main.ts",
    // What a thread of it runs.
    "src/thread_main.ts",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "--sourcemap=none",
    // What a command does not use stays out of its memory: 40 MB instead of 44 for an idle proxy.
    "--splitting",
    // A program that runs beside any app must not read that app's .env and bunfig.toml.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    // A smaller heap at the same CPU: 44 MB instead of 59 after bulk transfers.
    "--compile-exec-argv=--smol",
    "--outfile",
    outfile,
    ...(values.target === undefined ? [] : ["--target", values.target]),
  ],
  { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
);
const status = await child.exited;
if (status === 0) {
  const megabytes = (statSync(outfile).size / 1e6).toFixed(0);
  console.log(`dist/outrigger${suffix}: ${megabytes} MB`);
}
process.exit(status);

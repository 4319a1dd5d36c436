/** The real parts that suites run; `make test` installs them and names them by variables. */
import { describe } from "bun:test";
import { InstallError, part } from "../../tools/install.ts";

/** Null without the part, which is a failure where the whole test run has to be complete. */
export async function partOf(name: string): Promise<string | null> {
  const variable = `OUTRIGGER_${name.toUpperCase().replaceAll("-", "_")}`;
  const given = process.env[variable];
  if (given) return given;
  try {
    return (await part(name)).path;
  } catch (error) {
    if (!(error instanceof InstallError) || process.env["CI"] === "true") throw error;
    console.log(`skipped: no ${name}; set ${variable} or put it on PATH`);
    return null;
  }
}

/** The suite, or its skipping where a part is missing. */
export async function withPart(name: string, suite: (path: string) => void): Promise<void> {
  const path = await partOf(name);
  if (path === null) describe.skip(name, () => suite(""));
  else describe(name, () => suite(path));
}

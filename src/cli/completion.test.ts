import { expect, test } from "bun:test";
import { allCommands } from "./mod.ts";
import { machine, outrigger } from "./testdata/machine.ts";

test("completion knows every command and option, and is right for bash", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out } = await outrigger(machine(), "completion", shell);
    expect(code).toBe(0);
    for (const { name, options = [] } of await allCommands()) {
      for (const word of name.split(" ")) expect(out).toContain(word);
      for (const { long, hidden } of options) if (hidden !== true) expect(out).toContain(long);
    }
    expect(out).not.toMatch(/(--|-l )background/);
  }
  const { out } = await outrigger(machine(), "completion", "bash");
  const script = `${out}
COMP_WORDS=(outrigger che); COMP_CWORD=1; _outrigger; echo "\${COMPREPLY[@]}"
COMP_WORDS=(outrigger logs --fo); COMP_CWORD=2; _outrigger; echo "\${COMPREPLY[@]}"`;
  const bash = Bun.spawnSync(["bash", "-c", script]);
  expect(bash.stdout.toString()).toBe("check\n--follow\n");
});

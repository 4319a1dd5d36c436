/** A shell that is typed into, one command after the other, as a person does. */
import { type Subprocess } from "bun";

export interface Typed {
  readonly status: number;
  /** Both streams, without the last line break. */
  readonly output: string;
}

export class Shell {
  readonly #child: Subprocess<"pipe", "pipe", "inherit">;
  readonly #reading: Promise<void>;
  #text = "";
  #ended = false;
  #heard: (() => void) | null = null;
  #typed = 0;

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#child = Bun.spawn(["bash", "-c", "exec bash --norc 2>&1"], {
      cwd: folder,
      // What make and Bun told this run is not for what is typed here.
      env: {
        ...process.env,
        ...env,
        MAKEFLAGS: "",
        MAKELEVEL: undefined,
        MFLAGS: undefined,
        BUN_FEATURE_FLAG_NO_ORPHANS: undefined,
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) {
      this.#text += decoder.decode(bytes, { stream: true });
      this.#heard?.();
    }
    this.#ended = true;
    this.#heard?.();
  }

  /** Also `exit` out of a shell that a command opened; the shell that is there then answers. */
  async run(command: string): Promise<Typed> {
    const mark = `typed-${++this.#typed}`;
    this.#text = "";
    this.#child.stdin.write(`${command}\nprintf "\\n%s %s\\n" ${mark} "$?"\n`);
    this.#child.stdin.flush();
    const found = new RegExp(`^([^]*)\\n${mark} (\\d+)\\n`);
    for (;;) {
      const [, output, status] = found.exec(this.#text) ?? [];
      if (output !== undefined) return { status: Number(status), output: output.replace(/\n$/, "") };
      if (this.#ended) throw new Error(`the shell ended at: ${command}\n${this.#text}`);
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill();
    await this.#child.exited;
    await Promise.race([this.#reading, Bun.sleep(1_000)]);
  }
}

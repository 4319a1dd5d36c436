import type { HostPort } from "../api/snapshot.ts";
import { Failure } from "../base/failure.ts";
import type { World } from "../base/world.ts";
import { type Command, durationOption } from "./command.ts";

const PAUSE_MS = 500;

export const wait: Command = {
  name: "wait",
  summary: "wait until somebody answers there",
  // Before an app's first start, in a container with little memory.
  lean: true,
  arguments: [
    {
      name: "where",
      about: "HOST:PORT takes a connection, or http://HOST:PORT/PATH answers 200",
      required: true,
    },
  ],
  options: [
    { long: "timeout", value: "TIME", about: "how long at most", default: "1m" },
    { long: "go-on", about: "status 0 also where nobody answered in time" },
  ],
  examples: [
    { line: "outrigger wait db.example.com:3306", about: "status 1 where nobody answers in 1m" },
    {
      line: "outrigger wait http://127.0.0.1:15020/ready --timeout 30s",
      about: "until the sidecar of this pod is ready",
    },
  ],
  async run(world, input) {
    const [written = ""] = input.words;
    const ask = questionOf(world, written);
    const timeoutMs = durationOption(input, "timeout") ?? 60_000;
    const began = world.clock.now();
    while (!(await ask())) {
      if (world.clock.now() - began + PAUSE_MS > timeoutMs) {
        const goesOn = input.flag("go-on");
        const after = `nobody answered at ${written} in ${input.text("timeout") ?? "1m"}`;
        world.stdio.stderr.write(goesOn ? `${after}; going on\n` : `${after}\n`);
        return goesOn ? 0 : 1;
      }
      await world.clock.sleep(PAUSE_MS);
    }
    return 0;
  },
};

const WHERE = /^(http:\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})(\/[^\s]*)?$/;

/** @throws Failure `usage` */
function questionOf(world: World, written: string): () => Promise<boolean> {
  const [, scheme, host = "", digits = "", path] = WHERE.exec(written) ?? [];
  const port = Number(digits);
  if (host === "" || port < 1 || port > 65_535 || (scheme === undefined && path !== undefined)) {
    const advice = "write HOST:PORT, or http://HOST:PORT/PATH";
    throw new Failure("usage", `"${written}" says not whom to wait for`, advice);
  }
  const address: HostPort = { host: host.replaceAll(/[[\]]/g, ""), port };
  return scheme === undefined ? () => takes(world, address) : () => answers(world, address, path ?? "/");
}

async function takes(world: World, address: HostPort): Promise<boolean> {
  const { probeTcp } = await import("../local/probe.ts");
  return probeTcp(world, address);
}

async function answers(world: World, address: HostPort, path: string): Promise<boolean> {
  const { probeHttp } = await import("../local/probe.ts");
  const { HttpClient } = await import("../http/client.ts");
  return probeHttp(new HttpClient(world), address, path);
}

import type { World } from "../base/world.ts";
import type { Failure } from "../base/failure.ts";
import type { AdminPlace } from "../local/sidecars.ts";
import type { ArgumentDefinition, Input, OptionDefinition } from "./command.ts";

/** Of all commands that ask running sidecars. */
export const APP_ARGUMENT: ArgumentDefinition = {
  name: "app",
  about: "an App of what up runs, NAME or NAMESPACE/NAME; all of them without it",
};

export const SIDECAR_OPTIONS: readonly OptionDefinition[] = [
  { long: "name", value: "NAME", about: "the set's name, where several run" },
  { long: "socket", value: "PATH", about: "one sidecar, by the socket of its admin API" },
];

/** @throws Failure "not-running" or "usage" */
export async function wantedPlaces(
  world: World,
  input: Input,
  app: string | null,
): Promise<readonly AdminPlace[]> {
  const { placesOf } = await import("../local/sidecars.ts");
  return placesOf(world, { socket: input.text("socket"), set: input.text("name"), app });
}

/** Of several some may not answer: what the others say is shown all the same. */
export function saySilent(world: World, silent: readonly Failure[]): void {
  for (const { message } of silent) world.stdio.stderr.write(`${message}\n`);
}

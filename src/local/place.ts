import type { World } from "../base/world.ts";
import { loadFiles, type LoadedSet, placeDocuments, type SetPlace } from "./load_set.ts";
import { setNameOf, StateFolder, stateHome } from "./state_folder.ts";

/**
 * Where `up` would run these files, without asking whether ports are free: the ports that it used
 * last, and for the rest those that it would try first.
 */
export function placeOf(world: World, files: readonly string[]): SetPlace {
  const state = new StateFolder(world, stateHome(world), setNameOf(world, files));
  return { state, before: readPorts(state), held: null };
}

/** The ports of the last run by key; none where there was no run. */
export function readPorts(state: StateFolder): Readonly<Record<string, number>> {
  const kept = state.readJson(state.ports);
  if (typeof kept !== "object" || kept === null) return {};
  return Object.fromEntries(
    Object.entries(kept).filter(([, port]) => Number.isInteger(port) && port > 0 && port < 65_536),
  );
}

/** @throws ProblemsFailure, or Failure where the files cannot be read. */
export async function loadInPlace(world: World, files: readonly string[]): Promise<LoadedSet> {
  return placeDocuments(world, await loadFiles(world, files), placeOf(world, files));
}

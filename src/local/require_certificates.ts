import type { CertificateFiles, Origin, Snapshot } from "../api/snapshot.ts";
import { FileError, TlsError, type World } from "../base/world.ts";
import { toPointer } from "../compile/pointer.ts";
import type { Problem } from "../schema/problem.ts";
import { ProblemsFailure } from "./load_set.ts";

/**
 * Reads every certificate before anything is started: a sidecar that cannot use one does not start.
 *
 * @throws ProblemsFailure with a problem for each, at the line that names the file.
 */
export function requireCertificates(world: World, snapshots: readonly Snapshot[]): void {
  const problems = snapshots.flatMap((snapshot) => problemsOf(world, snapshot));
  if (problems.length > 0) throw new ProblemsFailure(problems, 0);
}

function problemsOf(world: World, snapshot: Snapshot): Problem[] {
  const problems: Problem[] = [];
  const check = (at: readonly string[], what: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof FileError || error instanceof TlsError)) throw error;
      const { file, line, column, field } = originOf(snapshot, at);
      const message = `${what}: ${error.message}`;
      problems.push({ file, line, column, field, found: null, message, advice: null });
    }
  };
  const checkCa = (at: readonly string[], what: string, path: string | null): void => {
    if (path === null) return;
    check(at, what, () => void world.net.tlsContext({ ca: world.files.readText(path) }));
  };
  const checkPair = (at: readonly string[], what: string, files: CertificateFiles): void => {
    check(at, what, () => {
      const certificate = world.files.readText(files.certificate);
      world.net.tlsContext({ certificate, key: world.files.readText(files.key) });
    });
  };
  for (const [listener, { clientCa, certificates }] of Object.entries(snapshot.bindings.tls ?? {})) {
    const at = ["bindings", "tls", listener];
    checkCa([...at, "clientCa"], "clientCa", clientCa);
    for (const [name, files] of Object.entries(certificates)) {
      checkPair([...at, "certificates", name], `certificate ${name}`, files);
    }
  }
  for (const [cluster, { tls }] of Object.entries(snapshot.bindings.clusters)) {
    if (tls === undefined) continue;
    const at = ["bindings", "clusters", cluster, "tls"];
    checkCa([...at, "ca"], `calls.${cluster}.tls.ca`, tls.ca);
    if (tls.client !== null) {
      checkPair([...at, "client"], `calls.${cluster}.tls.certificate`, tls.client);
    }
  }
  return problems;
}

/** Of a part, or of the nearest one around it that has an origin. */
function originOf({ origins }: Snapshot, path: readonly string[]): Origin {
  for (let length = path.length; length > 0; length -= 1) {
    const found = origins[toPointer(path.slice(0, length))];
    if (found !== undefined) return found;
  }
  return { file: "", line: 1, column: 1, field: "" };
}

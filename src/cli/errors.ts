import { Failure, type FailureKind } from "../base/failure.ts";
import { FileError, NetError, ProcessError, type World } from "../base/world.ts";
import { coloursFor } from "../base/colour.ts";

/** Whatever was thrown, as a failure with its exit code. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof FileError) return fileFailure(error);
  if (error instanceof NetError) return netFailure(error);
  if (error instanceof ProcessError) {
    const kind = error.code === "not-found" ? "command-not-found" : "permission";
    return new Failure(error.code === "other" ? "internal" : kind, error.message);
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const advice = "this is a bug of Outrigger: please report it with this text";
  return new Failure("internal", text, advice);
}

function fileFailure(error: FileError): Failure {
  const kinds: Partial<Record<FileError["code"], FailureKind>> = {
    "not-found": "input-not-found",
    "disk-full": "disk-full",
    permission: "permission",
  };
  const advice: Partial<Record<FileError["code"], string>> = {
    "not-found": "check the path; it is looked up from the folder that you are in",
    "disk-full": "free some space there, then try again",
    permission: "check who owns it and what it allows",
  };
  return new Failure(kinds[error.code] ?? "internal", error.message, advice[error.code]);
}

function netFailure(error: NetError): Failure {
  if (error.code === "address-in-use") {
    return new Failure("port-in-use", error.message, "stop what holds it, or use another port");
  }
  if (error.code === "permission") return new Failure("permission", error.message);
  const advice = "is it running, and is the address right?";
  return new Failure("upstream-unreachable", error.message, advice);
}

/** `error: what` and, below it, what to do; ends with a new line. */
export function describeFailure(world: World, failure: Failure): string {
  const colours = coloursFor(world, world.stdio.stderr);
  const lines = failure.advice === undefined ? [] : failure.advice.split("\n");
  const advice = lines.map((line) => `  ${line}\n`).join("");
  return `${colours.red("error:")} ${failure.message}\n${advice}`;
}

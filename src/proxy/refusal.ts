import { Failure } from "../base/failure.ts";
import { NetError } from "../base/world.ts";

/** Why a Snapshot cannot come into force, whatever was thrown over it. */
export function refusal(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof NetError) {
    const kind = error.code === "address-in-use" ? "port-in-use" : "refused";
    return new Failure(kind, error.message);
  }
  return new Failure("refused", error instanceof Error ? error.message : String(error));
}

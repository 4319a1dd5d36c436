/**
 * A malformed message that came by: the admin API's `GET /sightings?since=SEQUENCE`, an object with
 * one list, `sightings`, the oldest first. What a header held is never told, only its name.
 */
export interface Sighting {
  /** Grows from 1; a reader asks for what is newer than the last one that it has. */
  readonly sequence: number;
  /** Wall clock. */
  readonly timeMs: number;
  /** The listener of a request, the cluster of a response. */
  readonly where: string;
  readonly direction: "request" | "response";
  /** Its name as it came, made printable and at most 64 characters long; empty where it is none. */
  readonly header: string;
  /** A codec's error, or the kind of repair. */
  readonly reason: string;
  /** The reason in words. */
  readonly detail: string;
  readonly action: "refused" | "repaired";
  /** Null where the request has none, or did not get so far. */
  readonly requestId: string | null;
  /** Of the request, without its query; both empty where it could not be read. */
  readonly method: string;
  readonly path: string;
  /**
   * Of the same place, header, reason and action at most one is told a second: so many there were
   * since the one before, this one among them.
   */
  readonly count: number;
}

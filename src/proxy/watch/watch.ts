import type { HeaderBlock } from "../../codec/headers.ts";
import type { ResponseHead } from "../../codec/message.ts";
import type { FailureCode } from "../errors.ts";
import type { AnswerHeaders } from "../filters/filter.ts";
import type { Stream } from "../stream.ts";

/**
 * Looks on as requests pass: a tap, a capture, a tracer. A listener without one pays a comparison
 * with null a phase. Whoever looks on changes nothing of the request (but for the tracer its trace
 * context), throws nothing, and keeps no reference to a head: its bytes are the next request's soon.
 */
export interface Watcher {
  /** A request as it came, before it was matched with anything; null: not this one. */
  begin(stream: Stream): RequestWatch | null;
}

/** One request under watch. */
export interface RequestWatch {
  /** The filters have passed; a try, the first or another one, is about to ask for a connection. */
  onTry(stream: Stream): void;
  /**
   * The try has its outcome: an answer's status, or 0 and the failure. A request that ends in the
   * middle of a try (the caller left, its time was up) has `onComplete` only.
   */
  onTryEnd(stream: Stream, status: number, failure: FailureCode | null): void;
  /** The answer that the caller gets, behind the filters. */
  onAnswer(stream: Stream, head: ResponseHead): void;
  /** An answer that is made here. */
  onLocalAnswer(stream: Stream, headers: AnswerHeaders): void;
  onTrailers(stream: Stream, trailers: HeaderBlock): void;
  /** Once, whatever became of it; the stream's account is complete. */
  onComplete(stream: Stream, nowMs: number): void;
}

/** One for all of them; null for none. */
export function watchAll(watchers: readonly Watcher[]): Watcher | null {
  if (watchers.length <= 1) return watchers[0] ?? null;
  return {
    begin(stream) {
      let first: RequestWatch | null = null;
      let all: RequestWatch[] | null = null;
      for (const watcher of watchers) {
        const watch = watcher.begin(stream);
        if (watch === null) continue;
        if (first === null) first = watch;
        else (all ??= [first]).push(watch);
      }
      return all === null ? first : new Watches(all);
    },
  };
}

class Watches implements RequestWatch {
  constructor(readonly all: readonly RequestWatch[]) {}

  onTry(stream: Stream): void {
    for (const watch of this.all) watch.onTry(stream);
  }

  onTryEnd(stream: Stream, status: number, failure: FailureCode | null): void {
    for (const watch of this.all) watch.onTryEnd(stream, status, failure);
  }

  onAnswer(stream: Stream, head: ResponseHead): void {
    for (const watch of this.all) watch.onAnswer(stream, head);
  }

  onLocalAnswer(stream: Stream, headers: AnswerHeaders): void {
    for (const watch of this.all) watch.onLocalAnswer(stream, headers);
  }

  onTrailers(stream: Stream, trailers: HeaderBlock): void {
    for (const watch of this.all) watch.onTrailers(stream, trailers);
  }

  onComplete(stream: Stream, nowMs: number): void {
    for (const watch of this.all) watch.onComplete(stream, nowMs);
  }
}

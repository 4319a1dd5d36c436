import type { Stream } from "./stream.ts";

/** Goes on once a filter's promise has settled, unless the request is over by then. */
export function whenSettled<Value>(
  stream: Stream,
  promise: Promise<Value>,
  goOn: (value: Value) => void,
  failed: (error: unknown) => void,
): void {
  const { generation } = stream;
  const isOver = (): boolean => stream.generation !== generation || stream.finished;
  promise
    .then(
      (value) => {
        if (!isOver()) goOn(value);
      },
      (error: unknown) => {
        if (!isOver()) failed(error);
      },
    )
    .finally(() => stream.context.scratch.flush());
}

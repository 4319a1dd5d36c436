/** Which lines belong to a stack trace, by language. */

/**
 * Whether a line belongs to the event before it: the state behind the line, or null for a line that
 * begins an event. `state` is 0 outside of a trace; `hasOpen`: there is an event before it.
 */
export type Continuation = (line: string, state: number, hasOpen: boolean) => number | null;

export type TraceLanguage = "java" | "python" | "go" | "node";

const JAVA =
  /^(?:[ \t]+at [^ ]|[ \t]+\.\.\. \d|[ \t]*Caused by: |[ \t]*Suppressed: |[ \t]*\[CIRCULAR REFERENCE)/;
/** The exception itself, where it stands on a line of its own behind the logger's. */
const JAVA_EXCEPTION =
  /^(?:[a-z_][\w$]{0,60}\.){1,12}[A-Z][\w$]{0,100}(?:Exception|Error|Throwable)\b/;

/** java.lang.Throwable.printStackTrace. */
function java(line: string): number | null {
  return JAVA.test(line) || JAVA_EXCEPTION.test(line) ? 0 : null;
}

const PYTHON_HEAD = /^[ \t|+-]*(?:Exception Group )?Traceback \(most recent call last\):/;
const PYTHON_CHAIN =
  /^(?:During handling of the above exception|The above exception was the direct cause)/;
const IN_TRACE = 1;
const BEHIND_TRACE = 2;

/** traceback.print_exception: indented frames, then one line with the exception. */
function python(line: string, state: number): number | null {
  if (PYTHON_HEAD.test(line)) return IN_TRACE;
  if (state === IN_TRACE) return /^[ \t]/.test(line) ? IN_TRACE : BEHIND_TRACE;
  if (state === BEHIND_TRACE) {
    // A message of several lines is indented as a rule; all else is a new event.
    if (line === "" || PYTHON_CHAIN.test(line) || /^[ \t]/.test(line)) return BEHIND_TRACE;
  }
  return null;
}

const GO_HEAD = /^(?:panic: |fatal error: |goroutine \d+ \[|SIG[A-Z]+: )/;
const GO_INSIDE =
  /^(?:goroutine \d+ |\[signal |\[recovered\]|\t|created by |exit status \d|runtime: |\.\.\.additional frames elided|r\w\w? +0x)/;

/** `main.(*Shop).pay(0xc000012345)`; by two looks, for one pattern would cost the square of a line. */
function isGoCall(line: string): boolean {
  return line.endsWith(")") && /^[a-zA-Z_]\S{0,1000}\(/.test(line);
}

/** runtime.printpanics and tracebacks of goroutines; also what comes behind a log line. */
function go(line: string, state: number, hasOpen: boolean): number | null {
  if (state === IN_TRACE) {
    if (line === "" || GO_INSIDE.test(line) || isGoCall(line) || line.startsWith("panic: "))
      return IN_TRACE;
    return null;
  }
  // `panic: ` begins an event, a goroutine's stack belongs to what was said before it.
  if (/^goroutine \d+ \[/.test(line)) return IN_TRACE;
  return GO_HEAD.test(line) && !hasOpen ? IN_TRACE : null;
}

const NODE =
  /^(?:[ \t]+at [^ ]|[ \t]+\[?(?:cause|errors)\]?: |[ \t]+\.\.\. \d+ lines? matching|[ \t]+\S{1,100}: .*,?$|[ \t]*[}\]],?$|Node\.js v\d)/;

/** V8's stacks as node prints them, with the error's own properties. */
function node(line: string): number | null {
  return NODE.test(line) ? 0 : null;
}

export const STACK_TRACES: Readonly<Record<TraceLanguage, Continuation>> = {
  java,
  python,
  go,
  node,
};

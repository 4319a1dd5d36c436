/** Lines of nginx' error log and of HAProxy's HTTP and TCP logs. Access logs of nginx: clf.ts. */

const NGINX_ERROR =
  /^(\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d) \[([a-z]{1,10})\] (\d{1,10})#(\d{1,10}): (?:\*(\d{1,20}) )?/;
/** What nginx appends to a message of a connection, in this order (ngx_http_log_error_handler). */
const NGINX_KEYS = ["client", "server", "request", "subrequest", "upstream", "host", "referrer"];

/** ngx_error_log's format. Null for what is none. */
export function parseNginxError(line: string): Record<string, unknown> | null {
  const head = NGINX_ERROR.exec(line);
  if (head === null) return null;
  const fields: Record<string, unknown> = {
    time: head[1],
    level: head[2],
    pid: Number(head[3]),
    tid: Number(head[4]),
  };
  if (head[5] !== undefined) fields["connection"] = Number(head[5]);
  let rest = line.slice(head[0].length);
  // From the end: a request may hold a comma and a word.
  for (const key of NGINX_KEYS.toReversed()) {
    const at = rest.lastIndexOf(`, ${key}: `);
    if (at < 0) continue;
    const value = rest.slice(at + key.length + 4);
    fields[key] = /^"[^]*"$/.test(value) ? value.slice(1, -1) : value;
    rest = rest.slice(0, at);
  }
  fields["message"] = rest;
  return fields;
}

const WORD = "(\\S{1,1000})";
const TIMES = "([+\\-0-9/]{1,80})";
const HEAD = `(?:haproxy\\[(\\d{1,10})\\]: )?(\\S{1,100}):(\\d{1,5}) \\[([^\\]]{1,40})\\] ${WORD} ${WORD}`;
const HAPROXY = new RegExp(`^(?:[^[]*? )?${HEAD} ${TIMES} (-?\\d{1,5}) ([+]?\\d{1,20}) `);
const HTTP = new RegExp(
  `^${WORD} ${WORD} (\\S{4}) ${TIMES} ${TIMES} (?:\\{([^}]*)\\} )?(?:\\{([^}]*)\\} )?"(.*)$`,
);
const TCP_LINE = new RegExp(
  `^(?:[^[]*? )?${HEAD} ${TIMES} ([+]?\\d{1,20}) (\\S{2}) ${TIMES} ${TIMES}$`,
);

/** `option httplog` and `option tcplog` (HAProxy's configuration manual, 8.2.2 and 8.2.3). */
export function parseHaproxy(line: string): Record<string, unknown> | null {
  const head = HAPROXY.exec(line);
  const tail = head === null ? null : HTTP.exec(line.slice(head[0].length));
  if (head !== null && tail !== null) return httpFields(head, tail);
  const tcp = TCP_LINE.exec(line);
  if (tcp === null) return null;
  const fields = headFields(tcp);
  putNumbers(fields, ["wait_ms", "connect_ms", "total_ms"], tcp[7]!);
  fields["bytes"] = Number(tcp[8]!.replace("+", ""));
  fields["termination_state"] = tcp[9];
  putConnections(fields, tcp[10]!, tcp[11]!);
  return fields;
}

function httpFields(head: RegExpExecArray, tail: RegExpExecArray): Record<string, unknown> {
  const fields = headFields(head);
  const timers = ["request_ms", "wait_ms", "connect_ms", "response_ms", "total_ms"];
  putNumbers(fields, timers, head[7]!);
  fields["status"] = Number(head[8]);
  fields["bytes"] = Number(head[9]!.replace("+", ""));
  if (tail[1] !== "-") fields["request_cookie"] = tail[1];
  if (tail[2] !== "-") fields["response_cookie"] = tail[2];
  fields["termination_state"] = tail[3];
  putConnections(fields, tail[4]!, tail[5]!);
  if (tail[6] !== undefined) fields["request_headers"] = tail[6].split("|");
  if (tail[7] !== undefined) fields["response_headers"] = tail[7].split("|");
  // A request that is too long for a line has no quote at its end.
  const request = tail[8]!.replace(/"$/, "");
  const parts = /^([A-Z]{1,20}) (\S+)(?: (HTTP\/\S+))?$/.exec(request);
  if (parts === null) fields["request"] = request;
  else {
    fields["method"] = parts[1];
    fields["path"] = parts[2];
    if (parts[3] !== undefined) fields["protocol"] = parts[3];
  }
  return fields;
}

function headFields(match: RegExpExecArray): Record<string, unknown> {
  const [, pid, client, port, time, frontend, target] = match;
  const slash = target!.indexOf("/");
  const fields: Record<string, unknown> = { time, client, client_port: Number(port), frontend };
  if (pid !== undefined) fields["pid"] = Number(pid);
  fields["backend"] = slash < 0 ? target : target!.slice(0, slash);
  if (slash >= 0) fields["server"] = target!.slice(slash + 1);
  return fields;
}

function putConnections(fields: Record<string, unknown>, open: string, queued: string): void {
  const names = ["active", "frontend_active", "backend_active", "server_active", "retries"];
  putNumbers(fields, names, open);
  putNumbers(fields, ["server_queue", "backend_queue"], queued);
}

/** -1 is HAProxy's word for what was not reached: left out. */
function putNumbers(
  fields: Record<string, unknown>,
  names: readonly string[],
  written: string,
): void {
  for (const [i, part] of written.split("/").entries()) {
    const value = Number(part.replace("+", ""));
    if (names[i] !== undefined && value >= 0) fields[names[i]] = value;
  }
}

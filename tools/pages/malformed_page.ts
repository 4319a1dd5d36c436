import { REPAIRS } from "../../src/codec/http1/repair.ts";

/** The page docs/malformed_messages.md. */
export function malformedPage(): string {
  const rows = Object.entries(REPAIRS).map(([kind, { found, repair }]) => {
    return `| \`${kind}\` | ${found} | ${repair} |`;
  });
  return `# Malformed messages

What two readers might understand differently is refused. [Odd requests](odd_requests.md) shows what
that means beside HAProxy, nginx and Envoy; [limits](limits.md) lists the bounds.

## Requests

A malformed request is answered 400 (431 where it is too large, 501 for an unknown transfer coding,
505 for another version) with the reason and the header's name, and its connection ends. It is
counted in \`outrigger_malformed_requests_total\`, stands in the access log with the flag \`DPE\`, and
among the sightings below.

## Answers

\`responseValidation\`, of an App for its own answers and of each call, says what becomes of an answer
whose head is malformed.

- \`strict\`, the default: the caller gets 502, as Envoy, HAProxy and nginx answer it (RFC 9110, 15.6.3;
  older versions of Envoy gave 503), or a retry or the fallback where the route has one. The
  answer's body, the access log (\`malformed-response{bad-header-value,X-Build}\`, flag \`UPE\`) and an
  event name the reason and the header.
- \`tolerant\`: what is safe is repaired, and the caller gets the answer. All else is refused as above.

| kind | what is found | what is done |
|---|---|---|
${rows.join("\n")}

Never repaired, because two readers might see two answers in it: a malformed \`Content-Length\` or
\`Transfer-Encoding\`, also one whose name is nearly that; two lengths; a length with chunks; line
feeds in some lines and not in others; a lone carriage return; a second status line; a line of blanks;
a blank before the first header; chunks and trailers.

Each refusal and each repaired header counts in
\`outrigger_malformed_responses_total{cluster, action, reason}\`.

## Before strict is switched on

1. Set \`responseValidation: tolerant\`, or mirror a part of the traffic to the new version and set it
   there: nobody is refused anything that is safe.
2. Look at what comes by: \`outrigger tap --malformed\`, or \`GET /sightings\` of the admin API. A
   sighting has the place, the header's name, the reason, what was done and which request it was;
   never a value. The last 256 are kept, the same one at most once a second, with a count; ask for
   newer ones by \`?since=SEQUENCE\`.
3. Mend the app, and remove the field: strict is the default.
`;
}

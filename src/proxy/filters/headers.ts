import { Failure } from "../../base/failure.ts";
import { type HeaderBlock, isFieldName, isFieldValue } from "../../codec/headers.ts";
import type { FilterComponent } from "./filter.ts";

interface Edits {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

/** Sets, adds and removes headers, both ways. */
export const headers: FilterComponent = {
  name: "headers",
  summary: "Sets, adds and removes headers of requests and of their answers.",
  status: "stable",
  security: "Names and values come from the file, never from the caller.",
  create: (config) => {
    const { request, response } = config as unknown as { request: Edits; response: Edits };
    const written = [request.set, request.add, response.set, response.add];
    for (const [name, value] of written.flatMap((part) => Object.entries(part))) {
      if (isFieldName(name) && isFieldValue(value)) continue;
      throw new Failure("refused", `headers: ${JSON.stringify(name)} cannot be sent`);
    }
    return {
      onRequestHeaders: ({ head }): undefined => edit(head.headers, request),
      onResponseHeaders: (_stream, head): void => edit(head.headers, response),
    };
  },
};

function edit(block: HeaderBlock, { set, add, remove }: Edits): undefined {
  for (const name of remove) block.remove(name);
  for (const [name, value] of Object.entries(set)) block.set(name, value);
  for (const [name, value] of Object.entries(add)) block.append(name, value);
}

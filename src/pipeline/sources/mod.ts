import type { SourceDefinition } from "../component.ts";
import { container } from "./container.ts";
import { file } from "./file.ts";
import { http } from "./http.ts";
import { stdin } from "./stdin.ts";
import { syslog } from "./syslog.ts";
import { timer } from "./timer.ts";

/** Where events can come from, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a config of its own
export const sources: readonly SourceDefinition<any>[] = [file, container, stdin, syslog, http, timer];

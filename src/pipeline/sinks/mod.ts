import type { SinkDefinition } from "../component.ts";
import { discard } from "./discard.ts";
import { elasticsearch } from "./elasticsearch.ts";
import { file } from "./file.ts";
import { http } from "./http.ts";
import { prometheus } from "./prometheus.ts";
import { stdout } from "./stdout.ts";
import { syslog } from "./syslog.ts";

/** Where events can go, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a config of its own
export const sinks: readonly SinkDefinition<any>[] = [
  stdout,
  file,
  elasticsearch,
  http,
  syslog,
  prometheus,
  discard,
];

import type { Event } from "../api/event.ts";
import { StoredEvent } from "./buffer/stored_event.ts";

/** An event as JSON on one line. Bytes that no step has parsed are `{"message": ...}`. */
export function eventJson(event: Event): string {
  const { fields } = event;
  // Written out once already, for a buffer on disk.
  if (event instanceof StoredEvent && event.json !== null) return event.json;
  if (fields === null) return `{"message":${JSON.stringify(event.text())}}`;
  return JSON.stringify(fields);
}

import type { Event } from "../api/event.ts";

/** An event as JSON on one line. Bytes that no step has parsed are `{"message": ...}`. */
export function eventJson(event: Event): string {
  const { fields } = event;
  if (fields === null) return `{"message":${JSON.stringify(event.text())}}`;
  return JSON.stringify(fields);
}

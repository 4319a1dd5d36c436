import type { Event } from "../api/event.ts";

/** The name of an event's index. */
export type IndexTemplate = (event: Event) => string;

const PLACE = /\{\{\s*([^{}\s]+)\s*\}\}/g;
/** Elasticsearch's bound of an index name, in bytes. */
const MAX_NAME = 255;

/**
 * `logs-{{app}}-{{day}}`: a field of the event, or the day of its time (UTC, `2026.11.21`). What an
 * index name cannot hold becomes `-`; a field that is missing is `none`.
 */
export function indexTemplate(template: string): IndexTemplate {
  const parts = template.split(PLACE);
  if (parts.length === 1) {
    const name = cleanName(template);
    return () => name;
  }
  let lastText = "";
  let lastName = "";
  return (event) => {
    let text = parts[0]!;
    for (let i = 1; i < parts.length; i += 2) text += place(event, parts[i]!) + parts[i + 1]!;
    if (text !== lastText) {
      lastName = cleanName(text);
      lastText = text;
    }
    return lastName;
  };
}

/** What is wrong with a template, or null. */
export function templateProblem(template: string): string | null {
  const rest = template.replace(PLACE, "");
  if (/[{}]/.test(rest)) return "a place is written {{name}}";
  return /^[^A-Z\\/*?"<>| ,#:]*$/.test(rest)
    ? null
    : "an index name has lower-case letters, digits, and any of - _ . +";
}

function place(event: Event, name: string): string {
  if (name === "day") return eventTime(event).slice(0, 10).replaceAll("-", ".");
  const value = event.fields?.[name];
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "none";
}

/** The event's own time where it is in ISO 8601, else when it was read. */
export function eventTime(event: Event): string {
  const time = event.fields?.["time"];
  if (typeof time === "string" && /^\d{4}-\d\d-\d\dT/.test(time)) return time;
  return new Date(event.origin.receivedMs).toISOString();
}

function cleanName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9._+-]/g, "-")
    .replace(/^[-_+.]+/, "")
    .slice(0, MAX_NAME);
  return name === "" ? "none" : name;
}

import { PrometheusText } from "../codec/prometheus_text.ts";
import type { Ledger } from "./ledger.ts";

/** The books of one pipeline in Prometheus' text format; `counters` by component and counter. */
export function pipelineMetrics(
  pipeline: string,
  ledger: Ledger,
  counters: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string {
  const text = new PrometheusText();
  const sources = Object.entries(ledger.sources);
  const sinks = Object.entries(ledger.sinks);
  const plain = [
    ["received", "received_total", "counter", "Events that a source has read."],
    ["delivered", "delivered_total", "counter", "Events that every sink took."],
    ["deadLettered", "dead_lettered_total", "counter", "Events that lie in the dead letters."],
    ["buffered", "buffered", "gauge", "Events that wait for a sink."],
  ] as const;
  for (const [key, suffix, type, help] of plain) {
    const name = `outrigger_pipeline_events_${suffix}`;
    text.family(name, type, help);
    for (const [source, line] of sources) text.sample(name, { pipeline, source }, line[key]);
  }
  const dropped = "outrigger_pipeline_events_dropped_total";
  text.family(dropped, "counter", "Events that were given up, by reason.");
  for (const [source, line] of sources) {
    for (const [reason, count] of Object.entries(line.dropped)) {
      text.sample(dropped, { pipeline, source, reason }, count);
    }
  }
  const ofSinks = [
    ["delivered", "delivered_total", "counter", "Events that a sink took."],
    ["deadLettered", "dead_lettered_total", "counter", "Events that a sink refused for good."],
    ["dropped", "dropped_total", "counter", "Refused events that the full dead letters lost."],
    ["buffered", "buffered", "gauge", "Events that wait for a sink or its answer."],
  ] as const;
  for (const [key, suffix, type, help] of ofSinks) {
    const name = `outrigger_pipeline_sink_events_${suffix}`;
    text.family(name, type, help);
    for (const [sink, line] of sinks) text.sample(name, { pipeline, sink }, line[key]);
  }
  const name = "outrigger_pipeline_component_total";
  text.family(name, "counter", "What a source, step or sink counts besides events.");
  for (const [component, ofComponent] of counters) {
    for (const [counter, count] of ofComponent) {
      text.sample(name, { pipeline, component, counter }, count);
    }
  }
  return text.toString();
}

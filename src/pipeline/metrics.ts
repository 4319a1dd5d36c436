import { PrometheusText } from "../codec/prometheus_text.ts";
import type { PipelineState } from "./state.ts";

/** The books of one pipeline in Prometheus' text format; `counters` by component and counter. */
export function pipelineMetrics(
  pipeline: string,
  { ledger, sources: atSources, sinks: atSinks }: PipelineState,
  counters: ReadonlyMap<string, ReadonlyMap<string, number>>,
): string {
  const text = new PrometheusText();
  const sources = Object.entries(ledger.sources);
  const sinks = Object.entries(ledger.sinks);
  const plain = [
    ["received", "received_total", "counter", "Events that a source has read."],
    ["delivered", "delivered_total", "counter", "Events that every sink took."],
    ["deadLettered", "dead_lettered_total", "counter", "Events that lie in the dead letters."],
    ["buffered", "buffered", "gauge", "Events that wait for a sink, or are held by a step."],
    ["made", "made_total", "counter", "Events that steps made of others."],
    ["replaced", "replaced_total", "counter", "Events that steps made others of."],
    ["recovered", "recovered_total", "counter", "Events found on disk at the start."],
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
    ["dropped", "dropped_total", "counter", "Events that were given up at this sink's door."],
    ["buffered", "buffered", "gauge", "Events that wait for a sink or its answer."],
  ] as const;
  for (const [key, suffix, type, help] of ofSinks) {
    const name = `outrigger_pipeline_sink_events_${suffix}`;
    text.family(name, type, help);
    for (const [sink, line] of sinks) text.sample(name, { pipeline, sink }, line[key]);
  }
  const waiting = "outrigger_pipeline_source_waiting";
  text.family(waiting, "gauge", "1 while a source is told to wait, since a sink pushes back.");
  for (const [source, { isWaiting }] of Object.entries(atSources)) {
    text.sample(waiting, { pipeline, source }, isWaiting ? 1 : 0);
  }
  const lag = "outrigger_pipeline_source_lag_bytes";
  text.family(lag, "gauge", "What is there and not read, where the source knows.");
  for (const [source, { lagBytes }] of Object.entries(atSources)) {
    if (lagBytes !== null) text.sample(lag, { pipeline, source }, lagBytes);
  }
  const fill = "outrigger_pipeline_sink_buffer_ratio";
  text.family(fill, "gauge", "How full a sink's buffer is, from 0 to 1.");
  for (const [sink, one] of Object.entries(atSinks)) text.sample(fill, { pipeline, sink }, one.fill);
  const disk = "outrigger_pipeline_sink_disk_bytes";
  text.family(disk, "gauge", "Files of a sink's buffer on disk.");
  for (const [sink, { diskBytes }] of Object.entries(atSinks)) {
    if (diskBytes !== null) text.sample(disk, { pipeline, sink }, diskBytes);
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

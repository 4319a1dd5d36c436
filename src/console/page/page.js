// The console's page. Plain JavaScript: it is served as it stands. Types are those of ../view.ts.
"use strict";
(() => {
  /** Seconds shown in the charts. */
  const SHOWN_S = 300;
  const COLOURS = ["#2e6ff2", "#0e9384", "#dd6b20", "#9b51e0", "#d6336c", "#669f2a"];
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const axis = {
    stroke: dark ? "#98a2b3" : "#667085",
    grid: { stroke: dark ? "#2b3442" : "#e4e7ec", width: 1 },
    ticks: { show: false },
  };

  let samples = [];
  let since = 0;

  const byId = (id) => document.getElementById(id);

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // ------------------------------------------------------------ charts

  /** One chart; its lines come and go with the workloads. */
  class Chart {
    constructor(id, options) {
      this.box = byId(id);
      this.options = options;
      this.names = "";
      this.plot = null;
    }

    draw(times, lines) {
      const names = lines.map((line) => line.name).join("\n");
      const data = [times, ...lines.map((line) => line.values)];
      if (this.plot !== null && names === this.names) return this.plot.setData(data);
      this.plot?.destroy();
      this.names = names;
      this.plot = new uPlot(
        {
          width: Math.max(280, this.box.clientWidth),
          height: 200,
          scales: { y: { range: this.options.range } },
          axes: [axis, { ...axis, size: 52 }],
          series: [
            {},
            ...lines.map((line, index) => ({
              label: line.name,
              stroke: COLOURS[index % COLOURS.length],
              width: 2,
              dash: line.dash,
              spanGaps: false,
              value: (_plot, value) => (value === null ? "-" : value.toFixed(this.options.digits)),
            })),
          ],
        },
        data,
        this.box,
      );
      return undefined;
    }

    resize() {
      this.plot?.setSize({ width: Math.max(280, this.box.clientWidth), height: 200 });
    }
  }

  const fromZero = (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.1)];
  const charts = {
    requests: new Chart("requests", { digits: 1, range: fromZero }),
    success: new Chart("success", { digits: 1, range: () => [0, 102] }),
    p99: new Chart("p99", { digits: 1, range: fromZero }),
    calls: new Chart("calls", { digits: 1, range: fromZero }),
  };

  function drawCharts() {
    const times = samples.map((sample) => sample.timeMs / 1000);
    const workloads = [...new Set(samples.flatMap((sample) => Object.keys(sample.workloads)))].sort();
    const lines = (pick) =>
      workloads.map((name) => ({
        name: shortName(name),
        values: samples.map((sample) => {
          const workload = sample.workloads[name];
          return workload === undefined ? null : pick(workload);
        }),
      }));
    charts.requests.draw(times, lines((workload) => workload.requests));
    charts.success.draw(
      times,
      lines((workload) => (workload.success === null ? null : workload.success * 100)),
    );
    charts.p99.draw(times, lines((workload) => workload.p99Ms));
    charts.calls.draw(times, callLines(workloads));
  }

  function callLines(workloads) {
    const lines = [];
    for (const name of workloads) {
      const callees = new Set(
        samples.flatMap((sample) => Object.keys(sample.workloads[name]?.calls ?? {})),
      );
      for (const callee of [...callees].sort()) {
        const values = (field) =>
          samples.map((sample) => sample.workloads[name]?.calls[callee]?.[field] ?? null);
        const pair = `${shortName(name)} > ${callee}`;
        lines.push({ name: `${pair} asked`, values: values("requests") });
        lines.push({ name: `${pair} tried`, values: values("tries"), dash: [6, 3] });
        lines.push({ name: `${pair} canned`, values: values("fallbacks"), dash: [2, 3] });
      }
    }
    return lines;
  }

  function shortName(workload) {
    return workload.slice(workload.indexOf("/") + 1);
  }

  // ------------------------------------------------------------ table and events

  function drawApps(apps) {
    const last = samples.at(-1)?.workloads ?? {};
    const rows = apps.map((app) => {
      const row = element("tr");
      const name = element("td");
      if (app.url === null) name.textContent = app.workload;
      else {
        const link = element("a", "", app.workload);
        link.href = app.url;
        name.append(link);
      }
      row.append(name, stateCell(app.processes));
      const sample = last[app.workload];
      row.append(numberCell(sample?.requests, (value) => value.toFixed(1)));
      row.append(successCell(sample?.success));
      row.append(numberCell(sample?.p50Ms, milliseconds), numberCell(sample?.p99Ms, milliseconds));
      row.append(breakerCell(sample?.calls ?? {}));
      return row;
    });
    byId("apps").tBodies[0].replaceChildren(...rows);
  }

  function stateCell(processes) {
    const unwell = processes.filter((process) => process.state !== "ready");
    const restarts = processes.reduce((sum, process) => sum + process.restarts, 0);
    const text =
      unwell.length === 0
        ? "ready"
        : unwell.map((process) => `${process.role} ${process.state}`).join(", ");
    const cell = element("td", unwell.length === 0 ? "good" : "bad", text);
    if (restarts > 0) cell.append(element("span", "warn", ` (${restarts} restarts)`));
    return cell;
  }

  function successCell(success) {
    const cell = numberCell(success, (value) => `${(value * 100).toFixed(1)} %`);
    if (typeof success === "number") cell.classList.add(success >= 0.999 ? "good" : "bad");
    return cell;
  }

  function breakerCell(calls) {
    const cell = element("td");
    for (const [callee, call] of Object.entries(calls)) {
      if (call.breaker === "none") continue;
      const className = { closed: "good", open: "bad", "half-open": "warn" }[call.breaker];
      cell.append(element("span", className, `${callee} ${call.breaker} `));
    }
    return cell;
  }

  function numberCell(value, format) {
    const text = value === null || value === undefined ? "-" : format(value);
    return element("td", "number", text);
  }

  function milliseconds(value) {
    return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
  }

  function drawEvents(apps) {
    const events = apps
      .flatMap((app) => app.events.map((event) => ({ ...event, app: shortName(app.workload) })))
      .filter((event) => event.kind !== "snapshot-applied")
      .sort((a, b) => b.timeMs - a.timeMs)
      .slice(0, 50);
    byId("events").replaceChildren(
      ...events.map((event) => {
        const item = element("li");
        item.append(element("time", "", new Date(event.timeMs).toLocaleTimeString()));
        item.append(element("b", "", `${event.app} ${event.subject}`.trim()), event.text);
        return item;
      }),
    );
  }

  // ------------------------------------------------------------ the loop

  async function refresh() {
    try {
      const answer = await fetch(`/api/view?since=${since}`);
      if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
      const view = await answer.json();
      byId("title").textContent = view.title;
      byId("connection").textContent = "live";
      samples = samples.concat(view.samples).filter((one) => one.timeMs > view.nowMs - SHOWN_S * 1000);
      since = view.samples.at(-1)?.timeMs ?? since;
      drawApps(view.apps);
      drawEvents(view.apps);
      drawCharts();
    } catch {
      byId("connection").textContent = "not connected; trying again";
    }
  }

  addEventListener("resize", () => Object.values(charts).forEach((chart) => chart.resize()));
  setInterval(refresh, 1000);
  void refresh();
})();

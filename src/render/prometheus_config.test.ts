import { expect, test } from "bun:test";
import { parse } from "yaml";
import { compile } from "../compile/mod.ts";
import { appText, documentsOf, siteOf } from "../compile/testdata/from_text.ts";
import { GENERATORS } from "./mod.ts";
import { prometheusConfig, renderPrometheusConfig, scrapeTargets } from "./prometheus_config.ts";
import { PROMTOOL, withPromtool } from "./testdata/promtool.ts";

const DOCUMENTS = documentsOf(appText("api", 9000) + appText("frontend", 8080));
const SITE = siteOf(DOCUMENTS);
const { snapshots: SNAPSHOTS } = compile({ documents: DOCUMENTS, site: SITE });

test("targets carry the labels that the rules go by", () => {
  const config = renderPrometheusConfig({
    targets: [{ namespace: "shop", app: "api", address: "127.0.0.1:9902" }],
    ruleFiles: [],
  });
  expect(parse(config)).toEqual({
    global: { scrape_interval: "15s", scrape_timeout: "10s", evaluation_interval: "15s" },
    rule_files: [],
    scrape_configs: [
      {
        job_name: "outrigger",
        metrics_path: "/metrics",
        static_configs: [
          { targets: ["127.0.0.1:9902"], labels: { namespace: "shop", app: "api" } },
        ],
      },
    ],
  });
});

test("each sidecar is a target, by its read-only address", () => {
  const port = (name: string) => SITE.workloads[`shop/${name}`]!.local!.admin.readOnly.port;
  expect(scrapeTargets(SNAPSHOTS)).toEqual(
    ["api", "frontend"].map((app) => {
      return { namespace: "shop", app, address: `127.0.0.1:${port(app)}` };
    }),
  );
});

test("the timeout of a scrape is not longer than its interval", () => {
  const config = renderPrometheusConfig({ targets: [], ruleFiles: [], scrapeIntervalMs: 500 });
  expect(parse(config).global).toEqual({
    scrape_interval: "500ms",
    scrape_timeout: "500ms",
    evaluation_interval: "500ms",
  });
});

test.skipIf(PROMTOOL === null)("S2-5 promtool accepts the configuration with its rule file", () => {
  withPromtool(({ run, write }) => {
    for (const generator of GENERATORS) {
      write(generator.fileName, generator.render({ documents: DOCUMENTS, snapshots: SNAPSHOTS }));
    }
    const check = run("check", "config", prometheusConfig.fileName);
    expect(check.output).toContain("1 rule files found");
    expect(check.output).toContain("SUCCESS");
    expect(check.code).toBe(0);
  });
});

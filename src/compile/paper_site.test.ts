import { expect, test } from "bun:test";
import { appText, documentsOf, siteOf } from "./testdata/from_text.ts";

function site(...texts: string[]) {
  return siteOf(documentsOf(texts.join("")));
}

const FRONT = appText("front", 8080, ["calls: { api: {}, again: { app: api } }"]);
const API = appText("api", 9000);

test("an App is on the ports of its file", () => {
  const { local, endpoints } = site(FRONT, API).workloads["shop/front"]!;
  expect(local).toMatchObject({
    inbound: { host: "127.0.0.1", port: 8080 },
    app: { host: "127.0.0.1", port: 18_080 },
    stateFolder: "/state/shop/front",
    appFolder: "/apps/front",
  });
  expect(endpoints).toEqual([{ host: "127.0.0.1", port: 8080 }]);
});

test("no two listeners have the same port", () => {
  const { workloads, gateway } = site(FRONT, API);
  const addresses = Object.values(workloads).flatMap(({ local }) => [
    local!.inbound!,
    local!.app!,
    local!.admin.readOnly,
    ...Object.values(local!.calls),
  ]);
  const ports = [...addresses, gateway!.listener, gateway!.admin.readOnly].map((one) => one.port);
  expect(new Set(ports).size).toBe(ports.length);
});

test("another App moves nobody", () => {
  const other = appText("aaa", 9100, ["calls: { api: {} }"]);
  const before = site(FRONT, API).workloads["shop/front"]!;
  expect(site(FRONT, API, other).workloads["shop/front"]).toEqual(before);
});

test("a sidecar is never on the port of its own process", () => {
  const text = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: web }",
    "spec: { image: example/web, port: 8080 }",
  ].join("\n");
  const { local, endpoints } = site(text).workloads["default/web"]!;
  expect(local!.app!.port).toBe(8080);
  expect(local!.inbound!.port).not.toBe(8080);
  expect(endpoints).toEqual([local!.inbound!]);
});

test("an App without a port has no endpoints", () => {
  const text = [
    "apiVersion: outrigger.dev/v1alpha1",
    "kind: App",
    "metadata: { name: worker }",
    "spec: { run: { command: [./worker] } }",
  ].join("\n");
  expect(site(text).workloads["default/worker"]).toMatchObject({
    endpoints: [],
    local: { inbound: null, app: null },
  });
});

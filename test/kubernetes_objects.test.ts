/** What we render, judged by who defines it: published schemas, and a real API server. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { stringify } from "yaml";
import { TARGET_NAMES } from "../src/render/kubernetes/mod.ts";
import { ControlPlane, controlPlaneMissing, run } from "../tools/kube/control_plane.ts";
import { partOf } from "./kit/parts.ts";
import { EXAMPLES, everyObject, podsOf, randomObjects, renderExample } from "./kit/rendered.ts";

setDefaultTimeout(300_000);

/** Kinds that Kubernetes itself lacks; the API server below has their definitions. */
const OTHERS = [
  "monitoring.coreos.com/v1",
  "route.openshift.io/v1",
  "velero.io/v1",
  "gateway.networking.k8s.io/v1",
];

const stream = (objects: readonly unknown[]): string => {
  return objects.map((one) => `---\n${stringify(one, { aliasDuplicateObjects: false })}`).join("");
};

const validator = await partOf("kube-validate");

describe.skipIf(validator === null)("published schemas", () => {
  const judged = async (lines: readonly unknown[]): Promise<(string | null)[]> => {
    const input = lines.map((one) => `${JSON.stringify(one)}\n`).join("");
    const { status, stdout, stderr } = await run([validator!], process.env, input);
    expect([status, stderr]).toEqual([0, ""]);
    return stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  };

  test("S0-4 every form passes strict validation by each version of Kubernetes from 1.29 on", async () => {
    const { stdout } = await run([validator!, "--versions"]);
    const versions = (JSON.parse(stdout) as string[]).filter((one) => Number(one.split(".")[1]) >= 29);
    expect(versions.length).toBeGreaterThanOrEqual(9);
    const kinds = new Set<string>();
    const lines = versions.flatMap((version) => {
      return everyObject(Number(version.split(".")[1])).map((object) => ({ version, object }));
    });
    const answers = await judged(lines);
    expect(answers.length).toBe(lines.length);
    for (const [index, { version, object }] of lines.entries()) {
      const known = OTHERS.includes(object.apiVersion) ? "unknown" : null;
      const name = `${object.kind} ${object.metadata.name} on ${version}`;
      expect([name, answers[index]]).toEqual([name, known]);
      kinds.add(object.kind);
    }
    for (const form of ["DaemonSet", "Deployment", "HorizontalPodAutoscaler", "ConfigMap", "Service"]) {
      expect(kinds).toContain(form);
    }
    for (const form of ["ServiceAccount", "StatefulSet", "Job", "CronJob"]) expect(kinds).toContain(form);
  });

  test("random Apps render to objects that the oldest and the newest version take", async () => {
    const lines = randomObjects(29).flatMap((object) => {
      return ["1.29", "1.37"].map((version) => ({ version, object }));
    });
    expect(lines.length).toBeGreaterThan(1000);
    const answers = await judged(lines);
    for (const [index, { version, object }] of lines.entries()) {
      const known = OTHERS.includes(object.apiVersion) ? "unknown" : null;
      const name = `${object.kind} ${object.metadata.name} on ${version}`;
      expect([name, answers[index]]).toEqual([name, known]);
    }
  });

  test("a field that no version has is found", async () => {
    const object = everyObject(35).find(({ kind }) => kind === "Deployment");
    const wrong = { ...object, spec: { ...object.spec, replica: 3 } };
    const [answer] = await judged([{ version: "1.35", object: wrong }]);
    expect(answer).toContain("'replica'");
  });
});

const missing = controlPlaneMissing();
if (missing !== null) {
  if (process.env["CI"] === "true") throw new Error(missing);
  console.log(`skipped: no API server: ${missing}`);
}

describe.skipIf(missing !== null)("a real API server", () => {
  const plane = new ControlPlane();
  const dryRun = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];

  beforeAll(async () => {
    await plane.start();
    await plane.kubectl(["create", "namespace", "velero"]);
    const priority = { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", value: 1000 };
    const high = { ...priority, metadata: { name: "high" } };
    const first = everyObject(35, ["kubernetes"]);
    // What the others are in, and what pods ask for by name.
    const of = (kind: string) => first.filter((one) => one.kind === kind);
    await plane.kubectl(
      ["apply", "--server-side", "-f", "-"],
      stream([high, ...of("Namespace")]),
    );
    await plane.kubectl(["apply", "--server-side", "-f", "-"], stream(of("ServiceAccount")));
  }, 600_000);

  afterAll(() => plane.end(), 60_000);

  test("S1-3 S3-3 S3-22 it accepts every object of every example for every target, strictly", async () => {
    const objects = [29, 35].flatMap((minor) => everyObject(minor, TARGET_NAMES));
    const { status, stdout, stderr } = await plane.tried(dryRun, stream(objects));
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.trimEnd().split("\n").length).toBe(objects.length);
    for (const kind of ["podmonitor", "schedule", "route", "ingress", "deployment", "networkpolicy"]) {
      expect(stdout).toMatch(new RegExp(`^${kind}\\.`, "m"));
    }
  });

  test("S0-11 S2-16 it accepts each way to monitor, and each way in, of any target", async () => {
    const ways = [
      { monitoring: "services", ingress: "gateway-api" },
      { monitoring: "annotations", ingress: "route" },
    ] as const;
    const objects = ways.flatMap((way) =>
      [...EXAMPLES.keys()].flatMap((name) => renderExample(name, "on-premises", 35, way)),
    );
    const bodies = objects.map(({ body }) => body);
    const { status, stdout, stderr } = await plane.tried(dryRun, stream(bodies));
    expect([status, stderr]).toEqual([0, ""]);
    for (const kind of ["servicemonitor", "prometheusrule", "httproute", "route", "resourcequota"]) {
      expect(stdout).toMatch(new RegExp(`^${kind}[./]`, "m"));
    }
  });

  test("S3-5 Pod Security `restricted`, enforced, lets in every pod of every example", async () => {
    const namespaces = JSON.parse(await plane.kubectl(["get", "namespaces", "-o", "json"])).items;
    const used = namespaces.filter(({ metadata }: any) => metadata.labels["app.kubernetes.io/name"]);
    expect(used.length).toBeGreaterThanOrEqual(5);
    for (const { metadata } of used) {
      const level = metadata.labels["pod-security.kubernetes.io/enforce"];
      expect([metadata.name, level]).toEqual([metadata.name, "restricted"]);
    }
    const pods = [29, 35].flatMap((minor) => podsOf(everyObject(minor)));
    expect(pods.length).toBeGreaterThan(20);
    const { status, stderr } = await plane.tried(dryRun, stream(pods));
    expect([status, stderr]).toEqual([0, ""]);
    const [pod] = pods;
    const [container] = pod.spec.containers;
    const security = { ...container.securityContext, allowPrivilegeEscalation: true };
    const spec = { ...pod.spec, containers: [{ ...container, securityContext: security }] };
    const refused = await plane.tried(dryRun, stream([{ ...pod, spec }]));
    expect(refused.stderr).toContain('violates PodSecurity "restricted:latest"');
  });

  test("it accepts what random Apps render to", async () => {
    const objects = randomObjects(35);
    const { status, stderr } = await plane.tried(dryRun, stream(objects));
    // Some Apps ask for root: their namespace lets them, and warns.
    const others = stderr.split("\n").filter((line) => !/^(?:Warning: would violate PodSecurity|$)/.test(line));
    expect([status, others]).toEqual([0, []]);
  });

  test("what it has no field for is refused", async () => {
    const [schedule] = everyObject(35, ["kubernetes"]).filter(({ kind }) => kind === "Schedule");
    const wrong = { ...schedule, spec: { ...schedule.spec, shedule: "0 3 * * *" } };
    const { status, stderr } = await plane.tried(dryRun, stream([wrong]));
    expect(status).toBe(1);
    expect(stderr).toContain("shedule");
  });
});

test("S0-11 on OpenShift every pod fits the SCC restricted-v2, and the door is a Route", () => {
  const objects = [...EXAMPLES.keys()].flatMap((name) => renderExample(name, "openshift", 31));
  const pods = podsOf(objects.map(({ body }) => body));
  expect(pods.length).toBeGreaterThan(8);
  expect(pods.flatMap((pod) => beyondRestricted(pod))).toEqual([]);
  const kinds = objects.map(({ kind }) => kind);
  expect([kinds.includes("Route"), kinds.includes("Ingress")]).toEqual([true, false]);
  const [pod] = pods;
  const fixed = { ...pod, spec: { ...pod.spec, securityContext: { fsGroup: 1 } } };
  expect(beyondRestricted(fixed)).toEqual([`${pod.metadata.name}: fsGroup is fixed`]);
});

/**
 * What restricted-v2 refuses: users and groups are of the namespace's range, which no file knows.
 * https://docs.openshift.com/container-platform/latest/authentication/managing-security-context-constraints.html
 */
function beyondRestricted({ metadata, spec }: any): string[] {
  const found: string[] = [];
  const refuse = (is: boolean, what: string): void => {
    if (is) found.push(`${metadata.name}: ${what}`);
  };
  for (const field of ["hostNetwork", "hostPID", "hostIPC"]) refuse(spec[field] === true, field);
  refuse(spec.securityContext?.fsGroup !== undefined, "fsGroup is fixed");
  refuse(spec.securityContext?.runAsUser !== undefined, "runAsUser is fixed");
  const volumes = ["configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"];
  for (const { name, ...source } of spec.volumes) {
    refuse(!volumes.includes(Object.keys(source)[0]!), `volume ${name} is of another kind`);
  }
  for (const { name, securityContext: one } of [...(spec.initContainers ?? []), ...spec.containers]) {
    refuse(one.runAsUser !== undefined || one.runAsGroup !== undefined, `${name}: its user is fixed`);
    refuse(one.runAsNonRoot !== true, `${name} may be root`);
    refuse(one.privileged === true || one.allowPrivilegeEscalation !== false, `${name} may get rights`);
    refuse(JSON.stringify(one.capabilities.drop) !== '["ALL"]', `${name} keeps capabilities`);
    const added = (one.capabilities.add ?? []).filter((each: string) => each !== "NET_BIND_SERVICE");
    refuse(added.length > 0, `${name} adds ${added.join()}`);
    refuse(one.seccompProfile?.type !== "RuntimeDefault", `${name} has no seccomp profile`);
  }
  return found;
}

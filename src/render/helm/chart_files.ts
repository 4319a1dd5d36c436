/** The files of a chart that are not its objects. */
import { plainYaml } from "../kubernetes/plain_yaml.ts";
import type { ChartValues } from "./values.ts";

export interface ChartFacts {
  readonly name: string;
  /** Semantic version 2. */
  readonly version: string;
  /** What runs, where all of it has one version. */
  readonly appVersion: string | null;
  readonly description: string;
  /** The oldest minor version of Kubernetes 1. */
  readonly minor: number;
  readonly target: string;
  readonly namespaces: readonly string[];
}

export function chartYaml(facts: ChartFacts): string {
  const { name, version, appVersion, description, minor, target } = facts;
  return plainYaml({
    apiVersion: "v2",
    name,
    description,
    type: "application",
    version,
    ...(appVersion === null ? {} : { appVersion }),
    kubeVersion: `>=1.${minor}.0-0`,
    annotations: { "outrigger.dev/target": target },
  });
}

/** Named templates that the others use. */
export const HELPERS = `{{/* An image by its parts. */}}
{{- define "outrigger.image" -}}
{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else if .tag }}:{{ .tag }}{{ end }}
{{- end }}

{{/* Variables: those of the file in its order, then those that only values have. */}}
{{- define "outrigger.env" -}}
{{- $env := .env }}
{{- $order := .order }}
{{- range $order }}
{{- if hasKey $env . }}
- name: {{ . }}
  value: {{ index $env . | quote }}
{{- end }}
{{- end }}
{{- range $name, $value := $env }}
{{- if not (has $name $order) }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
`;

/** The list by which a folder is rendered anew is no part of the chart. */
export const IGNORED = ".outrigger-files\n";

export function notes({ namespaces }: ChartFacts, values: ChartValues): string {
  const look = namespaces.map((one) => `  kubectl -n ${one} get pods\n`).join("");
  const open = `
{{- if not .Values.networkPolicy.enabled }}

networkPolicy.enabled is false: nothing keeps callers from going past the sidecars.
{{- end }}
`;
  return `{{ .Chart.Name }} {{ .Chart.Version }} is installed as {{ .Release.Name }}.

Its pods:
${look}${values.valueAt(["networkPolicy", "enabled"]) === undefined ? "" : open}`;
}

export function readme(facts: ChartFacts, values: ChartValues): string {
  const { name, description, namespaces } = facts;
  const [namespace = "default"] = namespaces;
  const rows = values.rows().map((row) => `| ${row.map(cell).join(" | ")} |\n`);
  return `# ${name}

${description}

Written by \`outrigger render --format helm\`: change the file that it came from, not the templates.

    helm install ${name} . --namespace ${namespace} --create-namespace

Objects name their namespace themselves (${namespaces.join(", ")}), for the sidecars' configuration
does too. \`namespaces.create\` lets the chart make it, with the labels of Pod Security; the release
itself must then be in another one.

| value | default | what it is |
| --- | --- | --- |
${rows.join("")}`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

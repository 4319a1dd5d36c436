/** A pipeline for whoever has a CI service and no Kubernetes knowledge: check, render, diff, apply. */

export const CI_SERVICES = ["github", "gitlab"] as const;
export type CiService = (typeof CI_SERVICES)[number];

export interface CiWishes {
  /** As they lie in the repository. */
  readonly files: readonly string[];
  readonly target: string;
  /** Outrigger's own: the pipeline runs it, and it is the sidecar. */
  readonly image: string;
  /** Whose rollouts the pipeline waits for. */
  readonly namespaces: readonly string[];
}

export interface CiPipeline {
  /** Where the service looks for it. */
  readonly path: string;
  readonly text: string;
}

/** Pure: the same wishes give the same text. */
export function ciPipeline(service: CiService, wishes: CiWishes): CiPipeline {
  return service === "github"
    ? { path: ".github/workflows/outrigger.yml", text: github(wishes) }
    : { path: ".gitlab-ci.yml", text: gitlab(wishes) };
}

/** Words of a shell. */
function quoted(word: string): string {
  return /^[\w./:@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A line of a shell as YAML's value: quoted where YAML would read it as something else. */
function scalar(line: string): string {
  return /: | #/.test(line) ? JSON.stringify(line) : line;
}

function commandsOf({ files, target, image, namespaces }: CiWishes) {
  const all = files.map(quoted).join(" ");
  return {
    check: `outrigger check ${all}`,
    render: `outrigger render ${all} --target ${target} --image ${quoted(image)} > rendered.yaml`,
    // 1 is a difference, more is a mistake.
    diff: "kubectl diff --server-side --force-conflicts -f rendered.yaml || [ $? -eq 1 ]",
    apply: "kubectl apply --server-side --force-conflicts -f rendered.yaml",
    rollouts: namespaces.map((one) => {
      const of = "-l app.kubernetes.io/managed-by=outrigger --timeout=5m";
      return `kubectl -n ${quoted(one)} rollout status deployment ${of}`;
    }),
  };
}

const HEAD = `# Written once by \`outrigger init --ci\`; it is yours from now on.
# It needs a secret KUBECONFIG_DATA: the text of a kubeconfig that may apply to these namespaces.
# What is no longer rendered stays in the cluster: \`outrigger diff --rendered\` names it, and
# \`kubectl delete\` removes it.
`;

function github(wishes: CiWishes): string {
  const { check, render, diff, apply, rollouts } = commandsOf(wishes);
  return `${HEAD}name: outrigger
on:
  pull_request:
  push: { branches: [main] }
permissions: { contents: read }
concurrency: "outrigger-\${{ github.ref }}"
env:
  OUTRIGGER_IMAGE: ${JSON.stringify(wishes.image)}
jobs:
  deploy:
    runs-on: ubuntu-latest
    env:
      KUBECONFIG_DATA: \${{ secrets.KUBECONFIG_DATA }}
    steps:
      - uses: actions/checkout@v4
      - name: Outrigger, from its image
        run: |
          mkdir -p "$RUNNER_TEMP/bin"
          printf '%s\\n' '#!/bin/sh' ${DOCKER_RUN} > "$RUNNER_TEMP/bin/outrigger"
          chmod +x "$RUNNER_TEMP/bin/outrigger"
          echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
      - name: Check
        run: ${scalar(check)}
      - name: Render
        run: ${scalar(render)}
      - uses: actions/upload-artifact@v4
        with: { name: rendered, path: rendered.yaml }
      - name: Cluster
        if: env.KUBECONFIG_DATA != ''
        run: |
          (umask 077; printf '%s' "$KUBECONFIG_DATA" > "$RUNNER_TEMP/kubeconfig")
          echo "KUBECONFIG=$RUNNER_TEMP/kubeconfig" >> "$GITHUB_ENV"
      - name: Diff
        if: env.KUBECONFIG_DATA != ''
        run: ${diff}
      - name: Apply
        if: github.ref == 'refs/heads/main' && env.KUBECONFIG_DATA != ''
        run: |
          ${[apply, ...rollouts].join("\n          ")}
`;
}

/** The folder is read only: what is written goes through standard output. */
const DOCKER_RUN = `'exec docker run --rm -v "$PWD:/work:ro" -w /work "$OUTRIGGER_IMAGE" "$@"'`;

function gitlab(wishes: CiWishes): string {
  const { check, render, diff, apply, rollouts } = commandsOf(wishes);
  return `${HEAD}stages: [check, diff, apply]
variables:
  OUTRIGGER_IMAGE: ${JSON.stringify(wishes.image)}
  # Any image with a shell and kubectl.
  KUBECTL_IMAGE: "alpine/k8s:1.33.0"

render:
  stage: check
  image: docker:28
  services: [docker:28-dind]
  before_script:
    - printf '%s\\n' '#!/bin/sh' ${DOCKER_RUN} > /usr/local/bin/outrigger
    - chmod +x /usr/local/bin/outrigger
  script:
    - ${scalar(check)}
    - ${scalar(render)}
  artifacts: { paths: [rendered.yaml] }

.cluster:
  image: $KUBECTL_IMAGE
  before_script:
    - (umask 077; printf '%s' "$KUBECONFIG_DATA" > /tmp/kubeconfig)
    - export KUBECONFIG=/tmp/kubeconfig

diff:
  extends: .cluster
  stage: diff
  rules: [{ if: $KUBECONFIG_DATA }]
  script:
    - ${diff}

apply:
  extends: .cluster
  stage: apply
  rules: [{ if: $KUBECONFIG_DATA && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH }]
  script:
    - ${[apply, ...rollouts].join("\n    - ")}
`;
}

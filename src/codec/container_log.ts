/**
 * Lines that container runtimes write for what a container prints: the CRI's (Kubernetes,
 * kubelet's "CRI logging": `TIME STREAM TAGS MESSAGE`) and those of Docker's json-file driver. A
 * runtime cuts what is printed at 16 KB: such a line is partial, and the next of its stream goes on.
 */

export interface ContainerLine {
  readonly stream: "stdout" | "stderr";
  /** As it was written, RFC 3339 with nanoseconds. */
  readonly time: string;
  /** The next line of the stream belongs to it. */
  readonly isPartial: boolean;
  readonly message: string;
}

export type ContainerFormat = "auto" | "cri" | "docker";

/** One line without its newline; a word says why it is none. `auto` tells Docker's by its brace. */
export function parseContainerLine(
  line: string,
  format: ContainerFormat,
): ContainerLine | "not-cri" | "not-docker" {
  const isDocker = format === "docker" || (format === "auto" && line.charCodeAt(0) === 0x7b);
  return isDocker ? (parseDocker(line) ?? "not-docker") : (parseCri(line) ?? "not-cri");
}

/** The shortest time that RFC 3339 knows has 20 characters. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{1,20}$/;

function parseCri(line: string): ContainerLine | null {
  const streamAt = line.indexOf(" ") + 1;
  const tagsAt = line.indexOf(" ", streamAt) + 1;
  if (streamAt === 0 || tagsAt === 0) return null;
  const stream = line.slice(streamAt, tagsAt - 1);
  if (stream !== "stdout" && stream !== "stderr") return null;
  const time = line.slice(0, streamAt - 1);
  if (!TIME.test(time)) return null;
  // An empty message may come without the space before it.
  const space = line.indexOf(" ", tagsAt);
  const tagsEnd = space < 0 ? line.length : space;
  // The first tag says whether the line is whole; further ones are reserved.
  const tag = line.charCodeAt(tagsAt);
  const next = tagsAt + 1 === tagsEnd ? 0x3a : line.charCodeAt(tagsAt + 1);
  if ((tag !== 0x46 && tag !== 0x50) || next !== 0x3a) return null;
  return { stream, time, isPartial: tag === 0x50, message: line.slice(tagsEnd + 1) };
}

function parseDocker(line: string): ContainerLine | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  const { log, stream, time } = (parsed ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof log !== "string" || typeof time !== "string") return null;
  if (stream !== "stdout" && stream !== "stderr") return null;
  const isPartial = !log.endsWith("\n");
  return { stream, time, isPartial, message: isPartial ? log : log.slice(0, -1) };
}

/** What the path of a log says of its container; only what it says. */
export interface ContainerNames {
  readonly namespace?: string;
  readonly pod?: string;
  readonly pod_uid?: string;
  readonly container?: string;
  readonly container_id?: string;
}

// Names of Kubernetes hold no "_" (RFC 1123).
const POD = /\/([^/_]+)_([^/_]+)_([0-9a-f-]{8,64})\/([^/]+)\/[^/]+$/;
const LINK = /\/([^/_]+)_([^/_]+)_([^/]+)-([0-9a-f]{64})\.log$/;
const DOCKER = /\/([0-9a-f]{64})\/\1-json\.log$/;

/**
 * `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`, the links to them
 * `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`, and Docker's own
 * `/var/lib/docker/containers/ID/ID-json.log`.
 */
export function containerNames(path: string): ContainerNames {
  const pod = POD.exec(path);
  if (pod !== null) {
    return { namespace: pod[1]!, pod: pod[2]!, pod_uid: pod[3]!, container: pod[4]! };
  }
  const link = LINK.exec(path);
  if (link !== null) {
    return { namespace: link[2]!, pod: link[1]!, container: link[3]!, container_id: link[4]! };
  }
  const docker = DOCKER.exec(path);
  return docker === null ? {} : { container_id: docker[1]! };
}

import { dlopen, ptr } from "bun:ffi";

const SOL_SOCKET = process.platform === "darwin" ? 0xffff : 1;
const SO_RCVBUF = process.platform === "darwin" ? 0x1002 : 8;
/** Linux: above net.core.rmem_max, where the process may administer the network. */
const SO_RCVBUFFORCE = 33;

let library: ReturnType<typeof open> | null = null;

/** Opened when somebody needs it: it costs about 3 MB. */
function libc(): ReturnType<typeof open>["symbols"] {
  return (library ??= open()).symbols;
}

function open() {
  return dlopen(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
    dup: { args: ["i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  });
}

/** A second descriptor of the same file or socket; -1 where none is to be had. */
export function duplicateDescriptor(descriptor: number): number {
  return libc().dup(descriptor);
}

export function closeDescriptor(descriptor: number): void {
  libc().close(descriptor);
}

/** As much as the system gives; it says nothing where that is less. */
export function setReceiveBuffer(descriptor: number, sizeBytes: number): void {
  const value = new Int32Array([sizeBytes]);
  const set = (option: number): number =>
    libc().setsockopt(descriptor, SOL_SOCKET, option, ptr(value), 4);
  if (process.platform !== "linux" || set(SO_RCVBUFFORCE) !== 0) set(SO_RCVBUF);
}

/** prctl(2): orphans below this process become its children. Linux. */
export function becomeSubreaper(): boolean {
  const PR_SET_CHILD_SUBREAPER = 36;
  if (process.platform !== "linux") return false;
  const { symbols } = dlopen("libc.so.6", {
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  });
  return symbols.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
}

/** _exit(2): also from a thread, where `process.exit` ends that thread only. */
export function endProcess(code: number): never {
  const name = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  const { symbols } = dlopen(name, { _exit: { args: ["i32"], returns: "void" } });
  symbols._exit(code);
  throw new Error("unreachable: the process has ended");
}

/** The status that waitpid(2) gives for a child that has ended; null where it has not. */
export function reapChild(pid: number): number | null {
  const WNOHANG = 1;
  const status = new Int32Array(1);
  return libc().waitpid(pid, ptr(status), WNOHANG) === pid ? status[0]! : null;
}

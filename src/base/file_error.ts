import { FileError } from "./world.ts";
import type { FileErrorCode } from "./world.ts";

const FILE_ERRORS: Readonly<Record<string, readonly [FileErrorCode, string]>> = {
  ENOENT: ["not-found", "there is no such file or folder"],
  EEXIST: ["exists", "something of that name exists already"],
  ENOTEMPTY: ["exists", "a folder of that name exists and is not empty"],
  EACCES: ["permission", "this user may not"],
  EPERM: ["permission", "the system does not permit it"],
  EROFS: ["permission", "the file system is read-only"],
  ENOSPC: ["disk-full", "the disk is full"],
  EDQUOT: ["disk-full", "the disk quota is used up"],
  EISDIR: ["not-a-file", "it is a folder, not a file"],
  ENOTDIR: ["not-a-folder", "it, or a part of its path, is not a folder"],
  EMFILE: ["too-many-open", "this process has too many files open"],
  ENFILE: ["too-many-open", "this machine has too many files open"],
  EPIPE: ["closed", "its reader is gone"],
  EIO: ["other", "the disk reported an error"],
  ELOOP: ["other", "its links go round in a circle"],
  ENAMETOOLONG: ["other", "the name is too long"],
  EXDEV: ["other", "it is on another disk"],
};

/** `cannot <doing> <path>: <why> (<the system's code>)`. */
export function fileError(error: unknown, doing: string, path: string): FileError {
  if (error instanceof FileError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  const known = typeof code === "string" ? FILE_ERRORS[code] : undefined;
  if (known === undefined) {
    const text = error instanceof Error ? error.message : String(error);
    return new FileError("other", path, `cannot ${doing} ${path}: ${text}`);
  }
  return new FileError(known[0], path, `cannot ${doing} ${path}: ${known[1]} (${String(code)})`);
}

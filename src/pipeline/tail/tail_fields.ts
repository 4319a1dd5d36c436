import { boolean, choice, duration, integer, list, size, text } from "../../schema/field.ts";
import type { ObjectOf } from "../../schema/field.ts";

/** The config of every source that follows files. */
export const tailFields = {
  include: list(text(), { min: 1, max: 100 })
    .about(
      "Files to follow: paths or patterns with `*`, `?` and `**`. A relative one is below the" +
        " folder of the Pipeline file. One that is not there yet is waited for.",
    )
    .example(["/var/log/app/*.log"]),
  exclude: list(text(), { max: 100 })
    .about("Patterns of files that are not followed; one without a slash is a name in any folder.")
    .default([])
    .example(["*.debug.log"]),
  readFrom: choice(["beginning", "end"])
    .about(
      "Where files begin that are there at the very first start, without a checkpoint. Files that" +
        " come later are read from their beginning.",
    )
    .default("beginning"),
  followLinks: boolean()
    .about(
      "Links are followed to files inside the folder that stands before the first pattern, or" +
        " inside one of `linkFolders`; never elsewhere.",
    )
    .default(false),
  linkFolders: list(text(), { max: 100 })
    .about("Further folders into which links may lead.")
    .default([])
    .example(["/var/lib/docker/containers"]),
  checkpoint: text()
    .about("File that keeps how far each file was acknowledged. In the state folder if not given.")
    .example("state/orders.json")
    .optional(),
  checkpointInterval: duration({ min: "10ms", max: "1h" })
    .about("After a kill, lines since the last checkpoint come twice.")
    .default("1s"),
  pollInterval: duration({ min: "10ms", max: "1h" })
    .about("How often files and folders are looked at where the system gives no hint of a change.")
    .default("1s"),
  maxLineBytes: size({ min: "64B", max: "1MiB" })
    .about("Bound of one line; an unfinished line is held in memory up to it.")
    .default("64KiB"),
  longLines: choice(["split", "cut"])
    .about("A line above the bound goes on as several events, or its rest is passed over.")
    .default("split"),
  keepRotated: duration({ min: "100ms", max: "1h" })
    .about(
      "A rotated or deleted file stays open until nothing was written to it for so long; then its" +
        " last line counts also without a newline.",
    )
    .default("10s"),
  maxFiles: integer({ min: 1, max: 100_000 })
    .about("Files open at once; others wait.")
    .default(1000),
} as const;

export type TailConfig = ObjectOf<typeof tailFields>;

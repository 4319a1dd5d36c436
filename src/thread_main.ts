/** The entry of the program's further threads: each is a worker of a group, with a World of its own. */
import { createBunWorld } from "./base/bun/mod.ts";
import { threadPort } from "./base/bun/threads.ts";
import { runWorker } from "./proxy/group/worker.ts";

runWorker(createBunWorld(), threadPort());

/** The entry of the program's further threads, each with a World of its own. */
import { createBunWorld } from "./base/bun/mod.ts";
import { threadPort } from "./base/bun/threads.ts";
import { runThread } from "./proxy/thread.ts";

runThread(createBunWorld(), threadPort());

/** Its children leave processes behind, which become its own. */
import { createBunWorld } from "../mod.ts";

const { processes } = createBunWorld();
const orphans = Promise.withResolvers<void>();
const told: string[] = [];

function tell(line: string): void {
  told.push(line);
  if (told.length < 3) return;
  console.log(told.join("\n"));
  orphans.resolve();
}

processes.adoptOrphans((_, { code, signal }) => tell(`orphan ${code} ${signal}`));
processes.spawn({
  // Ends before those that it has started in the background.
  command: ["sh", "-c", "(sleep 0.1; exit 7) & sh -c 'sleep 0.3; kill -TERM $$' & exit 5"],
  onExit: ({ code }) => tell(`own ${code}`),
});
await orphans.promise;
process.exit(0);

import { background, machine, until } from "./machine.ts";

/** Debug events are dropped, what is no JSON goes to the dead letters, all else to stdout. */
export const ORDERS = `apiVersion: outrigger.dev/v1alpha1
kind: Pipeline
metadata: { name: orders }
spec:
  sources: { app: { file: { include: [/home/app/a.log] } } }
  steps:
    - { parse: { json: {} }, onError: deadLetter }
    - { filter: 'event.level != "debug"' }
  sinks: { out: { stdout: {} } }
`;

export const LOG = '{"level":"info","n":1}\n{"level":"debug","n":2}\nno json\n';

/** A running pipeline that has read the log. */
export async function ordersRun() {
  const world = machine({ "/home/app/p.yaml": ORDERS, "/home/app/a.log": LOG });
  const run = background(world, "pipeline", "p.yaml");
  if (!(await until(world, () => world.stdio.text().includes('"n":1')))) {
    throw new Error(`the pipeline printed nothing: ${world.stdio.text()}`);
  }
  await world.clock.advance(1000);
  const end = async (): Promise<void> => {
    world.signals.raise("SIGTERM");
    await until(world, () => run.code !== null);
  };
  return { world, end };
}

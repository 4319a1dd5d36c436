import type { Command } from "./command.ts";

export const schema: Command = {
  name: "schema",
  summary: "print the JSON Schema of App, Mesh and Pipeline files",
  examples: [
    {
      line: "outrigger schema > outrigger.schema.json",
      about: "for completion and checks in an editor",
    },
  ],
  async run(world) {
    const { jsonSchema } = await import("../api/json_schema.ts");
    const { pipelineComponents } = await import("../pipeline/components.ts");
    world.stdio.stdout.write(`${JSON.stringify(jsonSchema(pipelineComponents), null, 2)}\n`);
    return 0;
  },
};

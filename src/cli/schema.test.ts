import { expect, test } from "bun:test";
import { jsonSchema } from "../api/json_schema.ts";
import { pipelineComponents } from "../pipeline/components.ts";
import { machine, outrigger } from "./testdata/machine.ts";

test("the JSON Schema is printed, components of pipelines included", async () => {
  const { code, out } = await outrigger(machine(), "schema");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(jsonSchema(pipelineComponents))));
});

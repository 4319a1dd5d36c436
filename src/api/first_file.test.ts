import { expect, test } from "bun:test";
import fc from "fast-check";
import { Failure } from "../base/failure.ts";
import { loadDocuments } from "./documents.ts";
import { firstFile } from "./first_file.ts";
import { fillTemplate } from "./template.ts";

test("a first file loads without a problem, whatever the command is", () => {
  const word = fc.oneof(
    fc.constantFrom("node", "-c", "{{.Name}}", "true", "1", "~", "a b", '"', "#", "a\nb", "é"),
    fc.string({ maxLength: 6 }).filter((one) => !/[\0\uFFFD]/.test(one) && one.isWellFormed()),
  );
  const words = fc.array(word, { minLength: 1, maxLength: 5 }).filter((all) => all[0] !== "");
  fc.assert(
    fc.property(words, fc.integer({ min: 1, max: 65_535 }), (command, port) => {
      const text = firstFile({ name: "My App", command, port });
      const { apps, problems } = loadDocuments([{ file: "outrigger.yaml", text }]);
      expect(problems).toEqual([]);
      const [{ name, spec }] = apps as [(typeof apps)[0]];
      expect(name).toBe("my-app");
      expect(spec.run!.command.map((each) => fillTemplate(each, () => "?"))).toEqual(command);
      expect(spec.run!.port).toBe(port);
      expect(spec.port).not.toBe(port);
    }),
    { seed: 1, numRuns: 400 },
  );
});

test("a typed command becomes words, or a line for the shell where it needs one", () => {
  const words = (command: string): unknown => {
    const text = firstFile({ name: "a", command, port: 80 });
    return loadDocuments([{ file: "f", text }]).apps[0]!.spec.run!.command;
  };
  expect(words("node server.js --port=80")).toEqual(["node", "server.js", "--port=80"]);
  expect(words("A=1 npm start")).toEqual(["/bin/sh", "-c", "A=1 npm start"]);
  expect(words("cat a | b '$C'")).toEqual(["/bin/sh", "-c", "cat a | b '$C'"]);
});

test.each([
  [{ name: "!!!", command: "x", port: 80 }, "gives no name"],
  [{ name: "a", command: "  ", port: 80 }, "the command is empty"],
  [{ name: "a", command: "x", port: 0 }, "the port is 0"],
])("%j is refused", (input, message) => {
  expect(() => firstFile(input)).toThrow(message);
  expect(() => firstFile(input)).toThrow(Failure);
});

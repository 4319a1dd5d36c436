import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  fillTemplate,
  isTemplateError,
  parseTemplate,
  templateNames,
  templateProblem,
} from "./template.ts";

test("names are filled in, and what is in quotes stays", () => {
  const fill = (text: string): string => fillTemplate(text, (name) => `<${name}>`);
  expect(fill("{{calls.api.url}}/items")).toBe("<calls.api.url>/items");
  expect(fill("{{ run.port }}{{app.name}}")).toBe("<run.port><app.name>");
  expect(fill('{{"{{"}}.Name}}')).toBe("{{.Name}}");
  expect(fill("nothing }} to do")).toBe("nothing }} to do");
  expect(templateNames("a{{b}}c{{d.e}}")).toEqual(["b", "d.e"]);
});

test.each(["{{", "{{a", "{{}}", "{{a b}}", "{{.a}}", "{{a.}}", "{{1a}}"])("%s is none", (text) => {
  const result = parseTemplate(text);
  expect(isTemplateError(result)).toBe(true);
  expect(templateProblem(text, ["a"])).not.toBeNull();
});

test("an unknown name is told with the one that was meant, or with all that are known", () => {
  const known = ["calls.api.url", "run.port"];
  expect(templateProblem("{{calls.api.url}}", known)).toBeNull();
  expect(templateProblem("{{calls.apj.url}}", known)?.advice).toBe(
    "did you mean {{calls.api.url}}?",
  );
  expect(templateProblem("{{x}}", known)?.advice).toBe("known are {{calls.api.url}}, {{run.port}}");
});

test("any text is read without an exception, and one without {{ is itself", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("{{", "}}", '"', "a", ".", " ", "{", "}")), (parts) => {
      const text = parts.join("");
      const result = parseTemplate(text);
      if (!text.includes("{{"))
        expect(result).toEqual({ parts: text === "" ? [] : [{ kind: "text", text }] });
    }),
    { seed: 1, numRuns: 500 },
  );
});

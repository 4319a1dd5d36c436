import { expect, test } from "bun:test";
import { nodeOf } from "../../schema/node.ts";
import { parse } from "../../schema/field.ts";
import { listenField, readListen } from "./address.ts";

const SCHEMES = ["tcp", "unix"] as const;
const field = listenField(SCHEMES, "tcp://127.0.0.1:1");

test("without a host it is loopback; all else is written out", () => {
  const read = (written: string): unknown => readListen(written, SCHEMES).address;
  expect(read("tcp://:514")).toEqual({ host: "127.0.0.1", port: 514 });
  expect(read("tcp://localhost:514")).toEqual({ host: "127.0.0.1", port: 514 });
  expect(read("tcp://0.0.0.0:0")).toEqual({ host: "0.0.0.0", port: 0 });
  expect(read("tcp://[::1]:514")).toEqual({ host: "::1", port: 514 });
  expect(read("unix:///run/in.sock")).toEqual({ path: "/run/in.sock" });
  expect(read("unix:/run/in.sock")).toEqual({ path: "/run/in.sock" });
  expect(read("unix:in.sock")).toEqual({ path: "in.sock" });
});

test("what is no address is refused in words", () => {
  const problem = (written: string): string => {
    const { problems } = parse(field, nodeOf(written));
    const [first] = problems;
    return `${first?.message ?? "none"} ${first?.advice ?? ""}`;
  };
  expect(problem("tcp://127.0.0.1:514")).toBe("none ");
  expect(problem("udp://127.0.0.1:514")).toContain("expected one of tcp:, unix:");
  expect(problem("127.0.0.1:514")).toContain("tcp://127.0.0.1:1");
  expect(problem("tcp://web-1:514")).toContain('"web-1" is no IP address');
  expect(problem("tcp://[::g]:514")).toContain("expected one of");
  expect(problem("tcp://127.0.0.1:65536")).toContain("65536 is no port");
  expect(problem(`unix:/${"x".repeat(120)}`)).toContain("107 bytes");
  expect(problem("unix:")).toContain("expected one of");
});

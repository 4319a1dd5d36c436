import { describe, expect, test } from "bun:test";
import { badAuthorityAt, latin1, listItems } from "./ascii.ts";
import { ByteWriter } from "./byte_writer.ts";
import { CONTENT_LENGTH, HeaderBlock, hashName, HOST, KNOWN_NAMES } from "./headers.ts";

/** A block of these lines, placed as a decoder does. */
function blockOf(fields: readonly (readonly [string, string])[]): HeaderBlock {
  const block = new HeaderBlock();
  const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  block.reset(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  let at = 0;
  for (const [name, value] of fields) {
    const nameEnd = at + name.length;
    const valueEnd = nameEnd + 2 + value.length;
    block.place(hashName(name), at, nameEnd, nameEnd + 2, valueEnd, valueEnd + 2);
    at = valueEnd + 2;
  }
  return block;
}

describe("header blocks", () => {
  test("every known name is known in any case, and nothing else is", () => {
    for (const [id, name] of KNOWN_NAMES.entries()) {
      if (id === 0) continue;
      const mixed = name[0]!.toUpperCase() + name.slice(1);
      for (const written of [name, name.toUpperCase(), mixed]) {
        const block = blockOf([[written, "v"]]);
        expect(block.present).toBe(1 << id);
        expect(block.known(id)).toBe("v");
      }
      expect(blockOf([[`${name}x`, "v"]]).present).toBe(0);
      expect(blockOf([[name.slice(1), "v"]]).present).toBe(0);
    }
    expect(KNOWN_NAMES.length).toBeLessThanOrEqual(32);
  });

  test("a known name behind the 255th line", () => {
    const fields = Array.from({ length: 400 }, (_, index): [string, string] => [`x${index}`, "1"]);
    fields[300] = ["Host", "far"];
    fields[301] = ["host", "farther"];
    const block = blockOf(fields);
    expect(block.known(HOST)).toBe("far");
    expect(latin1(block.bytes, block.knownStart(HOST), block.knownEnd(HOST))).toBe("far");
    expect(block.repeated).toBe(1 << HOST);
    expect(block.get("host")).toBe("far, farther");
  });

  test("removing forgets that a name came, and that it came twice", () => {
    const block = blockOf([
      ["Content-Length", "1"],
      ["content-length", "2"],
      ["a", "b"],
    ]);
    block.remove("CONTENT-LENGTH");
    expect([block.has(CONTENT_LENGTH), block.present, block.repeated]).toEqual([false, 0, 0]);
    expect(block.known(CONTENT_LENGTH)).toBe(null);
  });

  test("what is left out is left out wherever it stands, a set Host never", () => {
    const block = blockOf([
      ["a", "1"],
      ["Host", "h"],
      ["b", "2"],
      ["c", "3"],
      ["Content-Length", "4"],
    ]);
    block.append("content-length", "5");
    block.append("host", "new");
    const out = new ByteWriter(block.byteLength);
    block.write(out, (1 << HOST) | (1 << CONTENT_LENGTH));
    expect(latin1(out.bytes, 0, out.length)).toBe("a: 1\r\nb: 2\r\nc: 3\r\nhost: new\r\n");
  });
});

describe("lists", () => {
  test("lower case, without blanks and empty members; U+00A0 is no blank", () => {
    expect(listItems(" A,\t b c ,,\xa0d, ")).toEqual(["a", "b c", "\xa0d"]);
    expect(listItems("")).toEqual([]);
  });

  test("long runs of blanks cost no more than their length", () => {
    expect(listItems(`a${" ".repeat(1_000_000)}b`)).toHaveLength(1);
  });
});

describe("authorities", () => {
  const at = (text: string): number => {
    return badAuthorityAt(new TextEncoder().encode(text), 0, text.length);
  };

  const wellFormed = ["", "a", "a_b-c.d~", "a:", "a:80", "10.0.0.1:80", "[::1]", "[f::1.2.3.4]:1"];
  for (const good of wellFormed) {
    test(`${JSON.stringify(good)} is one`, () => {
      expect(at(good)).toBe(-1);
    });
  }

  const bad: readonly (readonly [string, number])[] = [
    ["a b", 1],
    ["a/b", 1],
    ["a,b", 1],
    ["a%41", 1],
    ["a\\b", 1],
    ["u@a", 1],
    ["a:80:81", 4],
    ["a:8o", 3],
    ["[::1", 4],
    ["[::g]", 3],
    ["[::1]a", 5],
    ["a]", 1],
  ];
  for (const [text, position] of bad) {
    test(`${JSON.stringify(text)} breaks at ${position}`, () => {
      expect(at(text)).toBe(position);
    });
  }
});

test("numbers in decimal and hexadecimal", () => {
  const out = new ByteWriter(64);
  for (const value of [0, 9, 10, 999_999_999_999_999]) {
    out.decimal(value);
    out.text(" ");
    out.hexadecimal(value);
    out.text(" ");
  }
  expect(latin1(out.bytes, 0, out.length)).toBe("0 0 9 9 10 a 999999999999999 38d7ea4c67fff ");
  expect(out.room).toBe(64 - out.length);
});

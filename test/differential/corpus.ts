import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readFixtures } from "../../src/codec/http1/fixtures/replay.ts";
import { ROOT } from "../kit/outrigger.ts";

export interface OddRequest {
  readonly title: string;
  readonly bytes: Buffer;
}

const FIXTURES = join(ROOT, "src", "codec", "http1", "fixtures");

/** Every request of the codec's fixtures, and variations that only peers disagree on. */
export function corpus(): OddRequest[] {
  const files = readdirSync(FIXTURES).filter((name) => /^request_.*\.md$/.test(name));
  const fixtures = files.sort().flatMap((name) =>
    readFixtures(readFileSync(join(FIXTURES, name), "utf8")).map(({ title, input }) => ({
      title,
      bytes: Buffer.from(input),
    })),
  );
  return [...fixtures, ...variations()];
}

/** Around the framing headers: what stands before, behind and within their names and values. */
function variations(): OddRequest[] {
  const made: OddRequest[] = [];
  const add = (title: string, ...lines: string[]): void => {
    const text = `POST /odd HTTP/1.1\r\nHost: a\r\n${lines.join("\r\n")}`;
    made.push({ title, bytes: Buffer.from(text, "latin1") });
  };
  const chunked = "\r\n5\r\nhello\r\n0\r\n\r\n";
  const plain = "\r\nhello";
  const values = [
    "chunked", "Chunked", " chunked", "\tchunked", "chunked ", "chunked\t", "chunked,",
    ",chunked", "chunked, chunked", "chunked, identity", "identity, chunked", "identity",
    "gzip, chunked", "x", "chunked;a=b", '"chunked"', "chunk\xefd", "\x0bchunked", "chunked\x0b",
    "chunked\x00", "\x7fchunked",
  ];
  for (const value of values) {
    add(`Transfer-Encoding: ${JSON.stringify(value)}`, `Transfer-Encoding:${value}`, chunked);
    add(
      `Content-Length: 5 and Transfer-Encoding: ${JSON.stringify(value)}`,
      "Content-Length: 5", `Transfer-Encoding:${value}`, chunked,
    );
  }
  const names = [
    "Transfer-Encoding ", " Transfer-Encoding", "Transfer-Encoding\t", "Transfer\x00-Encoding",
    "Transfer_Encoding", "Transfer-Encoding\x0b", "\x00Transfer-Encoding", "Transfer-Encoding\r",
  ];
  for (const name of names) {
    add(`the name ${JSON.stringify(name)}`, "Content-Length: 5", `${name}: chunked`, chunked);
  }
  const lengths = [
    "5", "+5", "-5", "05", "5 ", " 5", "5\t", "0x5", "5,5", "5, 5", "5,6", "5;", "5.0", "5e0", "٥",
    "", " ", "18446744073709551621", "99999999999999999999", "5\x00", "\x0b5", "5_0", "'5'",
  ];
  for (const value of lengths) {
    add(`Content-Length: ${JSON.stringify(value)}`, `Content-Length:${value}`, plain);
  }
  add("Content-Length twice, the same", "Content-Length: 5", "Content-Length: 5", plain);
  add("Content-Length twice, two values", "Content-Length: 5", "Content-Length: 6", `${plain}!`);
  add("Transfer-Encoding twice", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", chunked);
  add("Transfer-Encoding twice, one unknown", "Transfer-Encoding: x", "Transfer-Encoding: chunked", chunked);
  const chunks = [
    "5;a=b\r\nhello\r\n0\r\n\r\n", "5 ;a=b\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n", "-1\r\nhello\r\n0\r\n\r\n", "005\r\nhello\r\n00\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\rhello\r\n0\r\n\r\n",
    "5\r\nhelloX0\r\n\r\n", "5\r\nhello0\r\n\r\n", "FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n",
    "5;a=\x00\r\nhello\r\n0\r\n\r\n", "5;a=\n\r\nhello\r\n0\r\n\r\n", "5;a\r\r\nhello\r\n0\r\n\r\n",
    "\r\n5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "5\r\nhello\r\n0\r\nX y\r\n\r\n",
    "5\r\nhello\r\n0\r\nHost: b\r\n\r\n", "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
  ];
  for (const body of chunks) {
    add(`the chunks ${JSON.stringify(body)}`, "Transfer-Encoding: chunked", `\r\n${body}`);
  }
  const lines = [
    "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET\t/ HTTP/1.1",
    "GET / HTTP/1.10", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1,1", "GET / HTTP/1.1\x00",
    "GET /", "GET", "get / HTTP/1.1", "GE(T / HTTP/1.1", "GET /\x00 HTTP/1.1", "GET /\x7f HTTP/1.1",
    "GET /\xff HTTP/1.1", "GET /a b HTTP/1.1", "GET /#x HTTP/1.1", "GET * HTTP/1.1",
    "OPTIONS * HTTP/1.1", "GET http://b/ HTTP/1.1", "GET //b/ HTTP/1.1", "GET http:// HTTP/1.1",
    "GET b HTTP/1.1", "GET ?x HTTP/1.1", "GET http://b:80@c/ HTTP/1.1", "CONNECT a:80 HTTP/1.1",
    "CONNECT / HTTP/1.1", "GET /%00 HTTP/1.1", "GET /%2e%2e/x HTTP/1.1", "GET /../x HTTP/1.1",
    "GET /a\\..\\b HTTP/1.1", "GET /%zz HTTP/1.1", "GET /%2 HTTP/1.1",
  ];
  for (const line of lines) {
    const bytes = Buffer.from(`${line}\r\nHost: a\r\n\r\n`, "latin1");
    made.push({ title: `the line ${JSON.stringify(line)}`, bytes });
  }
  const hosts = [
    ["Host: a", "Host: b"], ["Host: a", "Host: a"], [], ["Host:"], ["Host: a b"], ["Host: a@b"],
    ["Host: a/b"], ["Host: a,b"], ["Host: a:b"], ["Host: a:99999"], ["Host: [::1"], ["Host: a\x00"],
    ["Host : a"], [" Host: a"], ["Host: http://a"], ["Host: a\xff"], ["Host: a?b"], ["Host: a#b"],
  ];
  for (const fields of hosts) {
    const text = ["GET / HTTP/1.1", ...fields, "", ""].join("\r\n");
    made.push({ title: `the hosts ${JSON.stringify(fields)}`, bytes: Buffer.from(text, "latin1") });
  }
  const fields = [
    "X: a\x00b", "X: a\x01b", "X: a\x7fb", "X: a\nb", "X: a\rb", "X: a\r b", "X: a\r\n b", "X: a\n b",
    "X\xff: a", "X(: a", ": a", "X", "X : a", "X\x00: a", "X: a\r\r", "X: \xff", "Connection: host",
    "Connection: content-length", "Connection: transfer-encoding", "Upgrade: h2c",
  ];
  for (const field of fields) {
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`, "latin1");
    made.push({ title: `the field ${JSON.stringify(field)}`, bytes });
  }
  made.push({ title: "lines end with LF", bytes: Buffer.from("GET / HTTP/1.1\nHost: a\n\n") });
  made.push({ title: "the head ends with LF", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\n") });
  made.push({
    title: "a body of GET is the next request",
    bytes: Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /inner HTTP/1.1\r\nHost: inner\r\n\r\n"),
  });
  return made;
}

import { expect, test } from "bun:test";
import { createSimulatedWorld } from "../../base/simulated/mod.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import { writeRequestHead } from "../../codec/http1/encoder.ts";
import { RequestDecoder } from "../../codec/http1/request_decoder.ts";
import type { Stream } from "../stream.ts";
import { setHost } from "./set_host.ts";

const { random } = createSimulatedWorld({ seed: 1 });

test("the callee reads its own name, once, whatever the caller sent", () => {
  for (const target of ["/a?b", "http://other.example/a?b"]) {
    let sent = "";
    const decoder = new RequestDecoder({ maxHeaderBytes: 1000, maxHeaders: 10 }, {
      onRequestHead(head) {
        setHost.create({ host: "api.example:81" }, { random }).onRequestHeaders!({ head } as Stream);
        const out = new ByteWriter(1000);
        writeRequestHead(out, head);
        sent = Buffer.from(out.bytes.subarray(0, out.length)).toString();
      },
      onBody() {},
      onTrailers() {},
      onMessageEnd() {},
    });
    const request = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:15001\r\nX: y\r\n\r\n`;
    expect(decoder.feed(Buffer.from(request))).toBeNull();
    expect(sent).toBe("GET /a?b HTTP/1.1\r\nhost: api.example:81\r\nX: y\r\n\r\n");
  }
});

test("a host that could not stand in a header is refused with the Snapshot", () => {
  for (const host of [undefined, "", "a\r\nb", 7]) {
    expect(() => setHost.create({ host }, { random })).toThrow("is not a host");
  }
});

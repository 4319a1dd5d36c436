import { describe, expect, test } from "bun:test";
import { Xoshiro128 } from "../base/xoshiro.ts";
import { containerNames, parseContainerLine } from "./container_log.ts";

const TIME = "2024-03-01T12:00:00.123456789Z";

describe("CRI", () => {
  const cases: readonly (readonly [string, object | string])[] = [
    [`${TIME} stdout F hello world`, { stream: "stdout", isPartial: false, message: "hello world" }],
    [`${TIME} stderr P half`, { stream: "stderr", isPartial: true, message: "half" }],
    [`${TIME} stdout P:x  two spaces`, { isPartial: true, message: " two spaces" }],
    [`${TIME} stdout F `, { isPartial: false, message: "" }],
    [`${TIME} stdout F`, { isPartial: false, message: "" }],
    ["2024-03-01T12:00:00.1+02:00 stdout F m", { time: "2024-03-01T12:00:00.1+02:00" }],
    [`${TIME} stdlog F m`, "not-cri"],
    [`${TIME} stdout X m`, "not-cri"],
    [`${TIME} stdout FP m`, "not-cri"],
    ["yesterday stdout F m", "not-cri"],
    [TIME, "not-cri"],
    ["", "not-cri"],
  ];
  for (const [line, expected] of cases) {
    test(line === "" ? "an empty line" : line, () => {
      const found = parseContainerLine(line, "auto");
      if (typeof expected !== "string") expect(found as object).toMatchObject(expected);
      else expect(String(found)).toBe(expected);
    });
  }
});

describe("Docker", () => {
  const line = (log: string): string => JSON.stringify({ log, stream: "stderr", time: TIME });

  test("a whole line, a part of one, an empty one", () => {
    expect(parseContainerLine(line('say "hi"\n'), "auto")).toEqual({
      stream: "stderr",
      time: TIME,
      isPartial: false,
      message: 'say "hi"',
    });
    expect(parseContainerLine(line("half"), "auto")).toMatchObject({ isPartial: true });
    expect(parseContainerLine(line("\n"), "docker")).toMatchObject({ message: "" });
  });

  test("what is none", () => {
    for (const wrong of ["{", "{}", "null", '{"log":1,"stream":"stdout","time":"x"}', "[]"]) {
      expect(parseContainerLine(wrong, "docker")).toBe("not-docker");
    }
    expect(parseContainerLine(line("a\n"), "cri")).toBe("not-cri");
  });
});

test("names that a path gives", () => {
  const id = "0123456789abcdef".repeat(4);
  const uid = "0a1b2c3d-0000-1111-2222-333344445555";
  expect(containerNames(`/var/log/pods/shop_api-7d9-x2x_${uid}/app/0.log`)).toEqual({
    namespace: "shop",
    pod: "api-7d9-x2x",
    pod_uid: uid,
    container: "app",
  });
  expect(containerNames(`/var/log/containers/api-7d9_shop_side-car-${id}.log`)).toEqual({
    namespace: "shop",
    pod: "api-7d9",
    container: "side-car",
    container_id: id,
  });
  expect(containerNames(`/var/lib/docker/containers/${id}/${id}-json.log`)).toEqual({
    container_id: id,
  });
  expect(containerNames("/var/log/app.log")).toEqual({});
});

test("no line throws, whatever it holds", () => {
  const random = Xoshiro128.fromSeed(7);
  const pieces = [TIME, " ", "stdout", "stderr", "F", "P", ":", "{", '"log"', '"', "}", "é", "\\"];
  for (let run = 0; run < 2000; run++) {
    const count = Math.floor(random.next() * 9);
    const line = Array.from({ length: count }, () => {
      return pieces[Math.floor(random.next() * pieces.length)]!;
    }).join("");
    for (const format of ["auto", "cri", "docker"] as const) parseContainerLine(line, format);
  }
});

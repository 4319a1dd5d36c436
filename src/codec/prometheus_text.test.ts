import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  parsePrometheusText,
  prometheusNumber,
  PrometheusText,
  sumOfSamples,
} from "./prometheus_text.ts";

function problemsOf(text: string): string[] {
  return parsePrometheusText(text).problems.map(({ line, message }) => `${line}: ${message}`);
}

describe("writing", () => {
  test("S2-12 counters, gauges and histograms, each family described once", () => {
    const out = new PrometheusText();
    out.family("shop_requests_total", "counter", "Requests,\nby route \\ code.");
    out.sample("shop_requests_total", { route: "/items", code: "200" }, 17);
    out.sample("shop_requests_total", { route: 'a"b\\c\nd', code: "5xx" }, 0);
    out.family("shop_active", "gauge", "In flight.");
    out.sample("shop_active", {}, 2.5);
    out.family("shop_seconds", "histogram", "Time.");
    out.histogram("shop_seconds", { route: "/" }, [0.005, 1], [3, 0, 2], 7.25);
    expect(out.toString()).toBe(
      [
        "# HELP shop_requests_total Requests,\\nby route \\\\ code.",
        "# TYPE shop_requests_total counter",
        'shop_requests_total{route="/items",code="200"} 17',
        'shop_requests_total{route="a\\"b\\\\c\\nd",code="5xx"} 0',
        "# HELP shop_active In flight.",
        "# TYPE shop_active gauge",
        "shop_active 2.5",
        "# HELP shop_seconds Time.",
        "# TYPE shop_seconds histogram",
        'shop_seconds_bucket{route="/",le="0.005"} 3',
        'shop_seconds_bucket{route="/",le="1"} 3',
        'shop_seconds_bucket{route="/",le="+Inf"} 5',
        'shop_seconds_sum{route="/"} 7.25',
        'shop_seconds_count{route="/"} 5',
        "",
      ].join("\n"),
    );
    expect(problemsOf(out.toString())).toEqual([]);
  });

  test("a histogram without labels", () => {
    const out = new PrometheusText();
    out.family("h", "histogram", "");
    out.histogram("h", {}, [], [4], 1);
    expect(out.toString()).toEndWith('h_bucket{le="+Inf"} 4\nh_sum 1\nh_count 4\n');
    expect(problemsOf(out.toString())).toEqual([]);
  });

  test("numbers as Go's ParseFloat reads them", () => {
    const numbers = [Infinity, -Infinity, NaN, -0.5, 1e21, 1e-7, 1700000000000];
    const texts = ["+Inf", "-Inf", "NaN", "-0.5", "1e+21", "1e-7", "1700000000000"];
    expect(numbers.map(prometheusNumber)).toEqual(texts);
  });

  test("a wrong use is a bug that shows at once", () => {
    const out = new PrometheusText();
    expect(() => out.family("no-dash", "gauge", "")).toThrow('"no-dash" is not a metric\'s name');
    out.family("g", "gauge", "");
    expect(() => out.family("g", "gauge", "")).toThrow("described twice");
    expect(() => out.sample("h", {}, 1)).toThrow("a sample of h stands in the family g");
    expect(() => out.sample("g", { "a-b": "" }, 1)).toThrow('"a-b" is not a label\'s name');
    expect(() => out.sample("g", { __name: "" }, 1)).toThrow("is not a label's name");
    expect(() => out.histogram("g", {}, [], [1], 0)).toThrow("not a histogram");
    out.family("h", "histogram", "");
    expect(() => out.sample("h", {}, 1)).toThrow("write it with histogram()");
    expect(() => out.histogram("h", {}, [1], [1], 0)).toThrow("one count more");
    expect(() => out.histogram("h", { le: "1" }, [], [1], 0)).toThrow("label le");
  });
});

describe("reading", () => {
  test("families with type, help, labels, values and times", () => {
    const { families, problems } = parsePrometheusText(
      [
        "# a comment",
        "",
        "# HELP up Whether \\\\ it\\nis up.",
        "# TYPE up gauge",
        'up { job = "a" , instance="b\\"\\\\\\n" , } 1 1395066363000',
        'up{job="c"}0',
        "plain -Inf",
        "# TYPE s summary",
        's{quantile="0.5"} 3e-1',
        "s_sum 9",
        "s_count 30",
        "x_count .5",
        "",
      ].join("\n"),
    );
    expect(problems).toEqual([]);
    expect(families).toMatchObject([
      {
        name: "up",
        type: "gauge",
        help: "Whether \\ it\nis up.",
        samples: [
          {
            labels: { job: "a", instance: 'b"\\\n' },
            value: 1,
            timestampMs: 1395066363000,
            line: 5,
          },
          { labels: { job: "c" }, value: 0, timestampMs: null },
        ],
      },
      { name: "plain", type: "untyped", help: null, samples: [{ value: -Infinity }] },
      { name: "s", type: "summary", samples: [{ value: 0.3 }, { value: 9 }, { value: 30 }] },
      { name: "x_count", type: "untyped", samples: [{ value: 0.5 }] },
    ]);
  });

  const wrong: readonly (readonly [string, string])[] = [
    ["up 1", "1: the last line does not end with a line feed"],
    ["1up 1\n", '1: a line starts with neither a metric\'s name nor #: "1up 1"'],
    ["up\n", '1: expected a value and perhaps a time in ms after up, found ""'],
    ["up 1x\n", '1: expected a value and perhaps a time in ms after up, found "1x"'],
    ["up 0x10\n", '1: expected a value and perhaps a time in ms after up, found "0x10"'],
    ["up 1 2 3\n", '1: expected a value and perhaps a time in ms after up, found "1 2 3"'],
    ["up 1\r\n", '1: expected a value and perhaps a time in ms after up, found "1"'],
    ['up{a="1" 1\n', '1: expected , or } after the label a, found "1"'],
    ["up{a=1} 1\n", '1: expected name="value" or }, found "a=1} 1"'],
    ['up{a="1",,} 1\n', '1: expected name="value" or }, found ",} 1"'],
    ['up{a="\\t"} 1\n', '1: \\t is no escape, expected \\\\, \\n or \\"'],
    ['up{a="1",a="2"} 1\n', "1: the label a comes twice"],
    ['up{__a="1"} 1\n', "1: the label __a starts with __"],
    [
      "# TYPE up meter\n",
      '1: "meter" is no type, expected counter, gauge, histogram, summary, untyped',
    ],
    ["# TYPE\n", "1: \"\" is not a metric's name"],
    ["# TYPE up gauge\n# TYPE up gauge\n", "2: a second TYPE line for up"],
    ["# HELP up a\n# HELP up a\n", "2: a second HELP line for up"],
    ["up 1\n# TYPE up gauge\n", "2: TYPE of up comes after its samples"],
    ["up 1\nb 1\nup{a=\"1\"} 1\n", "3: the lines of up do not stand together"],
    ['up{a="1",b="2"} 1\nup{b="2",a="1"} 1\n', "2: up comes twice with the same labels"],
    ["# TYPE c counter\nc -1\n", "2: the counter c is -1"],
    ["# TYPE h histogram\nh 1\n", "2: the histogram h has a sample without suffix"],
  ];
  for (const [text, problem] of wrong) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(problemsOf(text)).toContain(problem);
    });
  }

  test("says where a histogram does not add up", () => {
    const text = (buckets: string): string => `# TYPE h histogram\n${buckets}`;
    const tail = "h_sum 1\nh_count 2\n";
    const inf = 'h_bucket{le="+Inf"} 2\n';
    expect(problemsOf(text(inf + tail))).toEqual([]);
    expect(problemsOf(text(`h_bucket 1\n${inf}${tail}`))).toEqual([
      "2: a bucket of h has no bound in its label le",
    ]);
    expect(problemsOf(text(`h_bucket{le="1"} 3\n${inf}${tail}`))).toEqual([
      "3: a bucket of h counts less than the one before it",
    ]);
    expect(problemsOf(text(`h_bucket{le="2"} 1\nh_bucket{le="1"} 1\n${inf}${tail}`))).toEqual([
      "3: the buckets of h do not ascend",
    ]);
    expect(problemsOf(text(`h_bucket{le="1"} 1\n${tail}`))).toEqual([
      '2: h has no bucket with le="+Inf"',
    ]);
    expect(problemsOf(text(`${inf}h_sum 1\nh_count 3\n`))).toEqual([
      "4: h_count is 3, its +Inf bucket 2",
    ]);
    expect(problemsOf(text(inf))).toEqual(["2: h_count is missing", "2: h_sum is missing"]);
  });

  test("a sum over labels", () => {
    const exposition = parsePrometheusText('n{a="1",b="x"} 1\nn{a="1",b="y"} 2\nn{a="2"} 4\n');
    expect(sumOfSamples(exposition, "n", { a: "1" })).toBe(3);
    expect(sumOfSamples(exposition, "n")).toBe(7);
    expect(sumOfSamples(exposition, "m")).toBe(0);
  });
});

test("what is written is read back the same, whatever the labels hold", () => {
  const labelName = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/).filter((name) => name !== "le");
  const labelSets = fc.dictionary(labelName, fc.string({ unit: "binary" }), { maxKeys: 4 });
  const helpText = fc.string({ unit: "binary" }).map((text) => `in ${text}\u2028 s`);
  fc.assert(
    fc.property(labelSets, fc.double(), helpText, (labels, value, help) => {
      const out = new PrometheusText();
      out.family("m", "gauge", help);
      out.sample("m", labels, value);
      const { families, problems } = parsePrometheusText(out.toString());
      expect(problems).toEqual([]);
      const [family] = families;
      expect(family!.help).toBe(help);
      expect({ ...family!.samples[0]!.labels }).toEqual({ ...labels });
      // Minus zero is written as zero, which is the same count of anything.
      expect(family!.samples[0]!.value + 0).toBe(value + 0);
    }),
    { seed: 12, numRuns: 300 },
  );
});

test("any text is read without throwing", () => {
  const pieces = ["# HELP", "# TYPE", " ", "a", "{", "}", '"', "=", ",", "\\", "\n", "1"];
  const piece = fc.constantFrom(...pieces);
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      expect(parsePrometheusText(pieces.join("")).problems.length).toBeLessThanOrEqual(100);
    }),
    { seed: 7, numRuns: 500 },
  );
});

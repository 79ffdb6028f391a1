import { describe, expect, test } from "vitest";
import { cutRunLog, encodeRecord, parseRunLog, type RunRecord } from "../../src/io/run-log.js";

const records: readonly RunRecord[] = [
  { event: "evaluation", when: "before", success: { mean: 0.5 } },
  { event: "iteration", iteration: 0, success: 0.5, seconds: { denoise: 1 } },
  { event: "evaluation", when: 0 },
  { event: "iteration", iteration: 1 },
  { event: "iteration", iteration: 2 },
  { event: "evaluation", when: "after" },
];
const text = records.map(encodeRecord).join("");

describe("the log of a run", () => {
  test("reads back what was written", () => {
    expect(parseRunLog(text)).toEqual({ records, isTorn: false });
    expect(parseRunLog("")).toEqual({ records: [], isTorn: false });
  });

  test("leaves out numbers that are not finite, at any depth", () => {
    expect(encodeRecord({ event: "iteration", iteration: 1, success: Number.NaN, seconds: { denoise: Infinity, physics: 1 } }))
      .toBe('{"event":"iteration","iteration":1,"seconds":{"physics":1}}\n');
  });

  test("cut off at any byte gives every whole line and no error", () => {
    for (let length = 0; length <= text.length; length++) {
      const cut = text.slice(0, length);
      const whole = cut.split("\n").length - 1;
      expect(parseRunLog(cut)).toEqual({ records: records.slice(0, whole), isTorn: length > 0 && !cut.endsWith("\n") });
    }
  });

  test.each([["{\n{}\n", 1], ['{"event":"a"}\nnull\n', 2], ['{"event":"a"}\n{"event":3}\n', 2], ['{"event":"a"}\n\n{"event":"a"}\n', 2]])("refuses %j with the line", (broken, line) => {
    expect(() => parseRunLog(broken)).toThrow(expect.objectContaining({ code: "FORMAT", index: line }));
  });

  test("is cut behind an iteration, with the evaluations that came later", () => {
    expect(cutRunLog(records, 1)).toEqual(records.slice(0, 4));
    expect(cutRunLog(records, -1)).toEqual(records.slice(0, 1));
    expect(cutRunLog([{ event: "epoch", epoch: 1, step: 3 }, { event: "epoch", epoch: 1, step: 4 }, { event: "note" }], 3)).toEqual([{ event: "epoch", epoch: 1, step: 3 }, { event: "note" }]);
  });
});

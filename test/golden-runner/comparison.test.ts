import { describe, expect, it } from "vitest";
import { expectClose, measure } from "../close.ts";
import { GoldenComparison } from "./comparison.ts";
import { formatFailures, formatReport } from "./report.ts";
import { isUnread } from "./row.ts";

const relative = { kind: "relative", limit: 1e-3 } as const;

describe("closeness", () => {
  it("reports worst errors, where they are and the share of the tolerance", () => {
    const closeness = measure([1, 2.1, -4], [1, 2, -4], { relative: 0.05 });
    expect(closeness.absolute).toBeCloseTo(0.1, 12);
    expect(closeness.relative).toBeCloseTo(0.025, 12);
    expect(closeness.index).toBe(1);
    expect(closeness.share).toBeCloseTo(0.5, 12);
  });

  it("never takes NaN, infinity or another length for close", () => {
    const loose = { absolute: 1e9, relative: 1e9 };
    expect(measure([NaN], [1], loose).share).toBe(Infinity);
    expect(measure([Infinity], [1], loose).share).toBe(Infinity);
    expect(measure([1], [NaN], loose).share).toBe(Infinity);
    expect(measure([1, 2], [1], loose).share).toBe(Infinity);
    expect(measure([], [1], loose).share).toBe(Infinity);
    expect(measure([NaN, -Infinity], [NaN, -Infinity], {}).share).toBe(0);
    expect(() => expectClose([NaN], [0], loose, "loss")).toThrow(/^loss: worst absolute error/);
  });

  it("accepts nothing but equality without a tolerance", () => {
    expect(measure([1, -0], [1, 0], {}).share).toBe(0);
    expect(measure([1 + 1e-15], [1], {}).share).toBe(Infinity);
  });
});

describe("golden comparison", () => {
  it("keeps the worst of each quantity and fails what is beyond its tolerance", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    comparison.add("output", [1.0001], [1], relative, "case a");
    comparison.add("output", [1.01], [1], relative, "case b");
    comparison.add("output", [1], [1], relative, "case c");
    comparison.add("input gradient", [0], [0], relative, "case a");
    const rows = comparison.rows();
    expect(rows.map((row) => [row.quantity, row.passed, row.note])).toEqual([
      ["output", false, "case b"],
      ["input gradient", true, "case a"],
    ]);
    expect(formatFailures(rows)).toMatch(/^dppo\/x on wasm, output: error 1.00e-2, tolerance 1e-3 \(case b\)$/);
    expect(formatReport(rows)).toMatch(/dppo\/x\s+wasm\s+FAILED\s+1.00e-2\s+1e-3\s+1000 %|1.00e\+3 %/);
  });

  it("measures a gradient that is truly zero against the largest of the pass", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    const expected = new Map([["a", [2, 1]], ["zero", [0, 1e-17]]]);
    comparison.addGradients("gradient", new Map([["a", [2, 1]], ["zero", [1e-4, 0]]]), expected, relative, "case");
    expect(comparison.rows()[0]).toMatchObject({ passed: true, worst: 5e-5 });
    comparison.addGradients("gradient", new Map([["a", [2, 1]], ["zero", [1, 0]]]), expected, relative, "case");
    expect(comparison.rows()[0]).toMatchObject({ passed: false });
  });

  it("measures gradients that are all zero absolutely", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    const expected = new Map([["a", [1e-18, -1e-17]], ["b", [0]]]);
    comparison.addGradients("gradient", new Map([["a", [1e-10, 0]], ["b", [0]]]), expected, relative, "case");
    expect(comparison.rows()[0]).toMatchObject({ passed: true });
    comparison.addGradients("gradient", new Map([["a", [1e-10, 0]], ["b", [1e-4]]]), expected, relative, "case");
    expect(comparison.rows()[0]).toMatchObject({ passed: false });
  });

  it("fails gradients that are not there", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    comparison.addGradients("gradient", new Map(), new Map([["a", [2, 1]]]), relative, "case");
    expect(comparison.rows()[0]).toMatchObject({ passed: false });
  });

  it("compares many tensors as one vector where the tolerance says so", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    const expected = new Map([["a", [3]], ["b", [4]]]);
    const got = new Map([["a", [3.03]], ["b", [4.04]]]);
    comparison.addGradients("gradient", got, expected, { kind: "vector", limit: 0.02 }, "case");
    const [row] = comparison.rows();
    expect(row!.worst).toBeCloseTo(0.01, 12);
    expect(row!.passed).toBe(true);
  });

  it("lists what it cannot read and never passes it", () => {
    const comparison = new GoldenComparison("dppo/x", "wasm");
    comparison.unread("case unet", "there is no reader for Unet1D");
    const [row] = comparison.rows();
    expect(row!.passed).toBe(false);
    expect(isUnread(row!)).toBe(true);
    expect(formatFailures([row!])).toBe("");
    comparison.add("output", [1], [1], relative, "case mlp");
    expect(formatReport(comparison.rows())).toMatch(/wasm\s+passed in part/);
    expect(formatReport([row!])).toMatch(/not compared[\s\S]*Not compared, hence not passed:\n.*case unet/);
  });
});

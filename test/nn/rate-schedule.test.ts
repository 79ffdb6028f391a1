import { describe, expect, it } from "vitest";
import { DifftuneError } from "../../src/core/errors.ts";
import { warmupCosineRate, type WarmupCosineOptions } from "../../src/nn/rate-schedule.ts";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";

interface GoldenOptions {
  readonly max_lr: number;
  readonly min_lr: number;
  readonly warmup_steps: number;
  readonly first_cycle_steps: number;
  readonly cycle_mult: number;
  readonly gamma: number;
}

const golden = GoldenFile.open("dppo/lr_schedule");
const cases = golden.json("cases") as Record<string, GoldenOptions>;

describe("warm-up cosine rate", () => {
  it.each(Object.keys(cases))("follows the golden schedule %s", (name) => {
    const { max_lr, min_lr, warmup_steps, first_cycle_steps, cycle_mult, gamma } = cases[name]!;
    const options: WarmupCosineOptions = {
      maxRate: max_lr,
      minRate: min_lr,
      warmupSteps: warmup_steps,
      cycleSteps: first_cycle_steps,
      cycleFactor: cycle_mult,
      decay: gamma,
    };
    const expected = golden.values(`${name}.lr`);
    const got = Array.from(expected, (_, step) => warmupCosineRate(options, step));
    expectClose(got, expected, { relative: 1e-14 }, name);
  });

  it("starts at the smallest rate without warm-up, then jumps to the top", () => {
    const options = { maxRate: 1, minRate: 0.1, cycleSteps: 1000 };
    expect(warmupCosineRate(options, 0)).toBe(0.1);
    expect(warmupCosineRate(options, 1)).toBeGreaterThan(0.999);
    expect(warmupCosineRate(options, 1000)).toBe(1);
  });

  const right = { maxRate: 1e-3, minRate: 1e-4, warmupSteps: 2, cycleSteps: 10 };
  it.each<[string, Partial<WarmupCosineOptions>, number]>([
    ["a NaN rate", { maxRate: NaN }, 0],
    ["an infinite rate", { minRate: Infinity }, 0],
    ["a negative rate", { minRate: -1 }, 0],
    ["a cycle of no steps", { cycleSteps: 0, warmupSteps: 0 }, 0],
    ["a cycle of half a step", { cycleSteps: 2.5 }, 0],
    ["a warm-up as long as the cycle", { warmupSteps: 10 }, 0],
    ["a negative warm-up", { warmupSteps: -1 }, 0],
    ["shrinking cycles, which would never end", { cycleFactor: 0.5 }, 0],
    ["a decay of 0", { decay: 0 }, 0],
    ["a negative step", {}, -1],
    ["a NaN step", {}, NaN],
  ])("refuses %s", (_, wrong, step) => {
    const action = (): number => warmupCosineRate({ ...right, ...wrong }, step);
    expect(action).toThrow(DifftuneError);
    expect(action).toThrow(expect.objectContaining({ code: "OPTION" }));
  });
});

import { DifftuneError } from "../core/errors.js";

/** Options of {@link warmupCosineRate}. */
export interface WarmupCosineOptions {
  /** Rate at the top of the first cycle. May be smaller than `minRate`; the schedule then rises. */
  readonly maxRate: number;
  /** Rate at step 0 and at the end of each cycle. */
  readonly minRate: number;
  /** Steps from `minRate` to `maxRate` at the start of each cycle; fewer than `cycleSteps`. Default 0. */
  readonly warmupSteps?: number;
  /** Steps of the first cycle, warm-up included. */
  readonly cycleSteps: number;
  /** Each cycle's part after the warm-up is this many times as long as the one before. Default 1. */
  readonly cycleFactor?: number;
  /** `maxRate` is multiplied by this after every cycle. Default 1. */
  readonly decay?: number;
}

/**
 * Learning rate after `step` steps of the schedule: linear warm-up, half a cosine down, restart. With c the step of the
 * cycle, w the warm-up and L the length of the cycle:
 *
 *     c < w:  min + (max − min) c/w
 *     else:   min + (max − min) ½ (1 + cos(π (c − w)/(L − w)))
 *
 * Step 0 is always at `minRate`, with or without warm-up. A pure function of the step: to resume, keep the number.
 */
export function warmupCosineRate(options: WarmupCosineOptions, step: number): number {
  const { minRate, warmupSteps = 0, cycleSteps, cycleFactor = 1, decay = 1 } = options;
  checkOptions(options, step);
  if (step === 0) return minRate;
  let cycle = 0;
  let length = cycleSteps;
  let c = step;
  if (cycleFactor === 1) {
    cycle = Math.floor(step / length);
    c = step % length;
  } else {
    while (c >= length) {
      c -= length;
      cycle++;
      length = Math.floor((length - warmupSteps) * cycleFactor) + warmupSteps;
    }
  }
  const range = options.maxRate * decay ** cycle - minRate;
  if (c < warmupSteps) return minRate + (range * c) / warmupSteps;
  return minRate + (range * (1 + Math.cos((Math.PI * (c - warmupSteps)) / (length - warmupSteps)))) / 2;
}

function checkOptions(options: WarmupCosineOptions, step: number): void {
  const { maxRate, minRate, warmupSteps = 0, cycleSteps, cycleFactor = 1, decay = 1 } = options;
  const isRate = (value: number): boolean => Number.isFinite(value) && value >= 0;
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  const rules: readonly [string, unknown, boolean, string][] = [
    ["maxRate", maxRate, isRate(maxRate), "a finite number of at least 0"],
    ["minRate", minRate, isRate(minRate), "a finite number of at least 0"],
    ["cycleSteps", cycleSteps, isCount(cycleSteps) && cycleSteps > 0, "a whole number of at least 1"],
    ["warmupSteps", warmupSteps, isCount(warmupSteps) && warmupSteps < cycleSteps, "a whole number from 0 to cycleSteps - 1"],
    ["cycleFactor", cycleFactor, Number.isFinite(cycleFactor) && cycleFactor >= 1, "a finite number of at least 1"],
    ["decay", decay, Number.isFinite(decay) && decay > 0 && decay <= 1, "a number above 0, at most 1"],
    ["step", step, isCount(step), "a whole number of at least 0"],
  ];
  for (const [name, got, isRight, expected] of rules) {
    if (!isRight) throw new DifftuneError("OPTION", `${name} must be ${expected}.`, { expected, got });
  }
}

import { meanInterval, shareInterval } from "../../../src/core/statistics.js";
import { PhiloxStream } from "../../../src/core/philox.js";
import type { RunTexts } from "../../../src/cli/report/run-summary.js";

/** What a made-up run is like. */
export interface MadeRun {
  readonly name?: string;
  readonly seed?: number;
  readonly iterations?: number;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly method?: string;
  /** Share of successes at the end. */
  readonly end?: number;
}

/** Ways through the gaps of Avoid, metres. */
const ways: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>> = {
  m5: [[0.525, -0.28], [0.56, -0.1], [0.375, 0.08], [0.31, 0.26], [0.34, 0.45]],
  m6: [[0.525, -0.28], [0.56, -0.1], [0.375, 0.08], [0.425, 0.26], [0.43, 0.45]],
  collision: [[0.525, -0.28], [0.56, -0.1], [0.385, 0.08], [0.365, 0.222]],
};

function madeWay(kind: string, random: PhiloxStream): number[] {
  const stops = ways[kind]!.map(([x, y], index): [number, number] => (index === 0 ? [x, y] : [x + 0.008 * random.normal(), y]));
  const points: number[] = [];
  for (let at = 0; at < stops.length - 1; at++) {
    const [[x0, y0], [x1, y1]] = [stops[at]!, stops[at + 1]!];
    for (let step = 0; step < 18; step++) {
      const share = step / 18;
      const eased = share * share * (3 - 2 * share);
      points.push(x0 + eased * (x1 - x0), y0 + share * (y1 - y0));
    }
  }
  return points;
}

function madeEvaluation(success: number, seed: number): Record<string, unknown> {
  const random = new PhiloxStream(seed);
  const episodes = 200;
  const successes = Math.round(success * episodes);
  const collisions = Math.round(0.4 * (episodes - successes));
  const others = episodes - successes - collisions;
  const trajectories = Array.from({ length: 20 }, (_, index) => {
    const share = (index + 0.5) / 20;
    const kind = share < success ? "m5" : share < success + 0.4 * (1 - success) ? "collision" : "m6";
    return { points: madeWay(kind, random), success: kind === "m5", label: kind, reason: kind === "m5" ? "success" : kind === "m6" ? "otherMode" : kind };
  });
  const failures = Array.from({ length: Math.min(50, collisions + others) }, (_, index) => (index < collisions
    ? { seed: 3 * index, reason: "collision", detail: "The rod touched the cylinder of level 3, near the robot." }
    : { seed: 3 * index, reason: "otherMode", detail: "Passed the third row by gap m6; the reward is for m5." }));
  return {
    episodes, wanted: episodes, isDeterministic: true, seed,
    success: shareInterval(successes, episodes),
    return: meanInterval(Array.from({ length: episodes }, (_, index) => (index < successes ? 82 : 36) + 4 * random.normal())),
    length: { mean: 100, low: 100, high: 100 },
    modes: { collision: collisions, m5: successes, m6: others }, modeEntropy: 0.31,
    reasons: { collision: collisions, otherMode: others, success: successes }, failures, trajectories,
  };
}

function madeChain(seed: number): Record<string, unknown> {
  const random = new PhiloxStream(seed);
  const ends = Array.from({ length: 200 }, (_, index): [number, number] => [(index % 3 === 0 ? 0.006 : -0.008) + 0.0007 * random.normal(), 0.009 + 0.0005 * random.normal()]);
  const starts = ends.map((): [number, number] => [0.006 * random.normal(), 0.006 * random.normal()]);
  const steps = Array.from({ length: 11 }, (_, index) => {
    const share = index / 10;
    return { step: 10 - index, points: ends.flatMap(([x, y], sample) => [x * share + starts[sample]![0] * (1 - share), y * share + starts[sample]![1] * (1 - share)]) };
  });
  return { axes: ["incrementX", "incrementY"], steps };
}

/** The texts of a run folder, as a run of DPPO on Avoid would leave it: every number from the seed. */
export function madeRun({ name, seed = 0, iterations = 51, options = {}, method = "dppo", end = 0.95 }: MadeRun = {}): RunTexts {
  const random = new PhiloxStream(1000 + seed);
  const settings = {
    seed, environments: 50, chunks: 25, actionSteps: 4, denoisingSteps: 20, tunedSteps: 10, updates: 10, batchSize: 6250, rate: 1e-4, criticRate: 1e-3,
    discount: 0.99, lambda: 0.95, clip: { low: 0.001, high: 0.01, rate: 3 }, targetKl: 1, network: { hidden: [512, 512, 512], activation: "mish" }, ...options,
  };
  const run = {
    format: "difftune-run", version: 1, difftune: "0.1.0", command: `difftune finetune pretrained.safetensors --env avoid --tuned-steps ${String(settings.tunedSteps)} --seed ${seed} --out runs/m1`,
    method, environment: "avoid", seed, engine: { engine: "wasm", description: "WASM relaxed SIMD, 2 threads", key: "wasm-relaxed-2", isSoftware: false, threads: 2, build: "relaxed", features: [] },
    options: settings, startedAt: `2026-11-20T13:0${seed}:00.000Z`,
  };
  const lines = Array.from({ length: iterations }, (_, iteration) => {
    const progress = 1 - Math.exp(-iteration / 12);
    const success = Math.round(50 * Math.max(0, Math.min(1, 0.48 + (end - 0.48) * progress + 0.03 * random.normal()))) / 50;
    const isEvaluation = iteration % 10 === 0;
    const seconds = { denoise: 0.35, physics: 0.62 + 0.03 * random.uniform(), advantage: 0.11, update: 2.4 };
    const learned = isEvaluation ? {} : {
      policyLoss: -0.004 - 0.01 * progress + 0.001 * random.normal(), valueLoss: 40 * (1 - progress) + 3 + random.uniform(), approxKl: 0.0008 + 0.0004 * random.uniform(),
      clipFraction: 0.12 + 0.04 * random.uniform(), ratio: 1 + 0.002 * random.normal(), explainedVariance: 1 - 3 * Math.exp(-iteration / 4), gradientNorm: 1.5 + random.uniform(),
      rate: 1e-4 * (1 - 0.8 * progress), criticRate: 1e-3, minibatches: 20,
    };
    return {
      event: "iteration", iteration, iterations, mode: isEvaluation ? "evaluate" : "train", envSteps: 5000 * (iteration + 1), episodes: 50, success, return: 38 + 45 * success + random.normal(),
      episodeLength: 100, bestReward: 1 + success, ...learned, envStepsPerSecond: 1450 + 60 * random.normal(), iterationSeconds: 3.55, seconds,
    };
  });
  const [before, after] = [madeEvaluation(0.48, seed), madeEvaluation(end, seed + 1)];
  const log = [{ event: "evaluation", when: "before", ...before }, ...lines, { event: "evaluation", when: "after", ...after }];
  return {
    name: name ?? `m1-seed${seed}`,
    run: JSON.stringify(run),
    metrics: log.map((line) => `${JSON.stringify(line)}\n`).join(""),
    evaluations: { before: JSON.stringify(before), after: JSON.stringify(after), chain: JSON.stringify(madeChain(seed)) },
  };
}

/** The texts of a pre-training run. */
export function madePretraining(): RunTexts {
  const random = new PhiloxStream(7);
  const epochs = Array.from({ length: 100 }, (_, index) => ({
    event: "epoch", epoch: index + 1, epochs: 100, step: 10 * (index + 1), steps: 1000, loss: 0.02 + Math.exp(-index / 15) * (1 + 0.1 * random.normal()),
    ...(index % 10 === 9 ? { validationLoss: 0.03 + Math.exp(-index / 15), emaValidationLoss: 0.025 + Math.exp(-index / 18) } : {}), gradientNorm: 1, rate: 1e-3 * (1 - index / 101), seconds: 0.2 * (index + 1),
  }));
  return {
    name: "pretrained",
    run: JSON.stringify({ format: "difftune-run", difftune: "0.1.0", command: "difftune pretrain --dataset m1", method: "pretrain", environment: "avoid", seed: 0, options: { batchSize: 128 }, startedAt: "2026-11-20T12:00:00.000Z" }),
    metrics: epochs.map((line) => `${JSON.stringify(line)}\n`).join(""),
    evaluations: {},
  };
}

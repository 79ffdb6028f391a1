/**
 * What `npm run reproduce -- fdpp-pusht` runs: a policy, the box and the starts, a learned reward, and one fine-tuning for every
 * weight of the divergence and seed.
 */
import { inOrder } from "./cells.mjs";

/**
 * Everything that may be chosen. The sizes and the sweep are the published experiment; how it learns was measured on two cores, for a
 * policy that knows two ways and takes one of them seldom. The specification proposes 100 iterations, 50 denoising steps of at least
 * 0.05, batches of 5,000 in 5 epochs, a constant rate of 3e-5, a clip of 0.01, chunks judged by themselves, 100 rollouts to
 * label, a reach of 150 px and a tie width of 0.05.
 */
export const defaultSettings = {
  alphas: [0, 0.03, 0.1, 0.3, 1, 3, 10],
  seeds: [1, 2, 3],
  iterations: 90,
  environments: 32,
  /** Chunks that each environment takes in an iteration: 200 steps. */
  chunks: 25,
  epochs: 6,
  batch: 4000,
  rate: 4e-4,
  /** What the rate falls to along half a cosine. */
  lastRate: 1e-4,
  /** First iterations in which only the critic learns. */
  criticWarmup: 3,
  clip: 0.02,
  /**
   * How a chunk is judged. By itself, a first chunk that ends just before the box and leaves the second no time to turn away is no
   * worse than another: 7 % of the episodes begin like that, most of those that enter the box. To weigh what the next chunk meets by a
   * half is enough to tell them apart; by 0.8 the way round, whose rewards are lower, is hardly taken up.
   */
  advantage: "return",
  gamma: 0.5,
  /** What the reward of a chunk is compared with where it is judged by itself. */
  baseline: "value",
  /** DDIM steps of a chain while fine-tuning and evaluating. */
  denoisingSteps: 10,
  /** Smallest deviation of one of them while it learns, and while it acts, in half ranges of the demonstrated actions. */
  stdFloor: 0.02,
  actingFloor: 0.005,
  episodes: 500,
  /** Iterations between two measurements on the way, and their episodes. */
  every: 10,
  everyEpisodes: 50,
  /** Labelled pairs, and the rollouts that their states are drawn from. */
  pairs: 1024,
  rollouts: 300,
  /** Distance from the box, px, beyond which the annotator finds all places alike. */
  reach: 60,
  /**
   * Differences of its scores, of -1 inside and 0 to 1 outside, below which it finds two places alike. With 0.05 the way round the box,
   * which is seldom met and close to it, loses most comparisons, and its learned reward is nearly that of the inside.
   */
  tieWidth: 0.8,
  /** Rounds of pre-training after the first, in which what the policy met is demonstrated, and demonstrations of each. */
  rounds: 0,
  visited: 2000,
  /** Overrules of the pre-training, for a trial: its first demonstrations, epochs and hidden sizes. */
  demonstrations: undefined,
  pretrainEpochs: undefined,
  hidden: undefined,
  /** A policy that is taken instead of pre-training one. */
  policy: undefined,
  /** Starts that are tried, a file; without them those the policy was trained from, or 200 of the task's own. */
  starts: undefined,
};

/** Control steps of an episode, the coverage that counts as success, and the steps in which the box must be entered. */
export const task = { maxSteps: 200, successCoverage: 0.9, earlySteps: 40 };

/** How the box and the starts are found (FDPP specification, section 7). */
export const calibration = {
  firstBox: { x0: 330, y0: 300, x1: 470, y1: 440 },
  seeds: 200, rollouts: 5, mostStarts: 10, leastStarts: 3,
  jitterPx: 5, jitterAngle: 0.05,
  /** Episodes with jitter by which a start that qualifies is proved, and what it must then reach. */
  trials: 20, leastEntering: 0.95, leastSuccess: 0.9,
};

/** Tie width of the specification: a reward is learned with it as well, to be compared and nothing else. */
export const fineTieWidth = 0.05;

/** The cell of a policy that is taken, not trained. */
export const takenPolicy = "policy/given";

/** A weight as it stands in the name of a cell. */
export const alphaName = (alpha) => `alpha-${alpha}`;

/**
 * The cells of some settings, in an order in which each comes after those it needs. Kinds: `pretrain`, `calibrate`, `reward`,
 * `evaluate` (of the pre-trained policy), `finetune` (with its evaluations).
 */
export function planOf(settings) {
  const { alphas, seeds, iterations, environments, chunks, epochs, batch, rate, lastRate, criticWarmup, clip, baseline, advantage, gamma, denoisingSteps, stdFloor, actingFloor, episodes, every, everyEpisodes, pairs, rollouts, reach, tieWidth, rounds, visited, demonstrations, pretrainEpochs, hidden, policy, starts } = settings;
  const trained = policy === undefined ? Array.from({ length: rounds + 1 }, (_, round) => `policy/round-${round}`) : [takenPolicy];
  const base = trained.at(-1);
  const [box, reward, fineReward] = ["starts", "reward", "reward-fine"];
  const labelled = { kind: "reward", base, needs: [box], denoisingSteps, actingFloor, pairs, rollouts, reach };
  const cells = [
    ...trained.map((id, round) => ({
      id, kind: "pretrain",
      ...(policy === undefined ? { round, demonstrations, epochs: pretrainEpochs, hidden, ...(round === 0 ? {} : { base: trained[round - 1], visited }) } : { from: policy }),
    })),
    { id: box, kind: "calibrate", base, denoisingSteps, actingFloor, from: starts },
    { id: "before", kind: "evaluate", base, needs: [box], denoisingSteps, actingFloor, episodes },
    { id: reward, ...labelled, tieWidth },
    { id: fineReward, ...labelled, tieWidth: fineTieWidth },
    // Seed by seed, and those that the acceptance speaks of first.
    ...seeds.flatMap((seed) => inOrderOfInterest(alphas).map((alpha) => ({
      id: `fdpp/${alphaName(alpha)}/seed-${seed}`, kind: "finetune", base, needs: [box, reward], alpha, seed, iterations, environments, chunks, epochs, batch, rate, lastRate, criticWarmup, clip, baseline, advantage, gamma, denoisingSteps, stdFloor, actingFloor, episodes, every, everyEpisodes,
    }))),
  ];
  return { cells: inOrder(cells), starts: box, reward, fineReward, before: "before", policy: base };
}

/** The weight that is expected to meet the paper's claim, the two ends, then what lies between. */
function inOrderOfInterest(alphas) {
  const first = [0.1, 0.03, 0, 10, 0.3, 1];
  return [...first.filter((alpha) => alphas.includes(alpha)), ...alphas.filter((alpha) => !first.includes(alpha))];
}

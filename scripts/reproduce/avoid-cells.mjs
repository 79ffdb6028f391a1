/**
 * What `npm run reproduce -- avoid` runs: a list of cells, each one training or measurement with everything that decides its
 * numbers. A cell is plain data: equal cells are equal JSON.
 */

import { inOrder } from "./cells.mjs";

/** The data sets of DPPO: two ways each that part after the second row of cylinders. */
export const sets = ["M1", "M2", "M3"];

/** K', the number of denoising steps that are tuned, of 20. */
const tunedSteps = [3, 5, 10, 15, 20];

/** What is compared, by name: which network is pre-trained, how it is tuned. */
export const methods = {
  ...Object.fromEntries(tunedSteps.map((steps) => [`dppo-${steps}`, { title: `DPPO, K' = ${steps}`, network: "diffusion", algorithm: "dppo", tunedSteps: steps }])),
  gaussian: { title: "Gaussian", network: "gaussian", algorithm: "ppo", densityClamp: "released" },
  gmm: { title: "mixture, corrected clamp", network: "gmm", algorithm: "ppo", densityClamp: "corrected" },
  "gmm-released": { title: "mixture, released clamp", network: "gmm", algorithm: "ppo", densityClamp: "released" },
};

/** The smaller studies, by name, with the figure of the paper. */
export const studies = {
  exploration: "Exploration before learning (figure 9)",
  stability: "Noise on the actions while learning (figure 10, left)",
  chunks: "Chunk length (figure 10, right)",
  refinement: "What each denoising step adds (figure 11)",
  robustness: "Noise and unknown starts after learning (figure 12)",
  floor: "Floor of the sampling noise (figure A3)",
  discount: "Denoising discount (figure A2)",
  demonstrations: "Number of demonstrations (figure A5)",
  decay: "A rate that falls (not in the paper)",
};

/** Steps of an episode. */
export const episodeSteps = 100;

/** Everything that may be chosen; the defaults are the published comparison. */
export const defaultSettings = {
  sets,
  methods: Object.keys(methods),
  studies: Object.keys(studies),
  seeds: [1, 2, 3],
  iterations: 51,
  /** Of the fine-tunings that only a study needs: half as many tell the tendency. */
  studyIterations: 26,
  environments: 50,
  episodes: 200,
  physics: "arm",
  /** Overrules the hidden sizes of every network. */
  hidden: undefined,
  /** Overrules the epochs of every pre-training. */
  epochs: undefined,
};

/** What a cell has where nothing is said of it: what studies change one by one. */
export const usual = { chunk: 4, demonstrations: 40, floor: 0.1, discount: 0.95, noise: 0 };

/** Episodes that each network is usually trained on. One Gaussian cannot take two ways at once: of many episodes it learns their middle, where a cylinder stands. */
export const usualDemonstrations = { diffusion: usual.demonstrations, gaussian: 8, gmm: usual.demonstrations };

/** The values that each study runs through, beside the usual one. */
export const sweeps = {
  stability: { noise: [0.2] },
  chunks: { chunk: [4, 8, 16] },
  floor: { floor: [0.01, 0.1, 0.2] },
  discount: { discount: [0.5, 0.95, 1] },
  demonstrations: { demonstrations: [10, 40, 80] },
};

/** Where the rate of DPPO ends that falls along a half cosine; the usual one stays at 1e-4. */
const lastRate = 1e-5;

/**
 * The cells of some settings, in an order in which each comes after those it needs, and which of them belong to the
 * comparison and to each study. Kinds of cells:
 *
 * - `pretrain`: `set`, `network`, `chunk` (H = Ta), `demonstrations`
 * - `finetune`: `base` (a pretrain cell), `set`, `method`, `seed`, and what a study changes
 * - `explore`, `refine`, `stress`: measurements on policies of other cells
 */
export function planOf(settings) {
  const { iterations, environments, episodes, physics, hidden, epochs, seeds } = settings;
  const studyIterations = Math.min(iterations, settings.studyIterations);
  const cells = new Map();
  const add = (cell) => {
    cells.set(cell.id, cells.get(cell.id) ?? cell);
    return cell.id;
  };
  const changed = (changes) => Object.entries(changes).filter(([name, value]) => usual[name] !== value);
  const named = (changes) => changed(changes).map(([name, value]) => `${name}-${value}`);
  const pretrain = (set, network, { chunk = usual.chunk, demonstrations: wanted = usual.demonstrations } = {}) => {
    const demonstrations = wanted === usual.demonstrations ? usualDemonstrations[network] : wanted;
    const id = `pretrain/${[set, network, ...named({ chunk, demonstrations: wanted })].join("-")}`;
    return add({ id, kind: "pretrain", set, network, chunk, demonstrations, hidden, epochs, episodes, physics });
  };
  const finetune = (set, method, seed, changes, length = studyIterations) => {
    const all = { ...usual, ...changes };
    const base = pretrain(set, methods[method].network, all);
    const id = changes === undefined ? `${set}/${method}/seed-${seed}` : `studies/${[set, method, ...named(changes)].join("-")}/seed-${seed}`;
    return add({ id, kind: "finetune", set, method, seed, base, ...all, iterations: changes === undefined ? iterations : length, environments, episodes, physics });
  };

  // Seed by seed, so that what is there early covers all sets.
  const comparison = seeds.flatMap((seed) => settings.sets.flatMap((set) => settings.methods.map((method) => ({ set, method, seed, id: finetune(set, method, seed) }))));

  const set = settings.sets.includes("M2") ? "M2" : settings.sets[0];
  const chosen = (names) => names.filter((name) => settings.methods.includes(name));
  // The K' of the paper's own settings, or what stands in for it.
  const best = chosen(["dppo-10", "dppo-15", "dppo-20", "dppo-5", "dppo-3"]).slice(0, 1);
  const rivals = chosen(["gaussian", "gmm"]);
  const sweep = (study, names) => {
    const [[name, values]] = Object.entries(sweeps[study]);
    return names.flatMap((method) => values.map((value) => ({ set, method, seed: seeds[0], [name]: value, id: finetune(set, method, seeds[0], { [name]: value }) })));
  };
  const makers = {
    exploration: () => settings.sets.flatMap((each) => [...new Set(settings.methods.map((method) => methods[method].network))].map((network) => ({
      set: each,
      network,
      id: add({ id: `exploration/${each}-${network}`, kind: "explore", set: each, network, base: pretrain(each, network), environments, physics }),
    }))),
    stability: () => sweep("stability", [...chosen(["dppo-3", "dppo-5", "dppo-10"]), ...rivals]),
    chunks: () => sweep("chunks", [...best, ...rivals]),
    refinement: () => best.map((method) => {
      const policies = [pretrain(set, "diffusion"), finetune(set, method, seeds[0])];
      return { set, method, id: add({ id: `refinement/${set}-${method}`, kind: "refine", set, method, policies }) };
    }),
    robustness: () => [...best, ...rivals].flatMap((method) => seeds.map((seed) => {
      const cell = { kind: "stress", set, method, seed, policy: finetune(set, method, seed), environments, episodes, physics };
      return { set, method, seed, id: add({ id: `robustness/${set}-${method}/seed-${seed}`, ...cell }) };
    })),
    floor: () => sweep("floor", best),
    discount: () => sweep("discount", best),
    demonstrations: () => sweep("demonstrations", [...best, ...rivals]),
    // What the end of a run does shows only in whole ones.
    decay: () => chosen(["dppo-10", "dppo-20"]).flatMap((method) => [undefined, { lastRate }].flatMap((changes) => seeds.map((seed) => {
      const [first] = settings.sets;
      return { set: first, method, seed, isFalling: changes !== undefined, id: finetune(first, method, seed, changes, iterations) };
    }))),
  };
  const chosenStudies = Object.fromEntries(settings.studies.map((study) => [study, makers[study]()]));
  return { cells: inOrder([...cells.values()]), comparison, studies: chosenStudies };
}

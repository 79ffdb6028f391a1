/** How a cell of `avoid-cells.mjs` is trained: options of the package's own functions. */
import { episodeSteps, methods, usual, usualDemonstrations } from "./avoid-cells.mjs";

const networks = {
  diffusion: { kind: "diffusion-mlp", process: { denoisingSteps: 20 }, hidden: [256, 256, 256], activation: "relu", isResidual: true },
  gaussian: { kind: "gaussian-mlp", hidden: [256, 256, 256], activation: "relu", isResidual: true },
  gmm: { kind: "gmm-mlp", components: 5, hidden: [256, 256], activation: "relu" },
};

/** Passes over the demonstrations and the highest rate, by network. */
const pretraining = { diffusion: { epochs: 360, rate: 3e-3 }, gaussian: { epochs: 2000, rate: 2e-3 }, gmm: { epochs: 60, rate: 1e-3 } };

/** Options of `pretrain`. */
function pretrainOptions({ network, chunk, demonstrations, hidden, epochs }) {
  const own = pretraining[network];
  // As many gradient steps, whatever the number of demonstrations.
  const share = usualDemonstrations[network] / demonstrations;
  return {
    network: { ...networks[network], ...(hidden === undefined ? {} : { hidden }) },
    horizon: chunk,
    epochs: epochs ?? Math.round(own.epochs * share),
    batchSize: 128,
    rate: own.rate,
    seed: 1,
  };
}

/** Chunks that an episode takes. */
export function chunksOf(chunk) {
  return Math.ceil(episodeSteps / chunk);
}

/** Options of `dppo` or `ppo`. An epoch has as many minibatches with longer chunks, of which a rollout holds fewer. */
function finetuneOptions({ method, chunk, seed, iterations, discount, floor, lastRate }) {
  const { algorithm, tunedSteps, densityClamp } = methods[method];
  const share = usual.chunk / chunk;
  return {
    iterations,
    steps: chunksOf(chunk),
    seed,
    ...(algorithm === "dppo"
      ? { tunedSteps, batchSize: Math.round(6250 * share), epochs: 5, ...(lastRate === undefined ? constantRate(1e-4) : { rate: { max: 1e-4, min: lastRate, warmup: 0, cycle: iterations } }), denoisingDiscount: discount, minSamplingStd: floor }
      : { batchSize: Math.round(625 * share), epochs: 10, ...constantRate(3e-5), densityClamp }),
  };
}

/** The options that a cell is trained with; undefined where it only measures. */
export function optionsOf(cell) {
  return { pretrain: pretrainOptions, finetune: finetuneOptions }[cell.kind]?.(cell);
}

function constantRate(rate) {
  return { rate: { max: rate, min: rate } };
}

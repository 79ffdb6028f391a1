/** How a cell of `avoid-cells.mjs` is trained: options of the package's own functions. */
import { episodeSteps, methods, usual } from "./avoid-cells.mjs";

const networks = {
  diffusion: { kind: "diffusion-mlp", process: { denoisingSteps: 20 }, hidden: [256, 256, 256], activation: "relu", isResidual: true },
  gaussian: { kind: "gaussian-mlp", hidden: [256, 256, 256], activation: "relu", isResidual: true },
  gmm: { kind: "gmm-mlp", components: 5, hidden: [256, 256], activation: "relu" },
};

/** Options of `pretrain`. */
export function pretrainOptions({ network, chunk, hidden, epochs }) {
  return {
    network: { ...networks[network], ...(hidden === undefined ? {} : { hidden }) },
    horizon: chunk,
    epochs: epochs ?? 1500,
    batchSize: 128,
    rate: 1e-3,
    seed: 1,
  };
}

/** Chunks that an episode takes. */
export function chunksOf(chunk) {
  return Math.ceil(episodeSteps / chunk);
}

/** Options of `dppo` or `ppo`. An epoch has as many minibatches with longer chunks, of which a rollout holds fewer. */
export function finetuneOptions({ method, chunk, seed, iterations, discount, floor }) {
  const { algorithm, tunedSteps, densityClamp } = methods[method];
  const share = usual.chunk / chunk;
  return {
    iterations,
    steps: chunksOf(chunk),
    seed,
    ...(algorithm === "dppo"
      ? { tunedSteps, batchSize: Math.round(6250 * share), denoisingDiscount: discount, minSamplingStd: floor }
      : { batchSize: Math.round(625 * share), densityClamp }),
  };
}

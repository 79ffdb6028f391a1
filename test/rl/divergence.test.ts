import { describe, expect, test } from "vitest";
import type { DivergenceMeasure } from "../../src/diffusion/likelihood.js";
import { DiffusionProcess } from "../../src/diffusion/process.js";
import { createDiffusionMlp } from "../../src/nn/diffusion-mlp.js";
import { chainObjective } from "../../src/rl/objective.js";
import { ppoUpdateStatistics } from "../../src/rl/ppo-update.js";
import { expectClose } from "../close.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";
import { denoiseMean, denoiseMeanBackward } from "../reference/denoise-step.js";
import { diffusionMlp } from "../reference/diffusion-mlp.js";
import type { Gradients } from "../reference/mlp.js";

const [rows, steps, actionSize, horizon, conditionWidth] = [6, 4, 2, 2, 3];
const width = actionSize * horizon;
const hidden = [8, 8, 8];
const floor = 0.1;

/** What the loss gives where nobody has an advantage: the divergence alone, in double precision. */
function expected(
  parameters: { readonly tuned: Float32Array; readonly frozen: Float32Array },
  denoiser: ReturnType<typeof createDiffusionMlp>,
  process: DiffusionProcess,
  rollout: { readonly states: Float64Array; readonly chains: Float64Array },
  picked: readonly number[],
  measure: DivergenceMeasure,
  weight: number,
): { readonly divergence: number; readonly gradient: Float64Array } {
  const named = (flat: Float32Array) => new Map(denoiser.layout.parameters.map(({ name, offset, length }) => [name, flat.subarray(offset, offset + length)]));
  const network = {
    actionDim: actionSize, horizon, condDim: conditionWidth, timeDim: 4, hidden, condHidden: [], activation: "relu", outputActivation: "identity", layerNorm: false, residual: true,
  } as const;
  const gradients: Gradients = new Map();
  let divergence = 0;
  for (const flat of picked) {
    const [row, j] = [Math.floor(flat / steps), flat % steps];
    const step = process.steps[j]!;
    const x = rollout.chains.subarray((row * (steps + 1) + j) * width, (row * (steps + 1) + j + 1) * width);
    const state = rollout.states.subarray(row * conditionWidth, (row + 1) * conditionWidth);
    const tuned = diffusionMlp(named(parameters.tuned), network, x, [step.timestep], state);
    const frozen = diffusionMlp(named(parameters.frozen), network, x, [step.timestep], state);
    const options = { sampler: process.sampler.kind, prediction: "noise", x0Clip: 1, noiseClip: null } as const;
    const scale = weight / picked.length;
    if (measure === "noise") {
      const apart = tuned.output.map((value, at) => value - frozen.output[at]!);
      divergence += apart.reduce((sum, value) => sum + value ** 2, 0) / picked.length;
      tuned.backward(apart.map((value) => 2 * scale * value), gradients);
    } else {
      const std = Math.max(step.std, floor);
      const [mean, reference] = [tuned, frozen].map(({ output }) => denoiseMean(x, output, step, options)) as [Float64Array, Float64Array];
      const apart = mean.map((value, at) => value - reference[at]!);
      divergence += apart.reduce((sum, value) => sum + value ** 2 / (2 * std ** 2), 0) / picked.length;
      tuned.backward(denoiseMeanBackward(apart.map((value) => (scale * value) / std ** 2), x, tuned.output, step, options), gradients);
    }
  }
  const gradient = new Float64Array(denoiser.layout.length);
  for (const { name, offset } of denoiser.layout.parameters) gradient.set(gradients.get(name)!, offset);
  return { divergence, gradient };
}

describe.each(engines)("the divergence in the loss on %s", (engine) => {
  test.each([["kernels", { kind: "ddim", stepCount: steps, eta: 1 }], ["noise", { kind: "ddim", stepCount: steps, eta: 1 }], ["kernels", { kind: "ddpm" }]] as const)(
    "by %s is that of the twin, with its gradient, and its weight can be changed (%j)",
    async (measure, sampler) => {
      const device = await deviceFor(engine);
      const denoiser = createDiffusionMlp({ actionSize, horizon, conditionWidth, timeSize: 4, hidden, activation: "relu", isResidual: true });
      const process = new DiffusionProcess({ denoisingSteps: sampler.kind === "ddpm" ? steps : 8, sampler, x0Clip: 1, minLogProbStd: floor });
      const frozenValues = denoiser.layout.initialValues(1);
      const moves = testNumbers(frozenValues.length, 2, 0.2);
      const tunedValues = frozenValues.map((value, at) => value + moves[at]!);
      const given = { states: Float64Array.from(testNumbers(rows * conditionWidth, 3)), chains: Float64Array.from(testNumbers(rows * (steps + 1) * width, 4, 0.5)) };
      const flat = (data: ArrayLike<number>) => device.tensor([data.length], { data });
      const [tuned, frozen] = [flat(tunedValues), flat(frozenValues)];
      const gradients = device.tensor([frozenValues.length]);
      const statistics = device.tensor([ppoUpdateStatistics.length]);
      const transitions = rows * steps;
      const words = (data: readonly number[]) => device.tensor([data.length], { dtype: "u32", data });
      const order = Array.from({ length: transitions }, (_, at) => (at * 7) % transitions);
      const rollout = {
        states: flat(given.states), chains: flat(given.chains), oldLogProbs: device.tensor([transitions * width]), returns: device.tensor([rows]), oldValues: device.tensor([rows]),
        advantages: device.tensor([rows]), permutation: words(order),
        frozen: { outputs: device.tensor([transitions * width]), divergences: device.tensor([transitions]) },
      };
      const objective = chainObjective({ denoiser, process, tables: process.tables(device), tunedSteps: steps, actionSize }, {
        updateForm: "step", clip: { first: 0.1, last: 0.1, rate: 0 }, denoisingDiscount: 1, rewardHorizon: horizon, divergence: measure,
      }, { rows, frozen, seed: 0 });
      const identity = words(Array.from({ length: transitions }, (_, at) => at));
      const old = await device.program("old", (recorder) => { objective.recordOld(recorder, tuned, rollout, identity, transitions); });
      old.run();
      let weigh = (_: number): void => undefined;
      let moveTo = (_: number): void => undefined;
      const batch = transitions / 2;
      const loss = await device.program("loss", (recorder) => {
        ({ weighDivergence: weigh, moveTo } = objective.recordLoss(recorder, rollout, { actor: { values: tuned, gradients }, critic: undefined, statistics }, batch));
      });
      for (const [offset, weight] of [[0, 0.7], [batch, 0.7], [0, 2.1]] as const) {
        weigh(weight);
        moveTo(offset);
        loss.run();
        const twin = expected({ tuned: tunedValues, frozen: frozenValues }, denoiser, process, given, order.slice(offset, offset + batch), measure, weight);
        expectClose([(await device.read(statistics))[ppoUpdateStatistics.indexOf("divergence")]!], [twin.divergence], { relative: 2e-5 });
        expectClose(await device.read(gradients), twin.gradient, { relative: 2e-5 });
        expect(twin.gradient.some((value) => Math.abs(value) > 1e-3)).toBe(true);
      }
      // What is told of a rollout is always the divergence of the kernels, whatever the loss holds small.
      const all = expected({ tuned: tunedValues, frozen: frozenValues }, denoiser, process, given, order, "kernels", 1);
      const told = await device.read(rollout.frozen.divergences);
      expectClose([told.reduce((sum, value) => sum + value, 0) / transitions], [all.divergence], { relative: 2e-5 });
    },
  );
});

import { describe, expect, test } from "vitest";
import { DiffusionProcess, type ProcessOptions } from "../../src/diffusion/process.js";
import { createCritic, type CriticOptions } from "../../src/nn/critic.js";
import { createDiffusionMlp, type DiffusionMlpOptions } from "../../src/nn/diffusion-mlp.js";
import { createMlp, type MlpOptions } from "../../src/nn/mlp.js";
import { ParameterLayout } from "../../src/nn/parameters.js";
import { createQCritic, type QCriticOptions } from "../../src/nn/q-critic.js";
import { createStochasticMlp, type StochasticMlpOptions } from "../../src/nn/stochastic-mlp.js";
import { createUnet, type UnetOptions } from "../../src/nn/unet.js";

type Wrong = Readonly<Record<string, unknown>>;

/** Who takes options, valid ones, how to use them, and what must be refused under which name. */
const cases: readonly (readonly [owner: string, valid: Wrong, make: (options: Wrong) => unknown, wrong: readonly (readonly [Wrong, string])[]])[] = [
  ["createCritic", { conditionWidth: 4 } satisfies CriticOptions, (options) => createCritic(options as unknown as CriticOptions), [
    [{ conditionWidth: 0 }, "conditionWidth"],
    [{ conditionWidth: "4" }, "conditionWidth"],
    [{ hidden: [8, 0, 8] }, "hidden.1"],
    [{ hidden: 8 }, "hidden"],
    [{ activation: "foo" }, "activation"],
    [{ isResidual: 1 }, "isResidual"],
    [{ useLayerNorm: "no" }, "useLayerNorm"],
    [{ residual: false }, "residual"],
  ]],
  ["createQCritic", { conditionWidth: 4, actionWidth: 8 } satisfies QCriticOptions, (options) => createQCritic(options as unknown as QCriticOptions), [
    [{ actionWidth: 0 }, "actionWidth"],
    [{ conditionWidth: "4" }, "conditionWidth"],
    [{ hidden: [8, 0] }, "hidden.1"],
    [{ activation: "foo" }, "activation"],
    [{ useLayerNorm: "no" }, "useLayerNorm"],
    [{ isResidual: true }, "isResidual"],
  ]],
  ["createDiffusionMlp", { actionSize: 2, horizon: 4, conditionWidth: 4 } satisfies DiffusionMlpOptions, (options) => createDiffusionMlp(options as unknown as DiffusionMlpOptions), [
    [{ actionSize: undefined }, "actionSize"],
    [{ horizon: 1.5 }, "horizon"],
    [{ conditionWidth: -1 }, "conditionWidth"],
    [{ timeSize: 5 }, "timeSize"],
    [{ timeSize: 2 }, "timeSize"],
    [{ timeSize: Number.NaN }, "timeSize"],
    [{ hidden: [Number.POSITIVE_INFINITY] }, "hidden.0"],
    [{ conditionHidden: ["8"] }, "conditionHidden.0"],
    [{ activation: "foo" }, "activation"],
    [{ outputActivation: "toString" }, "outputActivation"],
    [{ useLayerNorm: null }, "useLayerNorm"],
    [{ hiden: [8] }, "hiden"],
  ]],
  ["createUnet", { actionSize: 2, horizon: 4, conditionWidth: 4 } satisfies UnetOptions, (options) => createUnet(options as unknown as UnetOptions), [
    [{ actionSize: 0 }, "actionSize"],
    [{ horizon: 6, multipliers: [1, 2, 4] }, "horizon"],
    [{ conditionWidth: 1.5 }, "conditionWidth"],
    [{ timeSize: 7 }, "timeSize"],
    [{ channels: -64 }, "channels"],
    [{ multipliers: [] }, "multipliers"],
    [{ multipliers: [2, 4] }, "multipliers"],
    [{ multipliers: [1, 0] }, "multipliers.1"],
    [{ kernelSize: 4 }, "kernelSize"],
    [{ groups: 0 }, "groups"],
    [{ groups: 7 }, "groups"],
    [{ epsilon: 0 }, "epsilon"],
    [{ epsilon: Number.NaN }, "epsilon"],
    [{ activation: "foo" }, "activation"],
    [{ modulation: "none" }, "modulation"],
    [{ encoder: "tiny" }, "encoder"],
    [{ conditionHidden: [8, 8, 8] }, "conditionHidden"],
    [{ dim: 64 }, "dim"],
  ]],
  ["createStochasticMlp", { actionSize: 2, horizon: 4, conditionWidth: 4 } satisfies StochasticMlpOptions, (options) => createStochasticMlp(options as unknown as StochasticMlpOptions), [
    [{ components: 17 }, "components"],
    [{ std: { kind: "fixed", std: 0.1 } }, "std.kind"],
    [{ std: { kind: "constant" } }, "std.std"],
    [{ std: { kind: "predicted", std: 0.1 } }, "std.std"],
    [{ std: 0.1 }, "std"],
    [{ stdRange: [0.1] }, "stdRange.1"],
    [{ stdRange: [1, 0.1] }, "stdRange"],
    [{ activation: "foo" }, "activation"],
    [{ hasTanhMean: "yes" }, "hasTanhMean"],
    [{ tanhMean: true }, "tanhMean"],
  ]],
  ["createMlp", { sizes: [4, 8, 2], activation: "relu" } satisfies MlpOptions, (options) => createMlp(new ParameterLayout(), "net", options as unknown as MlpOptions), [
    [{ sizes: [4] }, "sizes"],
    [{ sizes: [4, 0] }, "sizes.1"],
    [{ activation: undefined }, "activation"],
    [{ outputActivation: "foo" }, "outputActivation"],
    [{ useFinalLayerNorm: 1 }, "useFinalLayerNorm"],
    [{ size: [4, 2] }, "size"],
  ]],
  ["DiffusionProcess", { denoisingSteps: 10 } satisfies ProcessOptions, (options) => new DiffusionProcess(options as unknown as ProcessOptions), [
    [{ denoisingSteps: 0 }, "denoisingSteps"],
    [{ sampler: "ddim" }, "sampler"],
    [{ sampler: { kind: "euler" } }, "sampler.kind"],
    [{ sampler: { kind: "ddim", stepCount: 5, eta: 2 } }, "sampler.eta"],
    [{ sampler: { kind: "ddim", stepCount: 5 } }, "sampler.eta"],
    [{ sampler: { kind: "ddpm", eta: 1 } }, "sampler.eta"],
    [{ predictsNoise: "yes" }, "predictsNoise"],
    [{ x0Clip: 0 }, "x0Clip"],
    [{ noiseClip: Number.NaN }, "noiseClip"],
    [{ drawClip: null }, "drawClip"],
    [{ finalClip: -1 }, "finalClip"],
    [{ minSamplingStd: -0.1 }, "minSamplingStd"],
    [{ minLogProbStd: Number.POSITIVE_INFINITY }, "minLogProbStd"],
    [{ denoisingStep: 10 }, "denoisingStep"],
  ]],
];

describe.each(cases)("%s", (owner, valid, make, wrong) => {
  test("takes valid options", () => {
    expect(make(valid)).toBeDefined();
  });

  test.each(wrong)("refuses %j by name", (changed, path) => {
    const named = path.split(".")[0]!;
    expect(() => make({ ...valid, ...changed })).toThrow(expect.objectContaining({ code: "OPTION", path, message: expect.stringContaining(owner) as unknown }));
    expect(Object.keys(changed)).toContain(named);
  });
});

test("a diffusion process refuses options that do not go together", () => {
  const ddim = { kind: "ddim", stepCount: 11, eta: 1 } as const;
  expect(() => new DiffusionProcess({ denoisingSteps: 10, sampler: ddim })).toThrow(/stepCount must not be above denoisingSteps/);
  expect(() => new DiffusionProcess({ denoisingSteps: 20, sampler: ddim, predictsNoise: false })).toThrow(/predicts the noise/);
});

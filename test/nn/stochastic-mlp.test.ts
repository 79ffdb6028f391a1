import { describe, expect, it } from "vitest";
import { DifftuneError } from "../../src/core/errors.ts";
import { createStochasticMlp, type StochasticMlpOptions } from "../../src/nn/stochastic-mlp.ts";

const base: StochasticMlpOptions = { actionSize: 2, horizon: 4, conditionWidth: 4, hidden: [256, 256, 256], isResidual: true };

describe("stochastic MLP", () => {
  it("has the parameter counts of the published policies", () => {
    expect(createStochasticMlp(base).layout.parameterCount).toBe(134_922);
    const mixture = createStochasticMlp({ ...base, components: 5, hidden: [256, 256], isResidual: false });
    expect(mixture.layout.parameterCount).toBe(145_711);
  });

  it("keeps the bounds of the deviation beside the parameters, untrained", () => {
    const { layout } = createStochasticMlp({ ...base, stdRange: [0.01, 0.2] });
    const values = layout.initialValues(1);
    expect(values[layout.get("logvar_min").offset]).toBe(Math.fround(Math.log(0.01 ** 2)));
    expect(values[layout.get("logvar_max").offset]).toBe(Math.fround(Math.log(0.2 ** 2)));
    expect(layout.get("logvar_min")).toMatchObject({ shape: [], isTrained: false });
  });

  it("starts a learned deviation where it is told to, one for each component and action", () => {
    const { layout } = createStochasticMlp({ ...base, components: 3, std: { kind: "learned", std: 0.1 } });
    const { offset, shape } = layout.get("logvar");
    expect(shape).toEqual([6]);
    expect([...layout.initialValues(1).slice(offset, offset + 6)]).toEqual(new Array(6).fill(Math.fround(Math.log(0.1 ** 2))));
  });

  it.each<[string, Partial<StochasticMlpOptions>]>([
    ["no actions", { actionSize: 0 }],
    ["half a chunk", { horizon: 0.5 }],
    ["no observation", { conditionWidth: 0 }],
    ["no components", { components: 0 }],
    ["more components than a kernel holds", { components: 17 }],
    ["a deviation of 0", { std: { kind: "constant", std: 0 } }],
    ["a NaN deviation", { std: { kind: "learned", std: NaN } }],
    ["falling bounds", { stdRange: [0.5, 0.1] }],
    ["bounds of 0", { stdRange: [0, 1] }],
    ["an infinite bound", { stdRange: [0.1, Infinity] }],
    ["an even number of residual sizes", { hidden: [8, 8] }],
  ])("refuses %s", (_, wrong) => {
    const action = (): unknown => createStochasticMlp({ ...base, ...wrong });
    expect(action).toThrow(DifftuneError);
    expect(action).toThrow(expect.objectContaining({ code: "OPTION" }));
  });
});

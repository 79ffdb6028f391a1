import { expect, test } from "vitest";
import { adamStateLength } from "../../src/kernels/optim/adamw.js";
import { createStochasticMlp } from "../../src/nn/stochastic-mlp.js";
import { createTrained, freeTrained, recordOptimiserStep } from "../../src/nn/trained.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

test.each(engines)("weight decay on %s leaves alone what is not trained", async (engine) => {
  const device = await deviceFor(engine);
  const { layout } = createStochasticMlp({ actionSize: 2, horizon: 4, conditionWidth: 3, hidden: [8, 8], std: { kind: "learned", std: 0.1 } });
  const before = layout.initialValues(1);
  const trained = createTrained(device, layout, before, "policy");
  device.write(trained.gradients, testNumbers(layout.length, 2));
  using program = await device.program("step", (recorder) => { recordOptimiserStep(recorder, trained, { rate: 0.1, weightDecay: 0.5 }); });
  program.run();
  const after = await device.read(trained.values);
  const { liveBytes } = device.use;
  for (const { name, offset, length, isTrained } of layout.parameters) {
    const isSame = before.subarray(offset, offset + length).every((value, at) => value === after[offset + at]);
    expect(isSame, name).toBe(!isTrained);
  }
  expect(layout.parameters.filter(({ isTrained }) => !isTrained).map(({ name }) => name)).toEqual(["logvar_min", "logvar_max"]);
  freeTrained(device, trained);
  // Values, gradients and both moments of the layout, and the optimiser's few numbers.
  expect(liveBytes - device.use.liveBytes).toBe(4 * layout.length * 4 + adamStateLength * 4);
});

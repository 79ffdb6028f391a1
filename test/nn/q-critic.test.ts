import { expect, test } from "vitest";
import { affineColumns } from "../../src/kernels/nn/affine-columns.js";
import { createQCritic } from "../../src/nn/q-critic.js";
import { expectClose } from "../close.js";
import { differences } from "../reference/finite-difference.js";
import { qCritic } from "../reference/q-critic.js";
import { deviceFor, engines, testNumbers } from "../kernels/harness.js";

const [rows, conditionWidth, actionWidth] = [7, 3, 5];

test("the parameters have the names of the original's checkpoints", () => {
  const { layout } = createQCritic({ conditionWidth, actionWidth, hidden: [4] });
  expect(layout.parameters.map(({ name, shape }) => [name, shape])).toEqual(["Q1", "Q2"].flatMap((head) => [
    [`${head}.moduleList.0.linear_1.weight`, [4, 8]], [`${head}.moduleList.0.linear_1.bias`, [4]],
    [`${head}.moduleList.1.linear_1.weight`, [1, 4]], [`${head}.moduleList.1.linear_1.bias`, [1]],
  ]));
});

test("the two critics start apart", () => {
  const { layout } = createQCritic({ conditionWidth, actionWidth, hidden: [4] });
  const values = layout.initialValues(1);
  const [first, second] = ["Q1", "Q2"].map((head) => layout.get(`${head}.moduleList.0.linear_1.weight`));
  expect(values.subarray(first!.offset, first!.offset + first!.length)).not.toEqual(values.subarray(second!.offset, second!.offset + second!.length));
});

test.each(engines.flatMap((engine) => [false, true].map((useLayerNorm) => [engine, useLayerNorm] as const)))(
  "values and the gradient of the action on %s (layer norm %s) equal those of the twin, with and without parameter gradients",
  async (engine, useLayerNorm) => {
    const device = await deviceFor(engine);
    const critic = createQCritic({ conditionWidth, actionWidth, hidden: [16, 16], useLayerNorm });
    const { layout } = critic;
    const parameters = layout.initialValues(5);
    const [stateData, actionData, d1, d2] = [testNumbers(rows * conditionWidth, 1), testNumbers(rows * actionWidth, 2), testNumbers(rows, 3), testNumbers(rows, 4)];
    const named = new Map(layout.parameters.map(({ name, offset, length }) => [name, parameters.subarray(offset, offset + length)]));
    const options = { dims: [8, 16, 16, 1], activation: "mish", outputActivation: "identity", layerNorm: useLayerNorm, layerNormFinal: false, residual: false } as const;
    const twin = qCritic(named, options, stateData, actionData, actionWidth);
    const twinGradients = new Map<string, Float64Array>();
    const dAction = twin.backward(d1, d2, twinGradients);

    const given = (data: Float32Array): ReturnType<typeof device.tensor> => device.tensor([data.length], { data });
    const [values, gradients] = [given(parameters), device.tensor([layout.length])];
    const [state, action, first, second] = [given(stateData), given(actionData), given(d1), given(d2)];
    const out = device.tensor([4, rows * actionWidth]);
    using program = await device.program("critic", (recorder) => {
      const keep = (src: typeof out | undefined, slot: number): void => {
        affineColumns(recorder, { src: src!, dst: out }, { rows: 1, columns: src!.length, dstOffset: slot * rows * actionWidth });
      };
      const inputs = { state, action };
      const whole = critic.forward(recorder, values, gradients, inputs, rows);
      keep(whole.backward([first, second], { action: true }), 0);
      keep(critic.forward(recorder, values, undefined, inputs, rows).backward([first, second], { action: true }), 1);
      const [a, b] = critic.infer(recorder, values, inputs, rows);
      keep(a, 2);
      keep(b, 3);
    });
    program.run();
    const kept = await device.read(out);
    const slot = (at: number, length: number): Float32Array => kept.subarray(at * rows * actionWidth, at * rows * actionWidth + length);
    expectClose(slot(0, rows * actionWidth), dAction, { relative: 5e-6 });
    expect(slot(1, rows * actionWidth)).toEqual(slot(0, rows * actionWidth));
    expectClose(slot(2, rows), twin.first, { relative: 2e-6 });
    expectClose(slot(3, rows), twin.second, { relative: 2e-6 });
    const all = await device.read(gradients);
    for (const { name, offset, length } of layout.parameters) expectClose(all.subarray(offset, offset + length), twinGradients.get(name)!, { relative: 1e-5 }, name);
  },
);

test("the twin's gradient of the action is its difference quotient", () => {
  const critic = createQCritic({ conditionWidth, actionWidth, hidden: [16, 16] });
  const parameters = critic.layout.initialValues(5);
  const named = new Map(critic.layout.parameters.map(({ name, offset, length }) => [name, parameters.subarray(offset, offset + length)]));
  const options = { dims: [8, 16, 16, 1], activation: "mish", outputActivation: "identity", layerNorm: false, layerNormFinal: false, residual: false } as const;
  const [state, action] = [testNumbers(rows * conditionWidth, 1), Float64Array.from(testNumbers(rows * actionWidth, 2))];
  const sum = (): number => {
    const { first, second } = qCritic(named, options, state, action, actionWidth);
    return [...first, ...second].reduce((total, value) => total + value, 0);
  };
  const ones = new Float64Array(rows).fill(1);
  expectClose(qCritic(named, options, state, action, actionWidth).backward(ones, ones, new Map()), differences(sum, action), { relative: 1e-7 });
});

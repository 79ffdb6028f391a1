import { expect, test } from "vitest";
import type { Device } from "../../src/engine/device.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { copyColumns } from "../../src/kernels/nn/columns.js";
import { isBestUnpacked } from "../../src/kernels/nn/linear.js";
import { createMlp } from "../../src/nn/mlp.js";
import { ParameterLayout } from "../../src/nn/parameters.js";
import { Pass } from "../../src/nn/pass.js";
import { expectClose } from "../close.js";
import { deviceFor, engines, expectSameBits, testNumbers } from "../kernels/harness.js";
import { mlp as mlpTwin, type Gradients } from "../reference/mlp.js";

/** A residual perceptron so wide that on a CPU these rows go through its inner weights as they lie, when it is trained. */
const [rows, inFeatures, hidden, outFeatures] = [64, 7, 144, 5] as const;
const sizes = [inFeatures, hidden, hidden, hidden, outFeatures];
const layout = new ParameterLayout();
const network = createMlp(layout, "wide", { sizes, activation: "relu", isResidual: true });
const flat = layout.initialValues(1);
const x = testNumbers(rows * inFeatures, 1);
const dOutput = testNumbers(rows * outFeatures, 2);

/** The output of inference and that of training, and the gradients for `dOutput`. */
async function runNetwork(device: Device): Promise<Record<"inferred" | "output" | "dx" | "gradients", Float32Array<ArrayBuffer>>> {
  const given = {
    values: device.tensor([layout.length], { data: flat }),
    x: device.tensor([rows, inFeatures], { data: x }),
    dOutput: device.tensor([rows, outFeatures], { data: dOutput }),
  };
  const made = {
    inferred: device.tensor([rows, outFeatures]),
    output: device.tensor([rows, outFeatures]),
    dx: device.tensor([rows, inFeatures]),
    gradients: device.tensor([layout.length]),
  };
  using program = await device.program("wide", (recorder) => {
    const keep = (src: Tensor, dst: Tensor, columns: number): void => {
      copyColumns(recorder, { src, dst }, { rows, columns, srcStride: columns, srcColumn: 0, dstStride: columns, dstColumn: 0 });
    };
    keep(network.infer(new Pass(recorder, layout, given.values), given.x, rows), made.inferred, outFeatures);
    const pass = new Pass(recorder, layout, given.values, made.gradients);
    const tape = network.forward(pass, given.x, rows);
    keep(tape.output, made.output, outFeatures);
    keep(network.backward(pass, tape, given.dOutput, rows, "all")!, made.dx, inFeatures);
  });
  program.run();
  const [inferred, output, dx, gradients] = await Promise.all([made.inferred, made.output, made.dx, made.gradients].map((tensor) => device.read(tensor)));
  for (const tensor of [...Object.values(given), ...Object.values(made)]) device.free(tensor);
  return { inferred: inferred!, output: output!, dx: dx!, gradients: gradients! };
}

test.each(engines)("a wide network that few rows go through equals its float64 twin on %s", async (engine) => {
  const parameters = new Map(layout.parameters.map(({ name, offset, length }) => [name, flat.subarray(offset, offset + length)]));
  const traced = mlpTwin(parameters, "wide", {
    dims: sizes, activation: "relu", outputActivation: "identity", layerNorm: false, layerNormFinal: false, residual: true,
  })(x);
  const expected: Gradients = new Map();
  const dx = traced.backward(dOutput, expected);
  const got = await runNetwork(await deviceFor(engine));
  expectClose(got.inferred, traced.output, { absolute: 1e-6, relative: 2e-6 }, "output of inference");
  expectClose(got.output, traced.output, { absolute: 1e-6, relative: 2e-6 }, "output");
  expectClose(got.dx, dx, { absolute: 1e-6, relative: 2e-6 }, "dx");
  for (const { name, offset, length } of layout.parameters) {
    expectClose(got.gradients.subarray(offset, offset + length), expected.get(name)!, { absolute: 4e-6, relative: 4e-6 }, name);
  }
});

test("training reads a weight as it lies where inference packs it, and gives the same bits, on any thread count", async () => {
  expect(isBestUnpacked("wasm", rows, hidden, hidden)).toBe(true);
  const alone = await runNetwork(await deviceFor("wasm", 1));
  expectSameBits({ output: alone.output }, { output: alone.inferred }, "inference");
  for (const threads of [2, 4]) expectSameBits(alone, await runNetwork(await deviceFor("wasm", threads)), `${threads} threads`);
});

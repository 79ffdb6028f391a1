import { createDevice } from "../../src/engine/create-device.js";
import type { EngineName } from "../../src/engine/device.js";
import type { Launch } from "../../src/engine/program.js";
import { activation, activations, activationSpec, type Activation } from "../../src/kernels/nn/activation.js";

/** One kernel over `rows` rows on an engine of this page, and what the device says of itself. */
export async function activate(engine: EngineName, threads: number | undefined, kind: Activation, values: readonly number[], columns: number) {
  using device = await createDevice({ engine, wasm: { simd: "plain", ...(threads === undefined ? {} : { threads }) } });
  const rows = values.length / columns;
  const x = device.tensor([rows, columns], { data: values });
  const y = device.tensor([rows, columns]);
  const program = await device.program("activate", (recorder) => { activation(recorder, { x, y }, { rows, columns, kind }); });
  program.run();
  return { values: [...(await device.read(y))], threads: device.info.threads, description: device.info.description };
}

/** Which engine is taken without being asked for. */
export async function defaultEngine(): Promise<EngineName> {
  using device = await createDevice();
  return device.info.engine;
}

/**
 * Runs that are not waited for, with parameters, inputs, tensors and programs that change behind them: what a page's main
 * thread, where a run is not over when `run` returns, has to keep in order.
 */
export async function hurry(threads: number): Promise<number[][]> {
  const device = await createDevice({ engine: "wasm", wasm: { simd: "plain", threads } });
  const length = 200_000;
  const x = device.tensor([length], { data: Float32Array.from({ length }, (_, at) => (at % 7) - 3) });
  const outputs = ["relu", "mish", "tanh", "identity"].map((label) => device.tensor([length], { label }));
  const kinds = [activations.relu, activations.mish, activations.tanh, activations.identity];
  for (const [at, y] of outputs.entries()) {
    let launch: Launch<typeof activationSpec.params> | undefined;
    const program = await device.program("hurry", (recorder) => {
      launch = recorder.launch(activationSpec, { rows: length, columns: 1, kind: activations.softplus }, { x, y });
    });
    program.run();
    launch?.update({ kind: kinds[at] ?? 0 });
    program.run();
    // Half the rows now, over other inputs, and the memory is given back at once.
    device.write(x, Float32Array.from({ length }, (_, index) => (index % 5) - 2 + at));
    launch?.update({ rows: length / 2 });
    program.run();
    program.close();
    const scratch = device.tensor([length], { label: "scratch", data: new Float32Array(length).fill(99) });
    device.free(scratch);
  }
  const read = await device.readAll(outputs);
  const unfinished = await device.program("unfinished", (recorder) => { activation(recorder, { x, y: outputs[0]! }, { rows: length, columns: 1, kind: "mish" }); });
  unfinished.run();
  device.close();
  return read.map((values) => [0, 1, 2, 3, length / 2 - 1, length / 2, length - 2, length - 1].map((at) => values[at] ?? Number.NaN));
}

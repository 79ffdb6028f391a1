import { createDevice } from "../../src/engine/create-device.js";
import type { EngineName } from "../../src/engine/device.js";
import { activation, type Activation } from "../../src/kernels/nn/activation.js";

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

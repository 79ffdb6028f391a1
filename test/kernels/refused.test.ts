import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import type { Device } from "../../src/engine/device.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { caseContents, type SelfTestCase } from "../../src/kernels/self-test/case.js";
import { selfTestCases } from "../../src/kernels/self-test/cases.js";
import { deviceFor, engines } from "./harness.js";

/** One launch that must be refused: what is wrong with it, its parameters and its buffers. */
interface Refused {
  readonly what: string;
  readonly params: Readonly<Record<string, number>>;
  readonly buffers: Readonly<Record<string, Tensor | undefined>>;
}

/** The buffers of a valid launch. */
function tensorsOf(device: Device, one: SelfTestCase): Record<string, Tensor> {
  return Object.fromEntries([...caseContents(one)].map(([name, data]) =>
    [name, device.tensor([data.length], { label: name, dtype: data instanceof Uint32Array ? "u32" : "f32", data })]));
}

/** Every way in which one value of a valid launch can be wrong on its own. */
function* refusals(one: SelfTestCase, tensors: Record<string, Tensor>, freed: Tensor): Generator<Refused> {
  for (const [name, type] of Object.entries(one.kernel.params)) {
    const wrong = type === "u32" ? [Number.NaN, Infinity, -1, 0.5, 2 ** 32] : [Number.NaN, Infinity, -Infinity, 1e39];
    for (const value of wrong) {
      yield { what: `${name} = ${value}`, params: { ...one.params, [name]: value }, buffers: tensors };
    }
  }
  for (const [name, buffer] of Object.entries(one.kernel.buffers)) {
    const tensor = tensors[name];
    if (tensor === undefined) continue;
    const replaced = (other: Tensor | undefined): Record<string, Tensor | undefined> => ({ ...tensors, [name]: other });
    const length = buffer.length(one.params);
    if (length > 1) yield { what: `${name} one element short`, params: one.params, buffers: replaced(tensor.view(0, [length - 1])) };
    if (buffer.optional !== true) yield { what: `no ${name}`, params: one.params, buffers: replaced(undefined) };
    yield { what: `${name} freed`, params: one.params, buffers: replaced(freed) };
    if (buffer.access !== "read") {
      for (const [other, shared] of Object.entries(tensors)) {
        if (other !== name && shared.dtype === tensor.dtype) {
          yield { what: `${name} shares memory with ${other}`, params: one.params, buffers: { ...tensors, [other]: tensor } };
        }
      }
    }
  }
  yield { what: "a buffer that there is not", params: one.params, buffers: { ...tensors, imaginary: freed } };
}

describe.each(engines)("on %s", (engine) => {
  test("every kernel refuses every value that is wrong on its own, with a code, and allocates nothing", async () => {
    const device = await deviceFor(engine);
    let count = 0;
    for (const one of selfTestCases) {
      const tensors = tensorsOf(device, one);
      const freed = device.tensor([65536], { label: "freed" });
      device.free(freed);
      const before = { ...device.use };
      for (const { what, params, buffers } of refusals(one, tensors, freed)) {
        const attempt = device.program("refused", (recorder) => {
          recorder.launch(one.kernel, params, buffers as Readonly<Record<string, Tensor>>);
        });
        const error: unknown = await attempt.then((program) => { program.close(); return undefined; }, (cause: unknown) => cause);
        expect(error, `${one.kernel.name}: ${what}`).toBeInstanceOf(DifftuneError);
        expect(["KERNEL_LAUNCH", "SHAPE"], `${one.kernel.name}: ${what}`).toContain((error as DifftuneError).code);
        count += 1;
      }
      expect(device.use.liveBytes).toBe(before.liveBytes);
      expect(device.use.liveBuffers).toBe(before.liveBuffers);
      for (const tensor of Object.values(tensors)) device.free(tensor);
    }
    expect(count).toBeGreaterThan(2000);
  });
});

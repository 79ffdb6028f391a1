import { describe, expect, it } from "vitest";
import { DifftuneError } from "../../src/core/errors.ts";
import { readSafetensors, storeDoubles, storeFloats, writeSafetensors } from "../../src/io/safetensors.ts";
import { loadStateDict, saveStateDict } from "../../src/io/state-dict.ts";

const parameters = [
  { name: "layers.0.weight", shape: [2, 2] },
  { name: "layers.0.bias", shape: [2] },
];

function checkpoint(): Map<string, ReturnType<typeof storeFloats>> {
  return new Map([
    ["network.layers.0.weight", storeDoubles([2, 2], [0.1, 2, 3, 4])],
    ["network.layers.0.bias", storeFloats([2], [5, 6])],
    ["critic.layers.0.bias", storeFloats([1], [7])],
  ]);
}

function refusal(action: () => unknown): DifftuneError {
  try {
    action();
  } catch (error) {
    if (error instanceof DifftuneError) return error;
    throw error;
  }
  throw new RangeError("nothing was thrown");
}

describe("state dict", () => {
  it("loads parameters by name below a prefix, rounded to 32 bits", () => {
    const values = loadStateDict(checkpoint(), parameters, { prefix: "network." });
    expect([...values.keys()]).toEqual(["layers.0.weight", "layers.0.bias"]);
    expect(values.get("layers.0.weight")![0]).toBe(Math.fround(0.1));
    expect([...values.get("layers.0.bias")!]).toEqual([5, 6]);
  });

  it("lists everything that does not fit at once", () => {
    const tensors = checkpoint();
    tensors.set("network.layers.0.weight", storeFloats([4], [1, 2, 3, 4]));
    tensors.delete("network.layers.0.bias");
    tensors.set("network.layers.1.bias", storeFloats([1], [1]));
    const error = refusal(() => loadStateDict(tensors, parameters, { prefix: "network." }));
    expect(error.code).toBe("FORMAT");
    expect(error.got).toEqual({
      missing: ["layers.0.bias"],
      unexpected: ["layers.1.bias"],
      mismatched: ["layers.0.weight: expected [2, 2], got [4]"],
    });
  });

  it("leaves ignored names alone and refuses all others", () => {
    const tensors = checkpoint();
    tensors.set("network.eta.eta_logit", storeFloats([1], [1]));
    expect(refusal(() => loadStateDict(tensors, parameters, { prefix: "network." })).code).toBe("FORMAT");
    const values = loadStateDict(tensors, parameters, { prefix: "network.", ignored: ["eta.eta_logit"] });
    expect(values.size).toBe(2);
  });

  it.each([NaN, Infinity, -Infinity, 1e300])("refuses a parameter that is %d", (value) => {
    const tensors = checkpoint();
    tensors.set("network.layers.0.weight", storeDoubles([2, 2], [1, 2, value, 4]));
    const error = refusal(() => loadStateDict(tensors, parameters, { prefix: "network." }));
    expect([error.code, error.path, error.index]).toEqual(["FORMAT", "layers.0.weight", 2]);
  });

  it("comes back from a file bit for bit", () => {
    const values = new Map([
      ["layers.0.weight", Float32Array.of(1 / 3, -0, 1e-40, 3)],
      ["layers.0.bias", Float32Array.of(Math.PI, 2)],
    ]);
    const file = writeSafetensors({ tensors: saveStateDict(parameters, (name) => values.get(name)!, "ema.") });
    expect(loadStateDict(readSafetensors(file).tensors, parameters, { prefix: "ema." })).toEqual(values);
  });
});

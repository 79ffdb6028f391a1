import { expect, test } from "vitest";
import { timestepEmbeddingSpec, timestepFrequencies } from "../../src/kernels/nn/timestep-embedding.js";
import { timestepEmbedding } from "../reference/timestep-embedding.js";
import { proveAgreement } from "./agreement.js";
import { proveKernel } from "./harness.js";

const times = Uint32Array.from({ length: 257 }, (_, b) => (b * 389) % 1001);

proveKernel(timestepEmbeddingSpec, ([[1, 4], [3, 6], [31, 16], [33, 32], [65, 66], [257, 64]] as const).map(([rows, dim]) => {
  const t = times.subarray(0, rows);
  return {
    title: `${rows} of ${dim}`,
    params: { rows, dim },
    inputs: { t, frequencies: timestepFrequencies(dim) },
    expected: { out: timestepEmbedding(t, dim) },
    tolerance: { absolute: 2e-6 },
  };
}));

proveAgreement(timestepEmbeddingSpec, { absolute: 1e-6 }, 100, ([rows, half, step], seed) => ({
  params: { rows, dim: 2 * half + 2 },
  inputs: { t: Uint32Array.from({ length: rows }, (_, b) => seed + b * step), frequencies: timestepFrequencies(2 * half + 2) },
}));

test("an embedding of an odd or tiny size is refused", () => {
  for (const dim of [0, 1, 2, 5, -4, 4.5, NaN]) expect(() => timestepFrequencies(dim)).toThrow(/even number/);
});

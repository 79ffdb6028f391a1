import { zipSync } from "fflate";
import { Normaliser } from "../envs/normaliser.js";
import { storeDoubles, storeFloats, type StoredTensor } from "../io/safetensors.js";
import type { Dataset } from "./dataset.js";

/** NumPy's words for the element types that are written here. */
const descriptions: Readonly<Record<string, string>> = { F32: "<f4", F64: "<f8", I64: "<i8", BOOL: "|b1" };

/** One array as a `.npy` file, version 1.0: magic, version, length of the header, header padded to 64 bytes, elements. */
function encodeNpy({ dtype, shape, bytes }: StoredTensor): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${descriptions[dtype]}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const start = 10;
  const headerBytes = Math.ceil((start + text.length + 1) / 64) * 64 - start;
  const file = new Uint8Array(start + headerBytes + bytes.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, headerBytes & 0xff, headerBytes >> 8]);
  file.set(new TextEncoder().encode(`${text.padEnd(headerBytes - 1)}\n`), start);
  file.set(bytes, start + headerBytes);
  return file;
}

/** Zip knows no earlier day; a fixed one keeps equal content equal bytes. */
const stamp = new Date(1980, 0, 1);

function encodeNpz(arrays: Readonly<Record<string, StoredTensor>>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, tensor]) => [`${name}.npy`, encodeNpy(tensor)])), { level: 6, mtime: stamp });
}

function storeIntegers(values: readonly number[]): StoredTensor {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setBigInt64(8 * index, BigInt(value), true);
  return { dtype: "I64", shape: [values.length], bytes };
}

/**
 * A data set as the two files that DPPO trains from: `train.npz` with numbers in [-1, 1], and `normalization.npz` with the
 * extrema that they were brought there by.
 */
export function encodeForDppo(dataset: Dataset): { readonly train: Uint8Array; readonly normalization: Uint8Array } {
  const { statistics, ends, stepCount, observationSize, actionSize } = dataset;
  const normaliser = new Normaliser(statistics, "dppo");
  const states = new Float32Array(dataset.observations.length);
  const actions = new Float32Array(dataset.actions.length);
  normaliser.normaliseObservations(dataset.observations, states);
  normaliser.normaliseActions(dataset.actions, actions);
  const terminals = new Uint8Array(stepCount);
  for (const end of ends) terminals[end - 1] = 1;
  return {
    train: encodeNpz({
      states: storeFloats([stepCount, observationSize], states),
      actions: storeFloats([stepCount, actionSize], actions),
      rewards: storeFloats([stepCount], dataset.rewards),
      terminals: { dtype: "BOOL", shape: [stepCount], bytes: terminals },
      traj_lengths: storeIntegers([...ends].map((end, index) => end - (index === 0 ? 0 : ends[index - 1]!))),
    }),
    normalization: encodeNpz({
      obs_min: storeDoubles([observationSize], statistics.observations.min),
      obs_max: storeDoubles([observationSize], statistics.observations.max),
      action_min: storeDoubles([actionSize], statistics.actions.min),
      action_max: storeDoubles([actionSize], statistics.actions.max),
    }),
  };
}

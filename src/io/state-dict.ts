import { DifftuneError } from "../core/errors.js";
import { readFloats, storeFloats, type StoredTensor } from "./safetensors.js";

/** Name and shape of one parameter, in the spelling of the original checkpoints. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Options of {@link loadStateDict}. */
export interface LoadOptions {
  /**
   * Only tensors whose name starts with this text are looked at, and it is cut off: `"network."` loads
   * `network.mlp_mean.layers.0.weight` as `mlp_mean.layers.0.weight`. Default: every tensor, by its whole name.
   */
  readonly prefix?: string;
  /** Names (without the prefix) that may be present and are left alone, such as buffers of a module. Default none. */
  readonly ignored?: readonly string[];
}

/**
 * Picks the parameters of a network from the tensors of a checkpoint, by name, as 32-bit floats.
 *
 * Refuses the checkpoint as a whole, with a `FORMAT` error whose `got` lists what is `missing`, `unexpected` and
 * `mismatched`, so that a wrong network is recognised at one glance; and a parameter that is not finite, by name.
 */
export function loadStateDict(
  tensors: ReadonlyMap<string, StoredTensor>,
  parameters: readonly ParameterShape[],
  options: LoadOptions = {},
): Map<string, Float32Array> {
  const prefix = options.prefix ?? "";
  const ignored = new Set(options.ignored);
  const known = new Set(parameters.map(({ name }) => name));
  const missing: string[] = [];
  const mismatched: string[] = [];
  const found = new Map<string, StoredTensor>();
  for (const { name, shape } of parameters) {
    const tensor = tensors.get(prefix + name);
    if (tensor === undefined) missing.push(name);
    else if (!isSameShape(tensor.shape, shape)) {
      mismatched.push(`${name}: expected [${shape.join(", ")}], got [${tensor.shape.join(", ")}]`);
    } else found.set(name, tensor);
  }
  const unexpected = [...tensors.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => !known.has(name) && !ignored.has(name));
  if (missing.length + unexpected.length + mismatched.length > 0) {
    throw new DifftuneError(
      "FORMAT",
      `The parameters do not fit the network: ${missing.length} missing, ${unexpected.length} unexpected, ` +
        `${mismatched.length} of another shape (${[...missing, ...unexpected, ...mismatched].slice(0, 3).join("; ")}).`,
      {
        expected: parameters.map(({ name }) => name),
        got: { missing, unexpected, mismatched },
        hint: "Check that the network options are those the checkpoint was trained with.",
      },
    );
  }
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of found) {
    const floats = readFloats(tensor);
    const index = floats.findIndex((value) => !Number.isFinite(value));
    if (index >= 0) {
      throw new DifftuneError("FORMAT", `Element ${index} of parameter "${name}" is not a finite 32-bit float.`, {
        path: name,
        index,
        got: floats[index],
      });
    }
    values.set(name, floats);
  }
  return values;
}

/** The parameters of a network as tensors of a checkpoint; the reverse of {@link loadStateDict}. */
export function saveStateDict(
  parameters: readonly ParameterShape[],
  valuesOf: (name: string) => Float32Array,
  prefix = "",
): Map<string, StoredTensor> {
  return new Map(parameters.map(({ name, shape }) => [prefix + name, storeFloats(shape, valuesOf(name))]));
}

function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

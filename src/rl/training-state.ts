import { DifftuneError } from "../core/errors.js";
import { Policy } from "../diffusion/policy.js";
import { readFloats, readSafetensors, storeFloats, writeSafetensors, type StoredTensor } from "../io/safetensors.js";

/** The whole state of a training run between two iterations, on the host. */
export interface TrainingState {
  /** Which algorithm's. */
  readonly algorithm: string;
  /** Its resolved options as JSON; a run is resumed with the same. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the run stands: counters by name. */
  readonly counters: Readonly<Record<string, number>>;
  readonly policy: Policy;
  /** Flat numbers by name: other networks, moments, statistics. */
  readonly floats: ReadonlyMap<string, Float32Array>;
  /** The environments as they stand; undefined where they cannot be saved. */
  readonly environment: Uint8Array | undefined;
}

const formatName = "difftune-training";
const formatVersion = "1";
const environmentName = "environment";

/** The bytes of a checkpoint: one safetensors file, the policy under the names of the original's checkpoints. */
export function encodeTrainingState(state: TrainingState): Uint8Array {
  const tensors = state.policy.toTensors();
  for (const [name, values] of state.floats) tensors.set(name, storeFloats([values.length], values));
  if (state.environment !== undefined) {
    tensors.set(environmentName, { dtype: "U8", shape: [state.environment.length], bytes: state.environment });
  }
  return writeSafetensors({
    metadata: new Map([
      ["format", formatName],
      ["version", formatVersion],
      ["algorithm", state.algorithm],
      ["training", JSON.stringify(state.options)],
      ["counters", JSON.stringify(state.counters)],
      ...state.policy.describe(),
    ]),
    tensors,
  });
}

/** Reads {@link encodeTrainingState}. Whatever does not fit together is refused, by name. */
export function decodeTrainingState(file: Uint8Array): TrainingState {
  const { metadata, tensors } = readSafetensors(file);
  if (metadata.get("format") !== formatName) {
    throw new DifftuneError("FORMAT", "The file is no checkpoint of a training run.", { path: "format", got: metadata.get("format") });
  }
  if (metadata.get("version") !== formatVersion) {
    throw new DifftuneError("FORMAT", `The checkpoint has version ${metadata.get("version")}; this package reads ${formatVersion}.`, { path: "version" });
  }
  const json = (name: string): Record<string, unknown> => {
    let value: unknown;
    try {
      value = JSON.parse(metadata.get(name) ?? "");
    } catch (cause) {
      throw new DifftuneError("FORMAT", `"${name}" of the checkpoint is no JSON.`, { path: name, cause });
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new DifftuneError("FORMAT", `"${name}" of the checkpoint is no object.`, { path: name });
    }
    return value as Record<string, unknown>;
  };
  const counters = json("counters");
  for (const [name, value] of Object.entries(counters)) {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw new DifftuneError("FORMAT", `Counter "${name}" is ${String(value)}.`, { path: name, got: value });
  }
  const policy = Policy.fromTensors(metadata, tensors);
  const known = new Set(policy.toTensors().keys());
  const floats = new Map<string, Float32Array>();
  let environment: Uint8Array | undefined;
  for (const [name, tensor] of tensors) {
    if (known.has(name)) continue;
    if (name === environmentName) environment = bytesOf(tensor);
    else floats.set(name, readFloats(tensor));
  }
  return { algorithm: metadata.get("algorithm") ?? "", options: json("training"), counters: counters as Record<string, number>, policy, floats, environment };
}

function bytesOf(tensor: StoredTensor): Uint8Array {
  if (tensor.dtype !== "U8") throw new DifftuneError("FORMAT", `The environment is stored as ${tensor.dtype}.`, { path: environmentName });
  return tensor.bytes.slice();
}

/** Flat numbers of a state, of the length that they must have. */
export function floatsOf(state: TrainingState, name: string, length: number): Float32Array {
  const values = state.floats.get(name);
  if (values?.length !== length) {
    throw new DifftuneError("FORMAT", `The checkpoint has ${values === undefined ? "no" : `${values.length} numbers of`} "${name}"; ${length} are needed.`, {
      path: name, expected: length, got: values?.length,
    });
  }
  return values;
}

/**
 * Reads the state to go on from. It must be of the same algorithm, kind of policy and options; those named in `free` may
 * differ, because no number depends on them so far.
 */
export function resumeState(
  file: Uint8Array,
  algorithm: string,
  policy: Policy,
  options: Readonly<Record<string, unknown>>,
  free: readonly string[],
): TrainingState {
  const state = decodeTrainingState(file);
  if (state.algorithm !== algorithm) {
    throw new DifftuneError("OPTION", `The checkpoint is of ${state.algorithm}, not of ${algorithm}.`, { path: "resume", expected: algorithm, got: state.algorithm });
  }
  const given = JSON.parse(JSON.stringify(options)) as Record<string, unknown>;
  for (const name of new Set([...Object.keys(given), ...Object.keys(state.options)])) {
    if (free.includes(name)) continue;
    const text = (options: Readonly<Record<string, unknown>>): string => (name in options ? JSON.stringify(options[name]) : "absent");
    const [before, now] = [text(state.options), text(given)];
    if (before !== now) {
      throw new DifftuneError("OPTION", `Option "${name}" is ${now}, but the checkpoint was made with ${before}.`, {
        hint: "Resume with the options of the run, or start a new one from its policy.", path: name, expected: state.options[name], got: given[name],
      });
    }
  }
  if (JSON.stringify(state.policy.options) !== JSON.stringify(policy.options)) {
    throw new DifftuneError("OPTION", "The checkpoint is of another policy than the one given.", { hint: "Resume with the policy that the run was started with.", path: "resume" });
  }
  return state;
}

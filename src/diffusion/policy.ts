import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, parseOptions, wholeNumber } from "../core/options.js";
import type { Device } from "../engine/device.js";
import { resolveChunking, type Chunking } from "../envs/chunking.js";
import { Normaliser, type DataStatistics, type NormaliserKind } from "../envs/normaliser.js";
import { readSafetensors, writeSafetensors, type StoredTensor } from "../io/safetensors.js";
import type { Denoiser } from "../nn/denoiser.js";
import { createDiffusionMlp, diffusionMlpForm, type DiffusionMlpOptions } from "../nn/diffusion-mlp.js";
import type { ParameterLayout } from "../nn/parameters.js";
import { componentCount, createStochasticMlp, stochasticMlpForm, type StochasticMlp, type StochasticMlpOptions } from "../nn/stochastic-mlp.js";
import { createUnet, unetForm, type UnetOptions } from "../nn/unet.js";
import { createActor, type Actor, type ActorOptions } from "./acting.js";
import { DiffusionProcess, processSchema, type ProcessOptions } from "./process.js";

type TaskSize = "actionSize" | "horizon" | "conditionWidth";

/** The network of a policy, and for a denoiser the process that it belongs to. */
export type PolicyNetwork =
  | (Omit<DiffusionMlpOptions, TaskSize> & { readonly kind: "diffusion-mlp"; readonly process: ProcessOptions })
  | (Omit<UnetOptions, TaskSize> & { readonly kind: "unet"; readonly process: ProcessOptions })
  | (Omit<StochasticMlpOptions, TaskSize | "components"> & { readonly kind: "gaussian-mlp" })
  | (Omit<StochasticMlpOptions, TaskSize | "components"> & { readonly kind: "gmm-mlp"; readonly components: number });

/** Everything needed to rebuild a policy but its parameters; plain data, stored in its file. */
export interface PolicyOptions {
  /** Names of the D numbers of an observation, in order. */
  readonly observationNames: readonly string[];
  /** Names of the A numbers of an action, in order. */
  readonly actionNames: readonly string[];
  /** To, observations that the policy sees. Default 1. */
  readonly observationSteps?: number;
  /** H, actions that it predicts. */
  readonly horizon: number;
  /** Ta, actions that are executed before it predicts again. Default: all that lie ahead. */
  readonly actionSteps?: number;
  /** To which observation the first predicted action belongs, see {@link resolveChunking}. Default `newest`, as DPPO has it. */
  readonly horizonStart?: "oldest" | "newest";
  /** Extrema of the data that the policy was trained on. */
  readonly statistics: DataStatistics;
  /** How they normalise. Default `dppo`. */
  readonly normaliser?: NormaliserKind;
  readonly network: PolicyNetwork;
}

const names = v.pipe(v.array(v.string("It must be a text."), "It must be a list of names."), v.minLength(1, "It must have at least one name."));
const numbers = v.pipe(v.array(v.pipe(v.number("It must be a number."), v.finite("It must be finite."))), v.minLength(1));
const extrema = v.strictObject({ min: numbers, max: numbers });

/** The schema of {@link PolicyNetwork}. */
export const policyNetworkSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("diffusion-mlp"), process: processSchema, ...diffusionMlpForm }),
  v.strictObject({ kind: v.literal("unet"), process: processSchema, ...unetForm }),
  v.strictObject({ kind: v.literal("gaussian-mlp"), ...stochasticMlpForm }),
  v.strictObject({ kind: v.literal("gmm-mlp"), components: componentCount, ...stochasticMlpForm }),
], "It must have the kind \"diffusion-mlp\", \"unet\", \"gaussian-mlp\" or \"gmm-mlp\".");

const schema = v.strictObject({
  observationNames: names,
  actionNames: names,
  observationSteps: v.optional(wholeNumber(1, 64), 1),
  horizon: wholeNumber(1, 1024),
  actionSteps: v.optional(wholeNumber(1, 1024)),
  horizonStart: v.optional(oneOf(["oldest", "newest"]), "newest"),
  statistics: v.strictObject({ observations: extrema, actions: extrema }),
  normaliser: v.optional(oneOf(["dppo", "furniture", "diffusionPolicy"]), "dppo"),
  network: policyNetworkSchema,
} satisfies Record<keyof PolicyOptions, v.GenericSchema>);

/** {@link PolicyOptions} with every default filled in. */
export type ResolvedPolicyOptions = Readonly<v.InferOutput<typeof schema>> & { readonly actionSteps: number };

/** What a policy computes with. */
export type PolicyModel =
  | { readonly kind: "diffusion"; readonly denoiser: Denoiser; readonly process: DiffusionProcess }
  | { readonly kind: "stochastic"; readonly network: StochasticMlp };

/** The tuned copy of a denoiser: it runs the last K' steps of a chain, the base the steps before. */
export interface TunedValues {
  readonly values: Float32Array;
  /** K'. */
  readonly steps: number;
}

const formatName = "difftune-policy";
const formatVersion = "1";

/** Under which names the parameters lie in a file: as in the original's checkpoints. */
const prefixes = { diffusion: { base: "actor.", tuned: "actor_ft." }, stochastic: { base: "network.", tuned: "" } } as const;

/**
 * A policy: plain data on the host, never changed, with all that is needed to act with it. What would change it gives
 * another one.
 *
 * @example
 * const policy = Policy.decode(await readFile("policy.safetensors"));
 * using actor = await policy.on(device);
 * const actions = await actor.act(observations);
 */
export class Policy {
  readonly options: ResolvedPolicyOptions;
  readonly chunking: Chunking;
  readonly normaliser: Normaliser;
  readonly model: PolicyModel;
  /** Parameters of the network; of a diffusion policy that is being tuned, those of its frozen base. */
  readonly values: Float32Array;
  readonly tuned: TunedValues | undefined;
  /** Free text by name: where the policy comes from. */
  readonly metadata: Readonly<Record<string, string>>;

  private constructor(
    options: ResolvedPolicyOptions,
    parts: { readonly chunking: Chunking; readonly normaliser: Normaliser; readonly model: PolicyModel },
    values: Float32Array,
    tuned: TunedValues | undefined,
    metadata: Readonly<Record<string, string>>,
  ) {
    this.options = options;
    this.chunking = parts.chunking;
    this.normaliser = parts.normaliser;
    this.model = parts.model;
    this.values = values;
    this.tuned = tuned;
    this.metadata = metadata;
  }

  /** A policy with first parameters of PyTorch's distribution. */
  static create(options: PolicyOptions, seed: number): Policy {
    const { resolved, parts } = build(options);
    return new Policy(resolved, parts, layoutOf(parts.model).initialValues(seed), undefined, {});
  }

  /** Reads the file that {@link encode} writes. */
  static decode(file: Uint8Array): Policy {
    const { metadata, tensors } = readSafetensors(file);
    if (metadata.get("format") !== formatName) {
      throw new DifftuneError("FORMAT", "The file is no policy of this package.", { path: "format", got: metadata.get("format") });
    }
    if (metadata.get("version") !== formatVersion) {
      throw new DifftuneError("FORMAT", `The policy has version ${metadata.get("version")}; this package reads ${formatVersion}.`, { path: "version" });
    }
    return Policy.fromTensors(metadata, tensors);
  }

  /** @internal Reads a policy from the tensors and metadata of a larger file; its own names start with `prefix`. */
  static fromTensors(metadata: ReadonlyMap<string, string>, tensors: ReadonlyMap<string, StoredTensor>): Policy {
    const { resolved, parts } = build(jsonOf(metadata, "options") as PolicyOptions);
    const layout = layoutOf(parts.model);
    const { base, tuned } = prefixes[parts.model.kind];
    const values = layout.load(tensors, { prefix: base });
    const steps = metadata.get("tunedSteps");
    return new Policy(
      resolved,
      parts,
      values,
      steps === undefined ? undefined : { values: layout.load(tensors, { prefix: tuned }), steps: checkTunedSteps(parts.model, Number(steps)) },
      Object.freeze(jsonOf(metadata, "metadata") as Record<string, string>),
    );
  }

  /** Where each parameter lies in {@link values}. */
  get layout(): ParameterLayout {
    return layoutOf(this.model);
  }

  /** D. */
  get observationSize(): number {
    return this.options.observationNames.length;
  }

  /** A. */
  get actionSize(): number {
    return this.options.actionNames.length;
  }

  /** To·D, elements of a flattened observation stack. */
  get conditionWidth(): number {
    return this.options.observationSteps * this.observationSize;
  }

  /** H·A, elements of a predicted chunk. */
  get chunkWidth(): number {
    return this.options.horizon * this.actionSize;
  }

  /** The same policy with other base parameters, and no tuned ones. */
  withValues(values: Float32Array): Policy {
    return new Policy(this.options, this, checkLength(this.layout, values), undefined, this.metadata);
  }

  /** The same diffusion policy with tuned parameters for its last `steps` steps. */
  withTuned(values: Float32Array, steps: number): Policy {
    return new Policy(this.options, this, this.values, { values: checkLength(this.layout, values), steps: checkTunedSteps(this.model, steps) }, this.metadata);
  }

  /** The same policy with more said about it. */
  withMetadata(metadata: Readonly<Record<string, string>>): Policy {
    return new Policy(this.options, this, this.values, this.tuned, Object.freeze({ ...this.metadata, ...metadata }));
  }

  /** The same parameters under other options that fit them: another sampler, another number of executed actions. */
  withOptions(changes: Partial<PolicyOptions>): Policy {
    const { resolved, parts } = build({ ...this.options, ...changes });
    const [before, after] = [this.layout.parameters, layoutOf(parts.model).parameters];
    const isSame = before.length === after.length && before.every(({ name, length }, at) => after[at]!.name === name && after[at]!.length === length);
    if (!isSame) {
      throw new DifftuneError("OPTION", "The parameters do not fit the changed options.", { hint: "Only options that no parameter depends on can be changed." });
    }
    const steps = this.tuned === undefined ? undefined : checkTunedSteps(parts.model, this.tuned.steps);
    return new Policy(resolved, parts, this.values, steps === undefined ? undefined : this.tuned, this.metadata);
  }

  /** The same diffusion policy under another process: sampler, floors, clips. */
  withProcess(changes: Partial<ProcessOptions>): Policy {
    const { network } = this.options;
    if (!("process" in network)) throw new DifftuneError("OPTION", `A ${network.kind} has no denoising process.`, { path: "process" });
    return this.withOptions({ network: { ...network, process: { ...network.process, ...changes } } });
  }

  /** The bytes of the file; equal policies give equal bytes. */
  encode(): Uint8Array {
    return writeSafetensors({
      metadata: new Map([["format", formatName], ["version", formatVersion], ...this.describe()]),
      tensors: this.toTensors(),
    });
  }

  /** @internal The metadata of a file that holds this policy. */
  describe(): [string, string][] {
    return [
      ["options", JSON.stringify(this.options)],
      ["metadata", JSON.stringify(this.metadata)],
      ...(this.tuned === undefined ? [] : [["tunedSteps", String(this.tuned.steps)] as [string, string]]),
    ];
  }

  /** @internal The parameters as tensors of a file. */
  toTensors(): Map<string, StoredTensor> {
    const { base, tuned } = prefixes[this.model.kind];
    const tensors = this.layout.save(this.values, base);
    if (this.tuned !== undefined) for (const [name, tensor] of this.layout.save(this.tuned.values, tuned)) tensors.set(name, tensor);
    return tensors;
  }

  /** Puts the policy on a device, ready to act. */
  on(device: Device, options: ActorOptions = {}): Promise<Actor> {
    return createActor(device, this, options);
  }
}

function layoutOf(model: PolicyModel): ParameterLayout {
  return model.kind === "diffusion" ? model.denoiser.layout : model.network.layout;
}

function build(options: PolicyOptions): {
  readonly resolved: ResolvedPolicyOptions;
  readonly parts: { readonly chunking: Chunking; readonly normaliser: Normaliser; readonly model: PolicyModel };
} {
  const parsed = parseOptions(schema, options, "Policy");
  const { observationNames, actionNames, observationSteps, horizon, horizonStart, statistics } = parsed;
  const ahead = horizonStart === "oldest" ? horizon - observationSteps + 1 : horizon;
  const chunking = resolveChunking({ observationSteps, horizon, horizonStart, actionSteps: parsed.actionSteps ?? Math.max(1, ahead) });
  const normaliser = new Normaliser(statistics, parsed.normaliser);
  const sizes = { observations: observationNames.length, actions: actionNames.length };
  if (normaliser.observationSize !== sizes.observations || normaliser.actionSize !== sizes.actions) {
    throw new DifftuneError("OPTION", "The statistics do not fit the names of observations and actions.", {
      expected: sizes,
      got: { observations: normaliser.observationSize, actions: normaliser.actionSize },
      path: "statistics",
    });
  }
  const task = { actionSize: sizes.actions, horizon, conditionWidth: observationSteps * sizes.observations };
  return {
    resolved: Object.freeze({ ...parsed, actionSteps: chunking.actionSteps }),
    parts: { chunking, normaliser, model: buildModel(task, parsed.network) },
  };
}

function buildModel(task: Pick<DiffusionMlpOptions, TaskSize>, network: PolicyNetwork): PolicyModel {
  switch (network.kind) {
    case "diffusion-mlp":
      return { kind: "diffusion", denoiser: createDiffusionMlp({ ...task, ...formOf(network) }), process: new DiffusionProcess(network.process) };
    case "unet":
      return { kind: "diffusion", denoiser: createUnet({ ...task, ...formOf(network) }), process: new DiffusionProcess(network.process) };
    case "gaussian-mlp":
    case "gmm-mlp":
      return { kind: "stochastic", network: createStochasticMlp({ ...task, ...formOf(network) }) };
  }
}

/** What the builder of a network takes of it. */
function formOf<Network extends PolicyNetwork & { readonly process?: ProcessOptions }>({ kind: _kind, process: _process, ...form }: Network) {
  return form;
}

function checkLength(layout: ParameterLayout, values: Float32Array): Float32Array {
  if (values.length !== layout.length) {
    throw new DifftuneError("SHAPE", `${values.length} numbers are not the ${layout.length} parameters of the policy.`, { expected: layout.length, got: values.length });
  }
  return values;
}

function checkTunedSteps(model: PolicyModel, steps: number): number {
  if (model.kind !== "diffusion") throw new DifftuneError("OPTION", "Only a diffusion policy has tuned steps.", { path: "tunedSteps", got: steps });
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > model.process.stepCount) {
    throw new DifftuneError("OPTION", `tunedSteps is ${steps}; it must be from 1 to the ${model.process.stepCount} executed steps.`, { path: "tunedSteps", got: steps });
  }
  return steps;
}

function jsonOf(metadata: ReadonlyMap<string, string>, name: string): unknown {
  const text = metadata.get(name);
  let value: unknown;
  try {
    value = text === undefined ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new DifftuneError("FORMAT", `"${name}" of the metadata is no JSON.`, { path: name, cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DifftuneError("FORMAT", `"${name}" of the metadata is no object.`, { path: name });
  }
  return value;
}

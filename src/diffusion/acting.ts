import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { parseOptions, wholeNumber } from "../core/options.js";
import { randomStreams } from "../core/random-streams.js";
import type { Device } from "../engine/device.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { affineColumns } from "../kernels/nn/affine-columns.js";
import { gaussianSample, logStd, mixtureSample } from "../kernels/nn/stochastic-heads.js";
import { randomNormal, randomUniform } from "../kernels/rng/random.js";
import type { StochasticMlp } from "../nn/stochastic-mlp.js";
import type { Policy } from "./policy.js";
import type { ProcessTables } from "./process.js";
import { recordSampling } from "./sampling.js";

/** Furniture clamps normalised observations to this magnitude. */
const furnitureClamp = 5;
/** Deviation of Gaussian and mixture policies that act deterministically (spec 3.4). */
const deterministicStd = 1e-4;
/** A Gaussian's draws are clamped to this many deviations (spec 3.4). */
const gaussianDrawClip = 3;

/** Random numbers for one decision of E rows. */
export interface ActingNoise {
  /** [n + 1, E, width] for a diffusion policy with n executed steps, [E, width] for others. */
  readonly normals: Tensor;
  /** [E], by which a mixture picks its component; undefined for other policies. */
  readonly uniforms: Tensor | undefined;
}

/** Tensors for the noise of E rows; freed by whoever asked for them. */
export function createActingNoise(device: Device, policy: Policy, rows: number): ActingNoise {
  const { model, chunkWidth } = policy;
  const draws = model.kind === "diffusion" ? model.process.stepCount + 1 : 1;
  const isMixture = policy.options.network.kind === "gmm-mlp";
  return {
    normals: device.tensor([draws, rows, chunkWidth], { label: "acting noise" }),
    uniforms: isMixture ? device.tensor([rows], { label: "acting mode" }) : undefined,
  };
}

/** Records the draws of one decision; set `step` of every launch before a run, so that no two decisions share noise. */
export function recordActingNoise(program: ProgramRecorder, noise: ActingNoise, seed: number): Launch<{ readonly step: "u32" }>[] {
  const key = (stream: number): { seed: readonly [number, number]; stream: number; step: number } => ({ seed: [seed, 0], stream, step: 0 });
  const { normals, uniforms } = noise;
  const launches: Launch<{ readonly step: "u32" }>[] = [
    randomNormal(program, { out: normals }, { length: normals.length, ...key(randomStreams.acting) }),
  ];
  if (uniforms !== undefined) launches.push(randomUniform(program, { out: uniforms }, { length: uniforms.length, ...key(randomStreams.actingMode) }));
  return launches;
}

/** Tensors on which a policy acts. E rows in all. */
export interface ActingTensors {
  /** Base parameters; for Gaussian and mixture policies the only ones. */
  readonly values: Tensor;
  /** Tuned parameters of a diffusion policy's last K' steps. */
  readonly tuned?: Tensor | undefined;
  /** Tables of the process, of the same kind of sampling; undefined for Gaussian and mixture policies. */
  readonly tables: ProcessTables | undefined;
  readonly noise: ActingNoise;
  /** Observation stacks of the rows that act, in units of the environment [rows, To·D]. */
  readonly observations: Tensor;
  /** Receives their executed actions in units of the environment [rows, Ta·A]. */
  readonly actions: Tensor;
  /** Receives what was decided, for learning: in slot s, rows s·E to (s+1)·E. */
  readonly record?: {
    /** Normalised stacks [slots·E, To·D]. */
    readonly states: Tensor;
    /** Last K' transitions of a diffusion policy [slots·E, K' + 1, width]; the chunk [slots·E, width] of others, and where K' is 0. */
    readonly chains: Tensor;
  } | undefined;
  /** Records another choice of chunks than a sample of the policy. */
  readonly choose?: ChooseChunks | undefined;
}

/** Records what a batch decides: normalised chunks [rows, H·A] for normalised states [rows, To·D]. */
export type ChooseChunks = (
  program: ProgramRecorder,
  tensors: { readonly state: Tensor; readonly chunk: Tensor; readonly noise: ActingNoise; readonly tables: ProcessTables | undefined },
  options: Pick<ActingOptions, "rows" | "from" | "of" | "isDeterministic">,
) => void;

/** Options of {@link recordActing}. */
export interface ActingOptions {
  /** Rows that act: `rows` of the E that noise and record have, from `from` on. */
  readonly rows: number;
  readonly from: number;
  readonly of: number;
  /** K' of a diffusion policy; 0 lets the base act alone. */
  readonly tunedSteps: number;
  readonly isDeterministic: boolean;
}

/** Records the normalisation of observation stacks [rows, To·D], written from row `firstRow` on; move them with `update({ dstOffset })`. */
export function recordNormalised(
  program: ProgramRecorder,
  policy: Policy,
  buffers: { readonly src: Tensor; readonly dst: Tensor },
  options: { readonly rows: number; readonly firstRow?: number },
): Launch<{ readonly dstOffset: "u32" }> {
  const { conditionWidth, normaliser } = policy;
  const map = { ...mapOf(program, normaliser.observationMap, "observation"), limit: normaliser.kind === "furniture" ? furnitureClamp : null };
  return affineColumns(program, { ...buffers, map }, {
    rows: options.rows,
    columns: conditionWidth,
    dstOffset: (options.firstRow ?? 0) * conditionWidth,
  });
}

function mapOf(program: ProgramRecorder, { scale, offset }: { readonly scale: Float64Array; readonly offset: Float64Array }, label: string): { scale: Tensor; shift: Tensor } {
  return { scale: program.constant(scale, `${label} scale`), shift: program.constant(offset, `${label} shift`) };
}

/**
 * Records one decision of a batch: normalise, sample, restore the executed actions to units of the environment, and keep
 * what learning needs. No read-back. `moveTo` chooses the slot of the record for the runs that follow.
 */
export function recordActing(program: ProgramRecorder, policy: Policy, tensors: ActingTensors, options: ActingOptions): { readonly moveTo: (slot: number) => void } {
  const { rows, from, of, tunedSteps, isDeterministic } = options;
  const { conditionWidth, chunkWidth, actionSize, chunking, normaliser, model } = policy;
  const state = program.temporary([rows, conditionWidth], "states");
  recordNormalised(program, policy, { src: tensors.observations, dst: state }, { rows });

  const chunk = program.temporary([rows, chunkWidth], "chunks");
  let chain = chunk;
  if (tensors.choose !== undefined) {
    tensors.choose(program, { state, chunk, noise: tensors.noise, tables: tensors.tables }, { rows, from, of, isDeterministic });
  } else if (model.kind === "diffusion") {
    if (tensors.tables === undefined) throw new DifftuneError("INVARIANT", "A diffusion policy acts without tables.");
    if (tensors.record !== undefined && tunedSteps > 0) chain = program.temporary([rows, tunedSteps + 1, chunkWidth], "chains");
    recordSampling(program, model.denoiser, model.process, tensors.tables, {
      frozen: tensors.values,
      tuned: tensors.tuned,
      state,
      noise: tensors.noise.normals,
      chunk,
      chain: chain === chunk ? undefined : chain,
    }, { rows, drawn: { from, of }, tunedSteps, isDeterministic });
  } else {
    recordStochasticSample(program, model.network, tensors, { state, chunk }, options);
  }

  const executed = chunking.actionSteps * actionSize;
  affineColumns(program, { src: chunk, dst: tensors.actions, map: mapOf(program, normaliser.actionMap, "action") }, {
    rows, columns: executed, srcOffset: chunking.firstAction * actionSize, srcStride: chunkWidth,
  });
  if (tensors.record === undefined) return { moveTo: () => undefined };
  const { states, chains } = tensors.record;
  const chainWidth = chain.length / rows;
  const kept = [
    { launch: affineColumns(program, { src: state, dst: states }, { rows, columns: conditionWidth, dstOffset: from * conditionWidth }), width: conditionWidth },
    { launch: affineColumns(program, { src: chain, dst: chains }, { rows, columns: chainWidth, dstOffset: from * chainWidth }), width: chainWidth },
  ];
  return {
    moveTo: (slot) => {
      for (const { launch, width } of kept) launch.update({ dstOffset: (slot * of + from) * width });
    },
  };
}

/** A draw of a Gaussian (held within three deviations) or of a mixture (spec 3.4, 3.5). */
function recordStochasticSample(
  program: ProgramRecorder,
  network: StochasticMlp,
  { values, noise }: ActingTensors,
  tensors: { readonly state: Tensor; readonly chunk: Tensor },
  { rows, from, isDeterministic }: ActingOptions,
): void {
  const width = tensors.chunk.length / rows;
  const head = network.infer(program, values, tensors.state, rows);
  const deviations = isDeterministic ? program.temporary(head.logStd.shape, "small deviations") : head.logStd;
  if (isDeterministic) {
    const shape = { rows, modes: network.components, horizon: network.horizon, actionSize: network.actionSize };
    logStd(program, { kind: "constant", std: deterministicStd }, deviations, shape);
  }
  const z = program.temporary([rows, width], "draws");
  affineColumns(program, { src: noise.normals, dst: z }, { rows, columns: width, srcOffset: from * width });
  if (head.logits === undefined) {
    gaussianSample(program, { mean: head.mean, logStd: deviations, z, out: tensors.chunk }, { rows, width, clip: gaussianDrawClip });
    return;
  }
  if (noise.uniforms === undefined) throw new DifftuneError("INVARIANT", "A mixture acts without uniform numbers.");
  const u = program.temporary([rows], "mode draws");
  affineColumns(program, { src: noise.uniforms, dst: u }, { rows, columns: 1, srcOffset: from });
  mixtureSample(program, { logits: head.logits, mean: head.mean, logStd: deviations, u, z, out: tensors.chunk }, {
    rows, components: network.components, width,
  });
}

/** Options of {@link createActor}. */
export interface ActorOptions {
  /** E, observations decided at once. Default 1. */
  readonly count?: number;
  /** As policies are evaluated: without exploration noise (spec 1.5). Default true. */
  readonly isDeterministic?: boolean;
  /** Decides the noise. Default 0. */
  readonly seed?: number;
}

const actorSchema = v.strictObject({
  count: v.optional(wholeNumber(1, 65_536), 1),
  isDeterministic: v.optional(v.boolean("It must be true or false."), true),
  seed: v.optional(wholeNumber(0, 0xffffffff), 0),
} satisfies Record<keyof ActorOptions, v.GenericSchema>);

/** A policy on a device. One decision at a time. */
export interface Actor extends Disposable {
  /** E. */
  readonly count: number;
  /**
   * Decides for observation stacks [E, To, D] in units of the environment, oldest first; gives the actions to execute
   * [E, Ta, A], the same array every time.
   */
  act(observations: Float32Array): Promise<Float32Array>;
  /** Starts the noise anew, as if the actor had just been made. */
  restart(): void;
  /** Frees what the actor holds. Twice is once. */
  close(): void;
}

/** Puts a policy on a device; also `policy.on(device)`. */
export async function createActor(device: Device, policy: Policy, options: ActorOptions = {}): Promise<Actor> {
  const { count, isDeterministic, seed } = parseOptions(actorSchema, options, "policy.on");
  const { model, tuned, conditionWidth, actionSize, chunking } = policy;
  const executed = chunking.actionSteps * actionSize;
  const owned: Tensor[] = [];
  const keep = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
  const free = (): void => { for (const tensor of owned.splice(0)) device.free(tensor); };
  try {
    const flat = (data: Float32Array, label: string): Tensor => keep(device.tensor([data.length], { label, data }));
    const values = flat(policy.values, "policy");
    const tunedValues = tuned === undefined ? undefined : flat(tuned.values, "tuned policy");
    const tables = model.kind === "diffusion" ? model.process.tables(device, { isDeterministic }) : undefined;
    if (tables !== undefined) owned.push(tables.schedule, tables.times);
    const noise = createActingNoise(device, policy, count);
    owned.push(noise.normals, ...(noise.uniforms === undefined ? [] : [noise.uniforms]));
    const observations = keep(device.tensor([count, conditionWidth], { label: "observations" }));
    const actions = keep(device.tensor([count, executed], { label: "actions" }));
    let draws: Launch<{ readonly step: "u32" }>[] = [];
    const program = await device.program("act", (recorder) => {
      draws = recordActingNoise(recorder, noise, seed);
      recordActing(recorder, policy, { values, tuned: tunedValues, tables, noise, observations, actions }, {
        rows: count, from: 0, of: count, tunedSteps: tuned?.steps ?? 0, isDeterministic,
      });
    });
    const result = new Float32Array(count * executed);
    let step = 0;
    let isClosed = false;
    const close = (): void => {
      if (isClosed) return;
      isClosed = true;
      program.close();
      free();
    };
    return {
      count,
      act: async (given) => {
        if (isClosed) throw new DifftuneError("DEVICE_CLOSED", "The actor is closed.", { hint: "Make a new one with policy.on(device)." });
        if (given.length !== count * conditionWidth) {
          throw new DifftuneError("SHAPE", `act got ${given.length} numbers; ${count} observation stacks have ${count * conditionWidth}.`, {
            hint: `A stack is ${policy.options.observationSteps} observations of ${policy.observationSize} numbers (${policy.options.observationNames.join(", ")}), oldest first.`,
            expected: count * conditionWidth,
            got: given.length,
          });
        }
        const place = given.findIndex((value) => !Number.isFinite(value));
        if (place >= 0) {
          const name = policy.options.observationNames[place % policy.observationSize];
          throw new DifftuneError("ENVIRONMENT", `Observation "${name}" of row ${Math.floor(place / conditionWidth)} is ${given[place]}.`, { index: place, got: given[place] });
        }
        device.write(observations, given);
        for (const draw of draws) draw.update({ step });
        step += 1;
        program.run();
        result.set(await device.read(actions));
        return result;
      },
      restart: () => { step = 0; },
      close,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    free();
    throw error;
  }
}

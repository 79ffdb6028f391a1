import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { oneOf, parseOptions, positiveNumber, wholeNumber } from "../core/options.js";
import type { ProgramRecorder } from "../engine/program.js";
import { viewAlignmentBytes, type Tensor } from "../engine/tensor.js";
import { activation, activationBackward, type Activation } from "../kernels/nn/activation.js";
import { concatColumns, splitColumns } from "../kernels/nn/columns.js";
import { modulations, type Modulation } from "../kernels/nn/group-norm.js";
import { accumulate } from "../kernels/optim/ema.js";
import {
  addConvolution,
  convolvedLength,
  recordConvolution,
  recordConvolutionBackwardInput,
  recordConvolutionBackwardWeight,
  type ConvolutionLayer,
} from "./convolution.js";
import type { Denoiser, DenoiserInputs, DenoiserSteps, DenoiserTape, StepRange } from "./denoiser.js";
import { FilmEncoder, type FilmTrace } from "./film-encoder.js";
import { createMlp, type Mlp } from "./mlp.js";
import { activationName, evenSize, layerSize, layerSizes } from "./network-options.js";
import { ParameterLayout } from "./parameters.js";
import { Pass } from "./pass.js";
import { TimeEncoder } from "./time-encoder.js";
import { ConvolutionBlock, ResidualBlock, type BlockForm, type Part } from "./unet-block.js";

/** Options of {@link createUnet}. */
export interface UnetOptions {
  /** Elements of one action. */
  readonly actionSize: number;
  /**
   * Actions of a predicted chunk; a multiple of 2^(levels - 1). No parameter depends on it: values of one horizon load at
   * any other.
   */
  readonly horizon: number;
  /** Elements of the flattened observation stack. */
  readonly conditionWidth: number;
  /** Size of the time feature; even, at least 4. Default 16. */
  readonly timeSize?: number;
  /** Channels of the first level. Default 64. */
  readonly channels?: number;
  /** Channels of every level as multiples of the first's, which is 1; each level halves the positions. Default [1, 2]. */
  readonly multipliers?: readonly number[];
  /** Positions that a convolution sees; odd. Default 5. */
  readonly kernelSize?: number;
  /** Groups of channels that are normed together; null for no norm. Default 8. */
  readonly groups?: number | null;
  /** Added to the variance of a group. Default 1e-5. */
  readonly epsilon?: number;
  /** Between the layers. Default `mish`. */
  readonly activation?: Activation;
  /** How time and state change the activations: `scale` (and shift, the default) or `shift` alone. */
  readonly modulation?: Exclude<Modulation, "none">;
  /** Three layers between the condition and a block (`large`, the default) or one (`small`). */
  readonly encoder?: "large" | "small";
  /** Sizes of an encoder of the state, an even number of them; with it the blocks' encoders are small. None by default. */
  readonly conditionHidden?: readonly number[];
}

const oddKernel = "It must be an odd whole number from 1 to 255.";

/** The options of a U-Net that are not sizes of its task. */
export const unetForm = {
  timeSize: v.optional(v.pipe(evenSize, v.description("Size of the time feature; even, at least 4.")), 16),
  channels: v.optional(v.pipe(layerSize, v.description("Channels of the first level.")), 64),
  multipliers: v.optional(v.pipe(
    layerSizes(1),
    v.check(([first]) => first === 1, "It must start with 1: the last layer has the channels of the first level."),
    v.description("Channels of every level as multiples of the first's, which is 1; each level halves the positions."),
  ), [1, 2]),
  kernelSize: v.optional(v.pipe(wholeNumber(1, 255), v.check((size) => size % 2 === 1, oddKernel), v.description("Positions that a convolution sees; odd.")), 5),
  groups: v.optional(v.pipe(v.nullable(layerSize), v.description("Groups of channels that are normed together; null for no norm.")), 8),
  epsilon: v.optional(v.pipe(positiveNumber(), v.description("Added to the variance of a group.")), 1e-5),
  activation: v.optional(v.pipe(activationName, v.description("Between the layers.")), "mish"),
  modulation: v.optional(v.pipe(oneOf(["scale", "shift"]), v.description("How time and state change the activations: scale and shift, or shift alone.")), "scale"),
  encoder: v.optional(v.pipe(oneOf(["large", "small"]), v.description("Three layers between the condition and a block, or one.")), "large"),
  conditionHidden: v.optional(v.pipe(
    layerSizes(0),
    v.check(({ length }) => length % 2 === 0, "It must be an even number of sizes: the encoder is residual."),
    v.description("Sizes of an encoder of the state; empty for none."),
  ), []),
};

const schema = v.strictObject({
  actionSize: layerSize,
  horizon: layerSize,
  conditionWidth: layerSize,
  ...unetForm,
} satisfies Record<keyof UnetOptions, v.GenericSchema>);

/** Rows of conditions that are encoded together while sampling: enough for long products, few enough for a cache. */
const encodedRows = 1024;

/** A residual block and the encoder of its condition. */
interface Unit {
  readonly block: ResidualBlock;
  readonly encoder: FilmEncoder;
}

/** Two blocks, and the convolution to the next level. */
interface Level {
  readonly units: readonly [Unit, Unit];
  readonly sample: ConvolutionLayer | undefined;
}

/** The network without its conditions: a forward pass, and the way back. */
interface Trunk {
  readonly output: Tensor;
  backward(dOutput: Tensor, isInputWanted: boolean): { readonly dx: Tensor | undefined; readonly dfilms: ReadonlyMap<Unit, Tensor> };
}

/** Builds the U-Net denoiser of DPPO (spec 3.2) with the parameter names of its checkpoints. */
export function createUnet(options: UnetOptions): Unet {
  return new Unet(options);
}

/**
 * Down: two residual blocks a level, then half the positions; two in the middle; up: two on [x, skip], then twice the
 * positions; a block and a layer of single positions at the end. Every block is under the condition [time, state].
 */
export class Unet implements Denoiser {
  readonly layout = new ParameterLayout();
  readonly width: number;
  readonly conditionWidth: number;
  readonly #actionSize: number;
  readonly #horizon: number;
  readonly #timeSize: number;
  readonly #stateWidth: number;
  readonly #activation: Activation;
  readonly #hasSmallEncoders: boolean;
  readonly #time: TimeEncoder;
  readonly #condition: Mlp | undefined;
  readonly #units: Unit[] = [];
  readonly #down: readonly Level[];
  readonly #middle: readonly [Unit, Unit];
  readonly #up: readonly Level[];
  readonly #head: ConvolutionBlock;
  readonly #last: ConvolutionLayer;

  constructor(options: UnetOptions) {
    const {
      actionSize, horizon, conditionWidth, timeSize, channels, multipliers, kernelSize, groups, epsilon, encoder, conditionHidden, ...rest
    } = parseOptions(schema, options, "createUnet");
    const levels = multipliers.map((multiplier) => channels * multiplier);
    const multiple = 2 ** (levels.length - 1);
    if (horizon % multiple !== 0) {
      throw new DifftuneError("OPTION", `createUnet: horizon ${horizon} cannot be halved ${levels.length - 1} times.`, {
        hint: `It must be a multiple of ${multiple}, or there must be fewer multipliers.`,
        path: "horizon",
        got: horizon,
      });
    }
    if (groups !== null && levels.some((count) => count % groups !== 0)) {
      throw new DifftuneError("OPTION", `createUnet: groups ${groups} does not divide the channels ${levels.join(", ")}.`, {
        hint: "Take other channels, or groups null for no norm.",
        path: "groups",
        got: groups,
      });
    }
    this.width = horizon * actionSize;
    this.conditionWidth = conditionWidth;
    this.#actionSize = actionSize;
    this.#horizon = horizon;
    this.#timeSize = timeSize;
    this.#stateWidth = conditionHidden.at(-1) ?? conditionWidth;
    this.#activation = rest.activation;
    this.#hasSmallEncoders = encoder === "small" || conditionHidden.length > 0;
    const { layout } = this;
    this.#time = new TimeEncoder(layout, "time_mlp", timeSize, 4 * timeSize);
    if (conditionHidden.length > 0) {
      this.#condition = createMlp(layout, "cond_mlp", {
        sizes: [conditionWidth, ...conditionHidden], activation: rest.activation, isResidual: true,
      });
    }
    const form: BlockForm = { kernelSize, groups, epsilon, ...rest };
    const unit = (name: string, inChannels: number, outChannels: number): Unit => {
      const made = {
        block: new ResidualBlock(layout, name, inChannels, outChannels, form),
        encoder: new FilmEncoder(layout, `${name}.cond_encoder`, {
          condition: timeSize + this.#stateWidth, out: modulations[form.modulation] * outChannels,
        }, { isSmall: this.#hasSmallEncoders, activation: form.activation }),
      };
      this.#units.push(made);
      return made;
    };
    const pair = (name: string, inChannels: number, outChannels: number): readonly [Unit, Unit] =>
      [unit(`${name}.0`, inChannels, outChannels), unit(`${name}.1`, outChannels, outChannels)];
    this.#down = levels.map((count, level) => {
      const name = `down_modules.${level}`;
      const units = pair(name, levels[level - 1] ?? actionSize, count);
      if (level === levels.length - 1) return { units, sample: undefined };
      return { units, sample: addConvolution(layout, `${name}.2.conv`, { inChannels: count, outChannels: count, kernel: 3, stride: 2, padding: 1 }) };
    });
    const deepest = levels.at(-1) ?? channels;
    this.#middle = pair("mid_modules", deepest, deepest);
    this.#up = levels.slice(0, -1).reverse().map((count, at) => {
      const name = `up_modules.${at}`;
      const below = levels[levels.length - 1 - at] ?? count;
      return {
        units: pair(name, 2 * below, count),
        sample: addConvolution(layout, `${name}.2.conv`, {
          inChannels: count, outChannels: count, kernel: 4, stride: 2, padding: 1, isTransposed: true,
        }),
      };
    });
    this.#head = new ConvolutionBlock(layout, "final_conv.0", channels, channels, form);
    this.#last = addConvolution(layout, "final_conv.1", { inChannels: channels, outChannels: actionSize, kernel: 1 });
  }

  infer(program: ProgramRecorder, values: Tensor, inputs: DenoiserInputs, rows: number): Tensor {
    const pass = new Pass(program, this.layout, values);
    const state = this.#condition?.infer(pass, inputs.state, rows) ?? inputs.state;
    const time = this.#time.infer(pass, inputs, rows);
    const { condition } = this.#join(pass, time, state, rows);
    const films = new Map(this.#units.map((unit) => [unit, unit.encoder.forward(pass, condition, rows).output]));
    return this.#record(pass, inputs.x, rows, films).output;
  }

  forward(program: ProgramRecorder, values: Tensor, gradients: Tensor, inputs: DenoiserInputs, rows: number): DenoiserTape {
    const pass = new Pass(program, this.layout, values, gradients);
    const timeTape = this.#time.forward(pass, inputs, rows);
    const conditionTape = this.#condition?.forward(pass, inputs.state, rows);
    const { joined, condition } = this.#join(pass, timeTape.output, conditionTape?.output ?? inputs.state, rows);
    const traces = new Map(this.#units.map((unit): [Unit, FilmTrace] => [unit, unit.encoder.forward(pass, condition, rows)]));
    const trunk = this.#record(pass, inputs.x, rows, new Map([...traces].map(([unit, { output }]) => [unit, output])));
    return {
      output: trunk.output,
      backward: (dOutput, wanted = {}) => {
        const { dx, dfilms } = trunk.backward(dOutput, wanted.x === true);
        let d: Tensor | undefined;
        for (const [unit, trace] of traces) d = trace.backward(required(dfilms.get(unit)), d);
        const dCondition = this.#hasSmallEncoders ? this.#activationBackward(pass, joined, required(d), rows) : required(d);
        const parts = [this.#timeSize, this.#stateWidth].map((columns) => ({ tensor: pass.temporary([rows, columns], "condition gradient"), columns }));
        splitColumns(program, dCondition, parts, { rows });
        const [dTime, dFeature] = parts.map(({ tensor }) => tensor);
        this.#time.backward(pass, timeTape, required(dTime), rows);
        let dState = dFeature;
        if (this.#condition !== undefined && conditionTape !== undefined) {
          dState = this.#condition.backward(pass, conditionTape, required(dFeature), rows, wanted.state === true ? "all" : undefined);
        }
        return { dx, dState: wanted.state === true ? dState : undefined };
      },
    };
  }

  prepare(program: ProgramRecorder, values: Tensor, state: Tensor, times: Tensor, rows: number, range?: StepRange): DenoiserSteps {
    const pass = new Pass(program, this.layout, values);
    const { from, to } = range ?? { from: 0, to: times.length };
    let time = this.#time.infer(pass, { time: times }, times.length);
    let feature = this.#condition?.infer(pass, state, rows) ?? state;
    if (this.#hasSmallEncoders) {
      time = this.#activate(pass, time, times.length, this.#timeSize);
      feature = this.#activate(pass, feature, rows, this.#stateWidth);
    }
    // A block's first layer is linear in [time, state]: one sum a step and one a row. What follows is done for many steps at once.
    const splits = new Map(this.#units.map((unit) => [
      unit,
      unit.encoder.split(pass, { feature: time, rows: times.length, size: this.#timeSize }, { feature, rows }),
    ]));
    // Steps are views of what is encoded together, so they must start where views may.
    const isAligned = this.#units.every(({ encoder }) => (rows * encoder.size * 4) % viewAlignmentBytes === 0);
    const count = isAligned ? Math.max(1, Math.floor(encodedRows / rows)) : 1;
    const groups = new Map<number, ReadonlyMap<Unit, Tensor>>();
    return (x, step) => {
      const start = step - ((step - from) % count);
      let films = groups.get(start);
      if (films === undefined) {
        films = new Map([...splits].map(([unit, split]) => [
          unit,
          unit.encoder.encode(pass, split, { from: start, count: Math.min(count, to - start) }, rows),
        ]));
        groups.set(start, films);
      }
      const ofStep = new Map([...films].map(([unit, film]) => {
        const size = rows * unit.encoder.size;
        return [unit, film.view((step - start) * size, [rows, unit.encoder.size], `film of step ${step}`)];
      }));
      return this.#record(pass, x, rows, ofStep).output;
    };
  }

  /** [time, state], and what the blocks' encoders take of it. */
  #join(pass: Pass, time: Tensor, state: Tensor, rows: number): { readonly joined: Tensor; readonly condition: Tensor } {
    const size = this.#timeSize + this.#stateWidth;
    const joined = pass.temporary([rows, size], "condition");
    concatColumns(pass.program, [{ tensor: time, columns: this.#timeSize }, { tensor: state, columns: this.#stateWidth }], joined, { rows });
    return { joined, condition: this.#hasSmallEncoders ? this.#activate(pass, joined, rows, size) : joined };
  }

  #activate(pass: Pass, x: Tensor, rows: number, columns: number): Tensor {
    const y = pass.temporary([rows, columns], "condition activated");
    activation(pass.program, { x, y }, { rows, columns, kind: this.#activation });
    return y;
  }

  #activationBackward(pass: Pass, x: Tensor, dy: Tensor, rows: number): Tensor {
    const columns = this.#timeSize + this.#stateWidth;
    const dx = pass.temporary([rows, columns], "condition gradient");
    activationBackward(pass.program, { x, dy, dx }, { rows, columns, kind: this.#activation });
    return dx;
  }

  /** Records the network under the given conditions; its way back undoes the steps in reverse. */
  #record(pass: Pass, x: Tensor, rows: number, films: ReadonlyMap<Unit, Tensor>): Trunk {
    const steps: ((d: Tensor, isInputWanted: boolean) => Tensor | undefined)[] = [];
    const dfilms = new Map<Unit, Tensor>();
    const skips: { readonly part: Part; readonly level: number }[] = [];
    const dSkips = new Map<number, Tensor>();
    let length = this.#horizon;
    let h: Part = { tensor: x, channels: this.#actionSize };

    const runUnit = (unit: Unit, skip?: { readonly part: Part; readonly level: number }): void => {
      const parts = skip === undefined ? [h] : [h, skip.part];
      const trace = unit.block.forward(pass, parts, { rows, length }, required(films.get(unit)));
      steps.push((d, isInputWanted) => {
        const dfilm = pass.temporary([rows, unit.encoder.size], `${unit.block.name} condition gradient`);
        dfilms.set(unit, dfilm);
        const [dh, dSkip] = trace.backward(d, { dfilm, isInputWanted });
        if (skip !== undefined && dSkip !== undefined) dSkips.set(skip.level, dSkip);
        return dh;
      });
      h = { tensor: trace.output, channels: unit.block.outChannels };
    };
    const convolve = (layer: ConvolutionLayer, level?: number): void => {
      const sequences = { rows, length };
      const input = h.tensor;
      const y = pass.temporary([rows, convolvedLength(layer, length), layer.outChannels], `${layer.name} output`);
      recordConvolution(pass, layer, { x: input, y }, sequences);
      steps.push((dy) => {
        recordConvolutionBackwardWeight(pass, layer, { dy, x: input }, sequences);
        const dx = pass.temporary([rows, sequences.length, layer.inChannels], `${layer.name} input gradient`);
        recordConvolutionBackwardInput(pass, layer, { dy, addend: level === undefined ? undefined : dSkips.get(level), dx }, sequences);
        return dx;
      });
      h = { tensor: y, channels: layer.outChannels };
      length = convolvedLength(layer, length);
    };

    for (const [level, { units, sample }] of this.#down.entries()) {
      for (const unit of units) runUnit(unit);
      skips.push({ part: h, level });
      if (sample !== undefined) {
        convolve(sample, level);
      } else {
        steps.push((d) => {
          const dSkip = dSkips.get(level);
          if (dSkip !== undefined) accumulate(pass.program, { addend: dSkip, sum: d });
          return d;
        });
      }
    }
    for (const unit of this.#middle) runUnit(unit);
    for (const { units: [first, second], sample } of this.#up) {
      runUnit(first, skips.pop());
      runUnit(second);
      if (sample !== undefined) convolve(sample);
    }
    const extent = { rows, length };
    const head = this.#head.forward(pass, [h], extent, {});
    steps.push((d) => head.backward(d, { isInputWanted: true })[0]);
    h = { tensor: head.output, channels: this.#last.inChannels };
    convolve(this.#last);
    return {
      output: h.tensor,
      backward: (dOutput, isInputWanted) => {
        let d: Tensor | undefined = dOutput;
        for (const [at, step] of [...steps.entries()].reverse()) d = step(required(d), at > 0 || isInputWanted);
        return { dx: d, dfilms };
      },
    };
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new DifftuneError("INVARIANT", "A U-Net lost track of its blocks.");
  return value;
}

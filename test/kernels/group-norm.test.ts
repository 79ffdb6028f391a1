import { expect, test } from "vitest";
import { activations, type Activation } from "../../src/kernels/nn/activation.js";
import {
  groupNorm,
  groupNormBackward,
  groupNormBackwardSpec,
  groupNormSpec,
  modulations,
  type GroupNormOptions,
  type Modulation,
} from "../../src/kernels/nn/group-norm.js";
import type { Tensor } from "../../src/engine/tensor.js";
import { expectClose } from "../close.js";
import { activations as activationTwins } from "../reference/activations.js";
import { differences } from "../reference/finite-difference.js";
import { groupNorm as norm, groupNormBackward as normBackward } from "../reference/group-norm.js";
import { proveAgreement } from "./agreement.js";
import { deviceFor, engines, proveKernel, testNumbers } from "./harness.js";

const epsilon = Math.fround(1e-4);

/** One launch: samples, positions, channels and groups, and what stands around the norm. */
interface Form {
  readonly rows: number;
  readonly length: number;
  readonly channels: number;
  readonly groups: number | null;
  readonly activation: Activation;
  readonly modulation: Modulation;
}

const forms: readonly Form[] = [
  { rows: 1, length: 1, channels: 4, groups: 1, activation: "mish", modulation: "none" },
  { rows: 3, length: 5, channels: 1, groups: 1, activation: "identity", modulation: "shift" },
  { rows: 5, length: 4, channels: 6, groups: 2, activation: "mish", modulation: "scale" },
  { rows: 33, length: 4, channels: 64, groups: 8, activation: "mish", modulation: "scale" },
  { rows: 2, length: 16, channels: 4, groups: 4, activation: "relu", modulation: "none" },
  { rows: 7, length: 17, channels: 65, groups: 5, activation: "mish", modulation: "shift" },
  { rows: 9, length: 3, channels: 7, groups: null, activation: "relu", modulation: "shift" },
  { rows: 4, length: 8, channels: 10, groups: null, activation: "mish", modulation: "scale" },
];

/** Numbers of a launch, in either precision. */
interface Numbers<T extends ArrayLike<number>> {
  readonly x: T;
  readonly weight: T;
  readonly bias: T;
  readonly film: T;
  readonly addend: T;
  readonly dy: T;
}

function numbersOf({ rows, length, channels, modulation }: Form): Numbers<Float32Array> {
  const size = rows * length * channels;
  return {
    // Samples around different means, so that the variance would be lost if it were a difference of squares.
    x: testNumbers(size, 1).map((value, n) => value + (Math.floor(n / (length * channels)) % 5) * 2),
    weight: testNumbers(channels, 2),
    bias: testNumbers(channels, 3),
    film: testNumbers(rows * channels * modulations[modulation], 4, 2),
    addend: testNumbers(size, 5),
    dy: testNumbers(size, 6),
  };
}

/** Scale and shift of an element. */
function filmAt({ length, channels, modulation }: Form, film: ArrayLike<number>, at: number): readonly [number, number] {
  const [b, c] = [Math.floor(at / (length * channels)), at % channels];
  if (modulation === "scale") return [film[2 * b * channels + c]!, film[(2 * b + 1) * channels + c]!];
  return [1, modulation === "shift" ? film[b * channels + c]! : 0];
}

/** p of every element: the norm, or x itself. */
function normed(form: Form, given: Numbers<ArrayLike<number>>): Float64Array {
  const { rows: B, length: L, channels: C, groups: G } = form;
  return G === null ? Float64Array.from(given.x) : norm(given.x, given.weight, given.bias, epsilon, { B, L, C, G });
}

function forward(form: Form, given: Numbers<ArrayLike<number>>): Float64Array {
  return normed(form, given).map((p, at) => {
    const [scale, shift] = filmAt(form, given.film, at);
    return activationTwins[form.activation].value(p) * scale + shift;
  });
}

function backward(form: Form, given: Numbers<ArrayLike<number>>): { dx: Float64Array; dfilm: Float64Array; dnorm: Float64Array } {
  const { rows: B, length: L, channels: C, groups: G, modulation } = form;
  const { value, slope } = activationTwins[form.activation];
  const p = normed(form, given);
  const dfilm = new Float64Array(B * C * modulations[modulation]);
  const dp = p.map((at, n) => given.dy[n]! * filmAt(form, given.film, n)[0] * slope(at));
  for (const [n, at] of p.entries()) {
    const [b, c] = [Math.floor(n / (L * C)), n % C];
    if (modulation === "scale") {
      dfilm[2 * b * C + c]! += given.dy[n]! * value(at);
      dfilm[(2 * b + 1) * C + c]! += given.dy[n]!;
    } else if (modulation === "shift") {
      dfilm[b * C + c]! += given.dy[n]!;
    }
  }
  if (G === null) return { dx: dp, dfilm, dnorm: new Float64Array(0) };
  const { dx, dweight, dbias } = normBackward(dp, given.x, given.weight, epsilon, { B, L, C, G });
  const dnorm = Float64Array.from({ length: 2 * B * C }, (_, n) => {
    const [b, which, c] = [Math.floor(n / (2 * C)), Math.floor(n / C) % 2, n % C];
    return (which === 0 ? dweight : dbias)[b * C + c]!;
  });
  return { dx, dfilm, dnorm };
}

function paramsOf({ rows, length, channels, groups, activation, modulation }: Form) {
  return { rows, length, channels, groups: groups ?? 0, activation: activations[activation], modulation: modulations[modulation], epsilon };
}

function optionalInputs(form: Form, given: Numbers<Float32Array>): Record<string, Float32Array> {
  return {
    ...(form.groups === null ? {} : { weight: given.weight, bias: given.bias }),
    ...(form.modulation === "none" ? {} : { film: given.film }),
  };
}

proveKernel(groupNormSpec, forms.flatMap((form) => [0, 1].map((hasAddend) => {
  const given = numbersOf(form);
  const y = forward(form, given).map((value, at) => value + (hasAddend === 1 ? given.addend[at]! : 0));
  return {
    title: `${JSON.stringify(form)}, addend ${hasAddend}`,
    params: { ...paramsOf(form), hasAddend },
    inputs: { x: given.x, ...optionalInputs(form, given), ...(hasAddend === 1 ? { addend: given.addend } : {}) },
    expected: { y },
    tolerance: { relative: 4e-6 },
  };
})));

proveKernel(groupNormBackwardSpec, forms.map((form) => {
  const given = numbersOf(form);
  const { dx, dfilm, dnorm } = backward(form, given);
  const outputs = { ...(form.modulation === "none" ? {} : { dfilm }), ...(form.groups === null ? {} : { dnorm }) };
  const zeros = Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, new Float32Array(values.length)]));
  return {
    title: JSON.stringify(form),
    params: paramsOf(form),
    inputs: { dy: given.dy, x: given.x, ...optionalInputs(form, given), ...zeros },
    expected: { dx, ...outputs },
    tolerance: { dx: { relative: 1e-5 }, dfilm: { relative: 4e-6 }, dnorm: { relative: 1e-5 } },
  };
}));

test.each(forms.filter(({ length, channels }) => length > 1 && length * channels <= 80))("the twin's gradients are the differences of its values: %o", (form) => {
  const rows = Math.min(form.rows, 3);
  const small = { ...form, rows };
  const { x, weight, bias, film, addend, dy } = numbersOf(small);
  const given: Numbers<Float64Array> = {
    x: Float64Array.from(x), weight: Float64Array.from(weight), bias: Float64Array.from(bias),
    film: Float64Array.from(film), addend: Float64Array.from(addend), dy: Float64Array.from(dy),
  };
  // Away from the kink of relu, where differences mean nothing.
  const smooth: Form = { ...small, activation: form.activation === "relu" ? "tanh" : form.activation };
  const loss = (): number => forward(smooth, given).reduce((sum, value, n) => sum + value * given.dy[n]!, 0);
  const { dx, dfilm, dnorm } = backward(smooth, given);
  expectClose(dx, differences(loss, given.x), { relative: 1e-6, absolute: 1e-9 });
  if (form.modulation !== "none") expectClose(dfilm, differences(loss, given.film), { relative: 1e-7 });
  if (form.groups === null) return;
  const overSamples = (which: number): Float64Array => Float64Array.from({ length: form.channels }, (_, c) =>
    Array.from({ length: rows }, (_row, b) => dnorm[(2 * b + which) * form.channels + c]!).reduce((sum, value) => sum + value, 0));
  expectClose(overSamples(0), differences(loss, given.weight), { relative: 1e-7, absolute: 1e-9 });
  expectClose(overSamples(1), differences(loss, given.bias), { relative: 1e-7, absolute: 1e-9 });
});

test.each(engines)("on %s the way back is the adjoint of the way forth in everything that enters it linearly", async (engine) => {
  const device = await deviceFor(engine);
  const options: GroupNormOptions = { rows: 70, length: 4, channels: 24, groups: 4, epsilon, activation: "identity", modulation: "shift" };
  const form: Form = { ...options };
  const given = numbersOf(form);
  const on = (data: Float32Array): Tensor => device.tensor([data.length], { data });
  const tensors = { x: on(given.x), weight: on(given.weight), bias: on(given.bias), film: on(given.film), dy: on(given.dy) };
  const made = {
    y: device.tensor([given.x.length]), dx: device.tensor([given.x.length]), dfilm: device.tensor([given.film.length]),
    dweight: device.tensor([24]), dbias: device.tensor([24]),
  };
  const program = await device.program("group norm", (recorder) => {
    const { x, weight, bias, film, dy } = tensors;
    groupNorm(recorder, { x, weight, bias, film, y: made.y }, options);
    const { dx, dfilm, dweight, dbias } = made;
    groupNormBackward(recorder, { dy, x, weight, bias, film, dx, dfilm, dweight, dbias }, options);
  });
  program.run();
  const [y, dx, dfilm, dweight, dbias] = await Promise.all(Object.values(made).map((tensor) => device.read(tensor)));
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a, (value, n) => value * b[n]!).reduce((sum, value) => sum + value, 0);
  const forth = dot(given.dy, y!);
  const back = dot(dweight!, given.weight) + dot(dbias!, given.bias) + dot(dfilm!, given.film);
  expect(Math.abs(forth - back)).toBeLessThan(1e-5 * Math.abs(forth) + 1e-4);
  // y does not change when a constant is added to a group of x.
  for (let b = 0; b < options.rows; b++) {
    expect(Math.abs(dx!.subarray(b * 96, (b + 1) * 96).reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-4);
  }
  program.close();
  for (const tensor of [...Object.values<Tensor>(tensors), ...Object.values<Tensor>(made)]) device.free(tensor);
});

const modulationNames = Object.keys(modulations) as Modulation[];

function drawnForm([rows, length, width, groups]: readonly [number, number, number, number], seed: number): Form {
  return { rows, length, channels: (width + 1) * groups, groups, activation: "mish", modulation: modulationNames[seed % 3]! };
}

proveAgreement(groupNormSpec, { relative: 1e-5 }, 9, (sizes, seed) => {
  const form = drawnForm(sizes, seed);
  const given = numbersOf(form);
  return { params: { ...paramsOf(form), hasAddend: 1 }, inputs: { x: given.x, addend: given.addend, ...optionalInputs(form, given) } };
});

proveAgreement(groupNormBackwardSpec, { relative: 2e-5 }, 9, (sizes, seed) => {
  const form = drawnForm(sizes, seed);
  const given = numbersOf(form);
  const { dfilm, dnorm } = backward(form, given);
  return {
    params: paramsOf(form),
    inputs: {
      dy: given.dy, x: given.x, ...optionalInputs(form, given), dnorm: new Float32Array(dnorm.length),
      ...(form.modulation === "none" ? {} : { dfilm: new Float32Array(dfilm.length) }),
    },
  };
});

import { describe, expect, it } from "vitest";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import { activationOf, diffusionMlpOptions, unetOptions, type NetworkArguments, type UnetArguments } from "../golden-runner/networks.ts";
import { activations } from "./activations.ts";
import { diffusionMlp } from "./diffusion-mlp.ts";
import { differences } from "./finite-difference.ts";
import { layerNorm, layerNormBackward } from "./layer-norm.ts";
import { linear } from "./linear.ts";
import { meanSquaredLoss } from "./mean-squared-loss.ts";
import { mlp, type Gradients, type MlpOptions } from "./mlp.ts";
import { normals, uniforms } from "./random.ts";
import { timestepEmbedding } from "./timestep-embedding.ts";
import { unet } from "./unet.ts";

const exact = { relative: 1e-12 };

describe("activations", () => {
  const golden = GoldenFile.open("dppo/activations_posemb");
  const x = golden.values("in.x");
  const names = golden.groups().filter((name) => golden.has(`${name}.dy`));
  it("have golden values to compare with", () => expect(names.length).toBeGreaterThanOrEqual(7));
  it.each(names)("%s equals the golden value and slope", (name) => {
    const { value, slope } = activations[activationOf(name)];
    expectClose(Array.from(x, value), golden.values(`${name}.y`), exact, "value");
    expectClose(Array.from(x, slope), golden.values(`${name}.dy`), exact, "slope");
  });
  it.each(Object.keys(activations) as (keyof typeof activations)[])("%s has the slope of its value", (name) => {
    const { value, slope } = activations[name];
    for (const at of [-30, -3, -0.7, 0.2, 1, 4, 25]) {
      const h = 1e-5;
      expect(slope(at)).toBeCloseTo((value(at + h) - value(at - h)) / (2 * h), 8);
    }
  });
});

describe("timestep embedding", () => {
  const golden = GoldenFile.open("dppo/activations_posemb");
  it.each(golden.names().filter((name) => /^posemb\d+\.out$/.test(name)))("equals the golden %s", (name) => {
    const dim = golden.shape(name)[1]!;
    expectClose(timestepEmbedding(golden.values("posemb.in.t"), dim), golden.values(name), exact, name);
  });
});

describe("layer norm", () => {
  it("has the gradient of its differences", () => {
    const [B, C] = [3, 5];
    const x = normals(B * C, { counter: [1, 0, 0], key: [1, 2] });
    const weight = normals(C, { counter: [2, 0, 0], key: [1, 2] });
    const bias = normals(C, { counter: [3, 0, 0], key: [1, 2] });
    const dy = normals(B * C, { counter: [4, 0, 0], key: [1, 2] });
    const { dx, dweight, dbias } = layerNormBackward(dy, x, weight, 1e-5, B, C);
    const project = (): number => layerNorm(x, weight, bias, 1e-5, B, C).reduce((sum, y, i) => sum + y * dy[i]!, 0);
    for (const [values, gradient] of [[x, dx], [weight, dweight], [bias, dbias]] as const) {
      expectClose(gradient, differences(project, values), { relative: 1e-8 });
    }
  });
});

describe("random", () => {
  it("gives normals with the moments of a normal distribution", () => {
    const key = { counter: [7, 0, 0], key: [42, 1] } as const;
    const count = 100_000;
    const z = normals(count, key);
    const moment = (power: number): number => z.reduce((sum, value) => sum + value ** power, 0) / count;
    expect(Math.abs(moment(1))).toBeLessThan(0.015);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.02);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.15);
    expect(normals(7, key)).toEqual(z.slice(0, 7));
    expect(uniforms(5, key)).toEqual(uniforms(8, key).slice(0, 5));
  });
});

describe("mean-squared loss", () => {
  it("has the gradient of its differences", () => {
    const prediction = [1, 2, -1];
    const target = [0, 2, 3];
    const { loss, gradient } = meanSquaredLoss(prediction, target);
    expect(loss).toBeCloseTo(17 / 3, 14);
    expectClose(gradient, [2 / 3, 0, -8 / 3], exact);
  });
});

describe("linear", () => {
  it("computes a product that is known by hand", () => {
    expect([...linear([1, 2, 3, 4], [1, 0, 0, 1, 1, 1], [10, 20, 30], 2, 2, 3)]).toEqual([11, 22, 33, 13, 24, 37]);
  });
});

describe("U-Net", () => {
  const golden = GoldenFile.open("dppo/unet1d");
  const cases = golden.json("cases") as Record<string, UnetArguments>;
  it.each(Object.keys(cases))("equals the golden output and gradients of %s", (name) => {
    const group = golden.below(name);
    const parameters = group.parameters("param");
    const options = unetOptions(cases[name]!, cases[name]!.horizon_steps!);
    const traced = unet(parameters, options, group.values("in.x"), group.values("in.t"), group.values("in.state"));
    expectClose(traced.output, group.values("out.y"), exact, "output");
    const gradients: Gradients = new Map();
    const { dx, dstate } = traced.backward(group.values("in.dy"), gradients);
    expectClose(dx, group.values("grad_in.x"), exact, "gradient of x");
    expectClose(dstate, group.values("grad_in.state"), exact, "gradient of state");
    expect([...gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    const largest = Math.max(...[...gradients.values()].map((values) => Math.max(...values.map(Math.abs))));
    // The bias in front of a norm of single channels has no gradient but rounding.
    for (const [key, gradient] of gradients) expectClose(gradient, group.values(`grad.${key}`), { ...exact, absolute: 1e-14 * largest }, key);
  });
});

describe("diffusion MLP", () => {
  const golden = GoldenFile.open("dppo/diffusion_mlp");
  const cases = golden.json("cases") as Record<string, NetworkArguments>;
  it.each(Object.keys(cases))("equals the golden output and gradients of %s", (name) => {
    const group = golden.below(name);
    const parameters = group.parameters("param");
    const traced = diffusionMlp(
      parameters,
      diffusionMlpOptions(cases[name]!),
      group.values("in.x"),
      group.values("in.t"),
      group.values("in.state"),
    );
    expectClose(traced.output, group.values("out.y"), exact, "output");
    const gradients: Gradients = new Map();
    const { dx, dstate } = traced.backward(group.values("in.dy"), gradients);
    expectClose(dx, group.values("grad_in.x"), exact, "gradient of x");
    expectClose(dstate, group.values("grad_in.state"), exact, "gradient of state");
    expect([...gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    for (const [key, gradient] of gradients) expectClose(gradient, group.values(`grad.${key}`), exact, key);
  });

  it("equals the golden denoiser of the alignment set", () => {
    const net = GoldenFile.open("alignment/net");
    const options = diffusionMlpOptions({
      action_dim: Number(net.text("Da")),
      horizon_steps: Number(net.text("Ta")),
      cond_dim: Number(net.text("Do")),
      time_dim: Number(net.text("time_dim")),
      mlp_dims: [1, 2, 3].map(() => Number(net.text("hidden"))),
      residual_style: true,
    });
    const traced = diffusionMlp(net.parameters("theta"), options, net.values("x"), net.values("t"), net.values("cond"));
    expectClose(traced.output, net.values("out"), exact, "output");
    expectClose(timestepEmbedding(net.values("t"), options.timeDim), net.values("sin_emb"), exact, "embedding");
    const gradients: Gradients = new Map();
    const { dx, dstate } = traced.backward(net.values("G"), gradients);
    expectClose(dx, net.values("grad_x"), exact, "gradient of x");
    expectClose(dstate, net.values("grad_cond"), exact, "gradient of the condition");
    for (const [key, gradient] of gradients) expectClose(gradient, net.values(`grad.${key}`), exact, key);
  });
});

describe("perceptron", () => {
  const base: MlpOptions = {
    dims: [3, 4, 4, 4, 5],
    activation: "mish",
    outputActivation: "tanh",
    layerNorm: true,
    layerNormFinal: true,
    residual: true,
  };
  it.each([
    ["residual, normalised to the end", base],
    ["residual without a block", { ...base, dims: [3, 4, 5] }],
    ["plain, normalised to the end", { ...base, residual: false }],
    ["plain and leaky", { ...base, residual: false, layerNorm: false, layerNormFinal: false, activation: "leakyRelu" }],
  ] satisfies [string, MlpOptions][])("%s has the gradients of its differences", (_, options) => {
    const shapes = new Map<string, number>();
    const { dims } = options;
    const linearShape = (name: string, I: number, O: number): void => {
      shapes.set(`${name}.weight`, I * O).set(`${name}.bias`, O);
    };
    const normShape = (name: string, C: number): void => {
      shapes.set(`${name}.weight`, C).set(`${name}.bias`, C);
    };
    if (options.residual) {
      const blocks = (dims.length - 3) / 2;
      linearShape("net.layers.0", 3, 4);
      for (let b = 1; b <= blocks; b++) {
        for (const k of [1, 2]) linearShape(`net.layers.${b}.l${k}`, 4, 4);
        for (const k of [1, 2]) normShape(`net.layers.${b}.norm${k}`, 4);
      }
      linearShape(`net.layers.${blocks + 1}`, 4, 5);
      normShape(`net.layers.${blocks + 2}`, 5);
    } else {
      for (let i = 0; i + 1 < dims.length; i++) {
        linearShape(`net.moduleList.${i}.linear_1`, dims[i]!, dims[i + 1]!);
        normShape(`net.moduleList.${i}.norm_1`, dims[i + 1]!);
      }
    }
    let stream = 0;
    const random = (count: number): Float64Array => normals(count, { counter: [stream++, 0, 0], key: [9, 9] });
    const parameters = new Map([...shapes].map(([name, count]) => [name, random(count)]));
    const x = random(5 * 3);
    const dy = random(5 * 5);
    const project = (): number =>
      mlp(parameters, "net", options)(x).output.reduce((sum, y, i) => sum + y * dy[i]!, 0);
    const gradients: Gradients = new Map();
    const dx = mlp(parameters, "net", options)(x).backward(dy, gradients);
    expectClose(dx, differences(project, x), { relative: 1e-7, absolute: 1e-8 }, "input");
    expect(gradients.size).toBeGreaterThan(3);
    for (const [name, gradient] of gradients) {
      expectClose(gradient, differences(project, parameters.get(name)!), { relative: 1e-7, absolute: 1e-8 }, name);
    }
  });
});

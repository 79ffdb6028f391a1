import type { Device } from "../../../src/engine/device.ts";
import type { StoredTensor } from "../../../src/io/safetensors.ts";
import type { Denoiser } from "../../../src/nn/denoiser.ts";
import { createDiffusionMlp } from "../../../src/nn/diffusion-mlp.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { NetworkArguments, UnetArguments } from "../networks.ts";
import { denoiserOptions, unetOf } from "../package-options.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { embedTimes } from "./activations.ts";
import { tolerances, type GoldenTolerance } from "../tolerances.ts";

/** Inputs and golden results of one denoiser. */
interface DenoiserVectors {
  readonly parameters: ReadonlyMap<string, StoredTensor>;
  readonly x: Float64Array;
  readonly t: Float64Array;
  readonly state: Float64Array;
  readonly dy: Float64Array;
  readonly output: Float64Array;
  readonly dx: Float64Array;
  readonly dState: Float64Array;
  readonly gradients: ReadonlyMap<string, Float64Array>;
}

async function compareDenoiser(
  device: Device,
  denoiser: Denoiser,
  vectors: DenoiserVectors,
  comparison: GoldenComparison,
  place: string,
  limits: { readonly output: GoldenTolerance; readonly input: GoldenTolerance; readonly parameter: GoldenTolerance },
): Promise<void> {
  const { layout } = denoiser;
  const rows = vectors.t.length;
  await Session.with(device, async (session) => {
    const values = session.floats(layout.load(vectors.parameters), "parameters");
    const gradients = session.zeros(layout.length, "gradients");
    const inputs = { x: session.floats(vectors.x, "x"), time: session.words(vectors.t), state: session.floats(vectors.state, "state") };
    const dy = session.floats(vectors.dy, "dy");
    const kept = await session.run((program) => {
      const inferred = session.keep(program, denoiser.infer(program, values, inputs, rows));
      const tape = denoiser.forward(program, values, gradients, inputs, rows);
      const output = session.keep(program, tape.output);
      const { dx, dState } = tape.backward(dy, { x: true, state: true });
      return { inferred, output, dx: session.keep(program, dx!), dState: session.keep(program, dState!) };
    });
    comparison.add("output", await session.read(kept.output), vectors.output, limits.output, place);
    comparison.add("inferred output", await session.read(kept.inferred), vectors.output, limits.output, place);
    comparison.add("input gradient", await session.read(kept.dx), vectors.dx, limits.input, `${place} x`);
    comparison.add("input gradient", await session.read(kept.dState), vectors.dState, limits.input, `${place} state`);
    const got = await session.readByName(layout, gradients);
    comparison.addGradients("parameter gradient", got, vectors.gradients, limits.parameter, place);
  });
}

/** Inputs and golden results of one case. */
function vectorsOf(group: GoldenFile): DenoiserVectors {
  return {
    parameters: group.tensors("param"),
    x: group.values("in.x"),
    t: group.values("in.t"),
    state: group.values("in.state"),
    dy: group.values("in.dy"),
    output: group.values("out.y"),
    dx: group.values("grad_in.x"),
    dState: group.values("grad_in.state"),
    gradients: group.parameters("grad"),
  };
}

/** `diffusion_mlp`: forward, inference and backward of every case. */
export const readDiffusionMlp: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, NetworkArguments>;
  for (const [name, args] of Object.entries(cases)) {
    await compareDenoiser(device, createDiffusionMlp(denoiserOptions(args)), vectorsOf(golden.below(name)), comparison, name, {
      output: tolerances.dppo.networkOutput,
      input: tolerances.dppo.networkInputGradient,
      parameter: tolerances.dppo.networkParameterGradient,
    });
  }
};

/** `unet1d`: the same of the U-Net. */
export const readUnet: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, UnetArguments>;
  for (const [name, args] of Object.entries(cases)) {
    const group = golden.below(name);
    const denoiser = unetOf(args, args.horizon_steps ?? group.shape("in.x")[1]!);
    await compareDenoiser(device, denoiser, vectorsOf(group), comparison, name, {
      output: tolerances.dppo.unetOutput,
      input: tolerances.dppo.unetInputGradient,
      parameter: tolerances.dppo.unetParameterGradient,
    });
  }
};

/** `net`: the denoiser that all alignment files use; sizes are in the metadata. */
export const readAlignmentNet: Reader = async (golden, device, comparison) => {
  const size = (name: string): number => Number(golden.text(name));
  const hidden = size("hidden");
  const options = denoiserOptions({
    action_dim: size("Da"), horizon_steps: size("Ta"), cond_dim: size("Do"), time_dim: size("time_dim"),
    mlp_dims: [hidden, hidden, hidden], activation_type: "Mish", residual_style: true,
  });
  const vectors = {
    parameters: golden.tensors("theta"),
    x: golden.values("x"),
    t: golden.values("t"),
    state: golden.values("cond"),
    dy: golden.values("G"),
    output: golden.values("out"),
    dx: golden.values("grad_x"),
    dState: golden.values("grad_cond"),
    gradients: golden.parameters("grad"),
  };
  const { forward, gradient } = tolerances.alignment;
  await compareDenoiser(device, createDiffusionMlp(options), vectors, comparison, "denoiser", { output: forward, input: gradient, parameter: gradient });
  await Session.with(device, async (session) => {
    const got = await embedTimes(session, vectors.t, size("time_dim"));
    comparison.add("time features", got, golden.values("sin_emb"), forward, "sin_emb");
  });
};

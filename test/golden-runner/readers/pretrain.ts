import type { Device } from "../../../src/engine/device.ts";
import { recordCloningStep } from "../../../src/diffusion/cloner.ts";
import { DiffusionProcess } from "../../../src/diffusion/process.ts";
import { ema } from "../../../src/kernels/optim/ema.ts";
import type { Denoiser } from "../../../src/nn/denoiser.ts";
import { createTrained, type OptimiserOptions } from "../../../src/nn/trained.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import { denoiserOf } from "../package-options.ts";
import type { PretrainCase } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { afterAdam, tolerances } from "../tolerances.ts";

/** `pretrain`: supervised steps of every case by the recorded step of the package's own loop, run once a step. */
export const readPretraining: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, PretrainCase>;
  for (const [name, settings] of Object.entries(cases)) {
    const group = golden.below(name);
    const denoiser = denoiserOf(settings, group.shape("step0.x0")[1]!);
    if (denoiser !== undefined) await comparePretraining(group, denoiser, settings, device, comparison, name);
    else comparison.unread(name, `the package has no network ${settings.network}`);
  }
};

async function comparePretraining(
  group: GoldenFile,
  denoiser: Denoiser,
  settings: PretrainCase,
  device: Device,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const { layout } = denoiser;
  const process = new DiffusionProcess({
    denoisingSteps: settings.denoising_steps,
    predictsNoise: settings.predict_epsilon,
  });
  const [rows] = group.shape("step0.x0") as [number];
  await Session.with(device, async (session) => {
    const initial = layout.load(group.tensors("init"));
    const trained = createTrained(device, layout, initial, "policy");
    for (const tensor of [trained.values, trained.gradients, trained.firstMoments, trained.secondMoments, trained.optimiserState]) session.own(tensor);
    const { values, gradients } = trained;
    const average = session.floats(initial, "average");
    const inputs = {
      chunks: session.zeros(rows * denoiser.width, "chunks"),
      state: session.zeros(rows * denoiser.conditionWidth, "state"),
      time: session.words(new Float64Array(rows), "time"),
      noise: session.zeros(rows * denoiser.width, "noise"),
    };
    const noised = session.zeros(rows * denoiser.width, "noised");
    const loss = session.zeros(1, "loss");
    const noisingTable = session.own(process.noisingTable(device));
    const program = await session.record((recorder) => {
      const { time, noise, ...batch } = inputs;
      const drawn = { time, noise, noisingTable, noised };
      recordCloningStep(recorder, { kind: "diffusion", denoiser, process }, trained, { ...batch, drawn, loss }, { rows, ...optimiserOptions(settings.opt) });
      ema(recorder, { parameters: values, average }, { decay: settings.ema_decay });
    });
    let stepCount = 0;
    let isSettled = (_name: string, _element: number): boolean => true;
    for (; group.has(`step${stepCount}.x0`); stepCount++) {
      const step = group.below(`step${stepCount}`);
      session.write(inputs.chunks, step.values("x0"));
      session.write(inputs.state, step.values("state"));
      session.write(inputs.time, step.values("t"));
      session.write(inputs.noise, step.values("noise"));
      program.run();
      const at = `${place}, step ${stepCount}`;
      comparison.add("noised chunks", await session.read(noised), step.values("x_noisy"), tolerances.dppo.forward, at);
      comparison.add("loss", await session.read(loss), step.values("loss"), tolerances.dppo.forward, at);
      if (stepCount > 0) continue;
      const expected = step.parameters("grad");
      const got = await session.readByName(layout, gradients);
      const { networkParameterGradient, unetParameterGradient } = tolerances.dppo;
      const limit = settings.network === "Unet1D" ? unetParameterGradient : networkParameterGradient;
      comparison.addGradients("parameter gradient", got, expected, limit, at);
      isSettled = settledElements(expected);
    }
    for (const [quantity, tensor, key] of [["parameters after the steps", values, `after${stepCount}`], ["average after the steps", average, `ema${stepCount}`]] as const) {
      const got = await session.readByName(layout, tensor);
      for (const [name, expected] of group.parameters(key)) {
        const keep = (_: number, element: number): boolean => isSettled(name, element);
        comparison.add(quantity, got.get(name)!.filter(keep), expected.filter(keep), afterAdam(settings.opt.lr), `${place} ${name}`);
      }
    }
  });
}

function optimiserOptions({ kind, lr, betas, eps, weight_decay }: PretrainCase["opt"]): OptimiserOptions {
  return { rate: lr, betas, epsilon: eps, weightDecay: weight_decay, isDecoupled: kind === "AdamW" };
}

const smallestShare = 1e-5;

/**
 * The first Adam step is nearly sign(g) · rate: where |g| is next to nothing beside its tensor's largest, 32 bits may have
 * the other sign. Such elements are left out.
 */
export function settledElements(gradients: ReadonlyMap<string, ArrayLike<number>>): (name: string, element: number) => boolean {
  const floors = new Map(
    [...gradients].map(([name, values]) => [name, smallestShare * Array.from(values).reduce((most, g) => Math.max(most, Math.abs(g)), 0)]),
  );
  return (name, element) => {
    const gradient = gradients.get(name);
    return gradient === undefined || Math.abs(gradient[element]!) > floors.get(name)!;
  };
}

import { DiffusionProcess } from "../../../src/diffusion/process.ts";
import type { Device } from "../../../src/engine/device.ts";
import { denoiseMean, denoiseMeanBackward } from "../../../src/kernels/diffusion/denoise.ts";
import { gaussianKl, gaussianKlBackwardAdd } from "../../../src/kernels/diffusion/gaussian-kl.ts";
import { diagonalGaussianKl } from "../../../src/kernels/nn/diagonal-gaussian-kl.ts";
import { samplerNamed } from "../../reference/fdpp.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `kl_step`: `<sampler>.<noclip|clip<c>>.*` [step, batch, X] in the order of execution, and `general.*`. */
export const readKl: Reader = async (golden, device, comparison) => {
  const floor = Number(golden.text("sigma_floor"));
  const cases = golden.names().flatMap((name) => /^(.+)\.x_k$/.exec(name)?.[1] ?? []);
  for (const name of cases) {
    await Session.with(device, (session) => compareSteps(session, device, golden.below(name), name, floor, comparison));
  }
  if (golden.has("general.kl_pq")) {
    await Session.with(device, (session) => compareGeneral(session, golden.below("general"), comparison));
  }
};

async function compareSteps(
  session: Session,
  device: Device,
  group: GoldenFile,
  name: string,
  stdFloor: number,
  comparison: GoldenComparison,
): Promise<void> {
  const { K, sampler } = samplerNamed(name);
  const clip = /\.clip(.+)$/.exec(name)?.[1];
  const x0Clip = clip === undefined ? null : Number(clip);
  const process = new DiffusionProcess({ denoisingSteps: K, sampler, x0Clip });
  const { schedule } = session.ownTables(process.tables(device));
  const [steps, B, width] = group.shape("x_k") as [number, number, number];
  const rows = steps * B;
  const step = session.words(Array.from({ length: rows }, (_, r) => Math.floor(r / B)), "step");
  const x = session.floats(group.values("x_k"), "x");
  const network = session.floats(group.values("eps"), "noise");
  const frozen = session.floats(group.values("eps_pre"), "frozen noise");
  const [mean, reference] = [session.zeros(rows * width, "mean"), session.zeros(rows * width, "frozen mean")];
  const kl = session.zeros(rows, "kl");
  const [dmean, gradient] = [session.zeros(rows * width, "mean gradient"), session.zeros(rows * width, "gradient")];
  const clips = { x0Clip, epsClip: null, predictEpsilon: true };
  await session.run((program) => {
    denoiseMean(program, { x, network, step, schedule, mean }, { rows, width, ...clips });
    denoiseMean(program, { x, network: frozen, step, schedule, mean: reference }, { rows, width, ...clips });
    const options = { rows, width, deviation: { schedule, step }, floor: stdFloor };
    gaussianKl(program, { mean, reference, kl }, options);
    gaussianKlBackwardAdd(program, { mean, reference, dmean }, { ...options, scale: 1 });
    denoiseMeanBackward(program, { dmean, x, network, step, schedule, dnetwork: gradient }, { rows, width, ...clips });
  });
  const { forward, gradient: gradientLimit } = tolerances.alignment;
  comparison.add("mean", await session.read(mean), group.values("mu"), forward, name);
  comparison.add("mean", await session.read(reference), group.values("mu_pre"), forward, `${name} frozen`);
  comparison.add("divergence", await session.read(kl), group.values("kl"), tolerances.alignment.divergence, name);
  comparison.add("gradient", await session.read(gradient), group.values("grad_eps_sum_kl"), gradientLimit, name);
  const floored = process.steps.map(({ std }) => Math.max(std, stdFloor));
  comparison.add("floored deviation", floored, group.values("sigma_floored"), forward, name);
  if (group.has("c_dmu_deps")) {
    const slopes = process.steps.map((one) => one.meanFromNoise - one.meanFromX0 * one.x0FromNoise);
    comparison.add("slope of the mean", slopes, group.values("c_dmu_deps"), forward, name);
  }
}

async function compareGeneral(session: Session, group: GoldenFile, comparison: GoldenComparison): Promise<void> {
  const [rows, width] = group.shape("mu_p") as [number, number];
  const kl = session.zeros(rows, "kl");
  const inputs = {
    mean: session.floats(group.values("mu_p")),
    logStd: session.floats(group.values("logstd_p")),
    reference: session.floats(group.values("mu_q")),
    referenceLogStd: session.floats(group.values("logstd_q")),
  };
  await session.run((program) => {
    diagonalGaussianKl(program, { ...inputs, kl }, { rows, width });
  });
  comparison.add("divergence of unequal deviations", await session.read(kl), group.values("kl_pq"), tolerances.alignment.divergence, "general");
}

import type { Device } from "../../../src/engine/device.ts";
import { forwardLikelihood, inferLikelihood, type Transitions } from "../../../src/diffusion/likelihood.ts";
import { recordSampling } from "../../../src/diffusion/sampling.ts";
import type { Denoiser } from "../../../src/nn/denoiser.ts";
import { clampLogProb } from "../../reference/ppo-loss.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import { denoiserOf, processOf } from "../package-options.ts";
import type { SamplingCase } from "../policies.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

/** `sampling_logprob`: chains of every case from given noise, likelihoods of the golden chains under both networks. */
export const readSampling: Reader = async (golden, device, comparison) => {
  const cases = golden.json("cases") as Record<string, SamplingCase>;
  for (const [name, one] of Object.entries(cases)) {
    const group = golden.below(name);
    const denoiser = denoiserOf(one, group.shape("in.noise")[2]!);
    if (denoiser === undefined) {
      comparison.unread(name, `the package has no network ${one.network}`);
      continue;
    }
    await compareChains(group, denoiser, one, device, comparison, name);
    if (golden.has(`${name}.out.logprobs`)) await compareLikelihoods(group, denoiser, one, device, comparison, name);
  }
};

async function compareChains(
  group: GoldenFile,
  denoiser: Denoiser,
  one: SamplingCase,
  device: Device,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const process = processOf(one.model_kwargs, one.eta ?? 1);
  // A supervised policy has one network, draws deterministically and keeps no chain.
  const { deterministic = false, use_base_policy = false } = one.call ?? { deterministic: true, use_base_policy: true };
  const isSupervised = one.call === undefined;
  const tunedSteps = isSupervised ? 0 : one.model_kwargs.ft_denoising_steps!;
  const [, rows] = group.shape("in.noise") as [number, number];
  await Session.with(device, async (session) => {
    const load = (name: string) => session.floats(denoiser.layout.load(group.tensors(name)), name);
    const frozen = load(isSupervised ? "network" : "actor");
    const tuned = use_base_policy ? frozen : load("actor_ft");
    const tables = session.ownTables(process.tables(device, { isDeterministic: deterministic }));
    const chunk = session.zeros(rows * denoiser.width, "chunk");
    const chain = tunedSteps > 0 ? session.zeros(rows * (tunedSteps + 1) * denoiser.width, "chain") : undefined;
    const state = session.floats(group.values("in.state"), "state");
    const noise = session.floats(group.values("in.noise"), "noise");
    await session.run((program) => {
      recordSampling(program, denoiser, process, tables, { frozen, tuned, state, noise, chunk, chain }, {
        rows, tunedSteps, isDeterministic: deterministic,
      });
    });
    const limit = tolerances.dppo.chain;
    comparison.add("actions", await session.read(chunk), group.values("out.trajectories"), limit, place);
    if (chain !== undefined) comparison.add("chains", await session.read(chain), group.values("out.chains"), limit, place);
  });
}

async function compareLikelihoods(
  group: GoldenFile,
  denoiser: Denoiser,
  one: SamplingCase,
  device: Device,
  comparison: GoldenComparison,
  place: string,
): Promise<void> {
  const process = processOf(one.model_kwargs, one.eta ?? 1);
  const tunedSteps = one.model_kwargs.ft_denoising_steps!;
  await Session.with(device, async (session) => {
    const tables = session.ownTables(process.tables(device));
    const { transitions, rows } = chainTransitions(session, process.stepCount, tunedSteps, denoiser.width, {
      chain: group.values("out.chains"),
      state: group.values("in.state"),
    });
    for (const [network, expected] of [["actor_ft", "out.logprobs"], ["actor", "out.logprobs_base"]] as const) {
      const values = session.floats(denoiser.layout.load(group.tensors(network)), network);
      const gradients = session.zeros(denoiser.layout.length, "gradients");
      const kept = await session.run((program) => {
        const inferred = inferLikelihood(program, denoiser, process, tables, values, transitions, rows);
        const kept = session.keep(program, inferred.logProb);
        const tape = forwardLikelihood(program, denoiser, process, tables, values, gradients, transitions, rows);
        return { inferred: kept, forward: session.keep(program, tape.logProb) };
      });
      for (const tensor of [kept.inferred, kept.forward]) {
        // Judged where the update looks: inside the clamp. Far out in the tails a log-density is a large square.
        const got = (await session.read(tensor)).map(clampLogProb);
        comparison.add("log-probabilities", got, group.values(expected).map(clampLogProb), tolerances.dppo.logProb, place);
      }
    }
  });
}

/** All transitions of chains [B, K' + 1, width] as rows, batch-major, noisiest first. */
export function chainTransitions(
  session: Session,
  stepCount: number,
  tunedSteps: number,
  width: number,
  given: { readonly chain: Float64Array; readonly state: Float64Array },
): { transitions: Transitions; rows: number } {
  const samples = given.chain.length / (width * (tunedSteps + 1));
  const conditionWidth = given.state.length / samples;
  const rows = samples * tunedSteps;
  const element = (r: number, c: number, offset: number): number =>
    given.chain[(Math.floor(r / tunedSteps) * (tunedSteps + 1) + (r % tunedSteps) + offset) * width + c]!;
  const fill = (offset: number): Float64Array =>
    Float64Array.from({ length: rows * width }, (_, i) => element(Math.floor(i / width), i % width, offset));
  const state = Float64Array.from(
    { length: rows * conditionWidth },
    (_, i) => given.state[Math.floor(Math.floor(i / conditionWidth) / tunedSteps) * conditionWidth + (i % conditionWidth)]!,
  );
  const j = Array.from({ length: rows }, (_, r) => r % tunedSteps);
  return { transitions: rowTransitions(session, stepCount, tunedSteps, { state, from: fill(0), to: fill(1), j }), rows };
}

/** Given transitions as rows; `j` counts the tuned steps from the noisiest. */
export function rowTransitions(
  session: Session,
  stepCount: number,
  tunedSteps: number,
  given: { readonly state: Float64Array; readonly from: Float64Array; readonly to: Float64Array; readonly j: ArrayLike<number> },
): Transitions {
  const executed = Array.from(given.j, (j) => stepCount - tunedSteps + j);
  return {
    state: session.floats(given.state, "state"),
    from: session.floats(given.from, "from"),
    to: session.floats(given.to, "to"),
    step: session.words(executed, "step"),
  };
}

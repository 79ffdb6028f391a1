import type { Device } from "../../../src/engine/device.ts";
import type { StoredTensor } from "../../../src/io/safetensors.ts";
import { activationBackward } from "../../../src/kernels/nn/activation.ts";
import { copyColumns } from "../../../src/kernels/nn/columns.ts";
import { bradleyTerry, preferenceStatistics, type TieRule } from "../../../src/kernels/rl/bradley-terry.ts";
import { sumSegments, sumSegmentsBackward } from "../../../src/kernels/rl/sum-segments.ts";
import { createMlp } from "../../../src/nn/mlp.ts";
import { ParameterLayout } from "../../../src/nn/parameters.ts";
import { Pass } from "../../../src/nn/pass.ts";
import { binaryEntropy } from "../../reference/bradley-terry.ts";
import type { GoldenComparison } from "../comparison.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { Reader } from "../reader.ts";
import { Session } from "../session.ts";
import { tolerances } from "../tolerances.ts";

const { loss: lossLimit, gradient: gradientLimit, forward: forwardLimit } = tolerances.alignment;

/** `bt_scalar`: `<mode>.loss, grad_r0, grad_r1` on given scores; modes `drop`, `half`, each with `_smooth<s>`, and `davidson`. */
export const readPreferences: Reader = async (golden, device, comparison) => {
  const pairs = golden.shape("y")[0]!;
  const modes = golden.names().flatMap((name) => /^(.+)\.loss$/.exec(name)?.[1] ?? []);
  for (const mode of modes) {
    const [, kind, smoothing = "0"] = /^([a-z]+)(?:_smooth(.+))?$/.exec(mode) ?? [];
    if (kind === undefined || !isTieRule(kind)) {
      comparison.unread(mode, "the package has no such rule for ties");
      continue;
    }
    await Session.with(device, async (session) => {
      const statistics = session.zeros(preferenceStatistics.length, "statistics");
      const [dr0, dr1] = [session.zeros(pairs, "dr0"), session.zeros(pairs, "dr1")];
      const nu = kind === "davidson" ? { logNu: session.floats(golden.values("davidson.log_nu")), dlogNu: session.zeros(1, "dlogNu") } : {};
      const buffers = {
        r0: session.floats(golden.values("r0"), "r0"),
        r1: session.floats(golden.values("r1"), "r1"),
        labels: session.floats(golden.values("y"), "labels"),
        dr0, dr1, statistics, ...nu,
      };
      await session.run((program) => {
        bradleyTerry(program, buffers, { members: 1, pairs, ties: kind, smoothing: Number(smoothing), sharedLabels: true });
      });
      const [loss, accuracy] = await session.read(statistics);
      comparison.add("loss", [loss!], golden.values(`${mode}.loss`), lossLimit, mode);
      comparison.add("accuracy", [accuracy!], golden.values("accuracy_nontie"), forwardLimit, mode);
      comparison.add("gradient", await session.read(dr0), golden.values(`${mode}.grad_r0`), gradientLimit, `${mode} r0`);
      comparison.add("gradient", await session.read(dr1), golden.values(`${mode}.grad_r1`), gradientLimit, `${mode} r1`);
      if (nu.dlogNu !== undefined) {
        comparison.add("gradient", await session.read(nu.dlogNu), golden.values("davidson.grad_log_nu"), gradientLimit, `${mode} ln nu`);
      }
    });
  }
  const differences = golden.values("r1").map((value, i) => value - golden.values("r0")[i]!);
  comparison.add("probability", await probabilities(device, differences), golden.values("p_1_over_0"), forwardLimit, "p_1_over_0");
};

function isTieRule(name: string): name is TieRule {
  return name === "drop" || name === "half" || name === "davidson";
}

/** sigmoid(d), which is the slope of softplus. */
async function probabilities(device: Device, differences: ArrayLike<number>): Promise<Float32Array> {
  const results: Float32Array[] = [];
  await Session.with(device, async (session) => {
    const columns = differences.length;
    const x = session.floats(differences, "score differences");
    const dy = session.floats(Array.from(differences, () => 1), "ones");
    const dx = session.zeros(columns, "probabilities");
    await session.run((program) => {
      activationBackward(program, { x, dy, dx }, { rows: 1, columns, kind: "softplus" });
    });
    results.push(await session.read(dx));
  });
  return results[0]!;
}

/**
 * `bt_ensemble`: reward networks `member<m>.<layer>.*` (leaky ReLU, tanh at the end) on segments `s0`, `s1` [pairs, H, D],
 * mode `half`; scores, losses, gradients, and what an annotation query is chosen by.
 */
export const readEnsemble: Reader = async (golden, device, comparison) => {
  const members = golden.groups().filter((name) => /^member\d+$/.test(name));
  const [pairs, horizon] = golden.shape("s0") as [number, number, number];
  const scores: Float64Array[] = [];
  const stateRewards = new Float64Array(pairs * horizon);
  for (const [m, member] of members.entries()) {
    await Session.with(device, async (session) => {
      const { score, rewards } = await compareMember(session, golden, member, m, comparison);
      scores.push(Float64Array.from({ length: pairs }, (_, i) => score[pairs + i]! - score[i]!));
      for (let i = 0; i < stateRewards.length; i++) stateRewards[i]! += rewards[i]! / members.length;
    });
  }
  const p = await Promise.all(scores.map((differences) => probabilities(device, differences)));
  comparison.add("probability", p.flatMap((member) => [...member]), golden.values("prob_1_over_0"), forwardLimit, "all members");
  comparison.add("state reward", stateRewards, golden.values("state_reward_s0"), forwardLimit, "first segments");
  const mean = (f: (member: Float32Array) => number): number => p.reduce((sum, member) => sum + f(member), 0) / p.length;
  const perPair = (f: (i: number) => number): number[] => Array.from({ length: pairs }, (_, i) => f(i));
  const meanOf = (i: number): number => mean((member) => member[i]!);
  const deviations = perPair((i) => Math.sqrt(mean((member) => (member[i]! - meanOf(i)) ** 2)));
  comparison.add("disagreement", deviations, golden.values("disagreement"), forwardLimit, "of the probabilities");
  const entropies = perPair((i) => mean((member) => binaryEntropy(member[i]!)));
  comparison.add("entropy", entropies, golden.values("entropy_mean"), forwardLimit, "mean over members");
  comparison.add("entropy", perPair((i) => binaryEntropy(meanOf(i))), golden.values("entropy_of_mean"), forwardLimit, "of the mean");
};

/** One reward network: its scores [R0, R1], and its rewards of the states of the first segments. */
async function compareMember(
  session: Session,
  golden: GoldenFile,
  member: string,
  m: number,
  comparison: GoldenComparison,
): Promise<{ score: Float32Array; rewards: Float32Array }> {
  const [pairs, horizon, D] = golden.shape("s0") as [number, number, number];
  const tensors = golden.tensors(member);
  const layers = new Set([...tensors.keys()].map((name) => Number(name.split(".")[0])));
  const sizes = [D, ...[...layers].sort((a, b) => a - b).map((layer) => tensors.get(`${layer}.bias`)!.shape[0]!)];
  const layout = new ParameterLayout();
  const mlp = createMlp(layout, "net", { sizes, activation: "leakyRelu", outputActivation: "tanh" });
  const values = session.floats(layout.load(renamed(tensors)), member);
  const gradients = session.zeros(layout.length, "gradients");
  // Both segments of every pair go through the network in one batch, the first ones first.
  const segments = 2 * pairs;
  const rows = segments * horizon;
  const states = session.floats([...golden.values("s0"), ...golden.values("s1")], "states");
  const labels = session.floats(golden.values("y"), "labels");
  const statistics = session.zeros(preferenceStatistics.length, "statistics");
  const kept = await session.run((program) => {
    const pass = new Pass(program, layout, values, gradients);
    const tape = mlp.forward(pass, states, rows);
    const score = program.temporary([segments], "scores");
    sumSegments(program, { r: tape.output, score }, { segments, horizon });
    const half = (label: string) => program.temporary([pairs], label);
    const [r0, r1, dr0, dr1] = [half("r0"), half("r1"), half("dr0"), half("dr1")];
    const dscore = program.temporary([segments], "score gradient");
    for (const [part, srcColumn] of [[r0, 0], [r1, pairs]] as const) {
      copyColumns(program, { src: score, dst: part }, { rows: 1, columns: pairs, srcStride: segments, srcColumn, dstStride: pairs, dstColumn: 0 });
    }
    bradleyTerry(program, { r0, r1, labels, dr0, dr1, statistics }, { members: 1, pairs, ties: "half", smoothing: 0, sharedLabels: true });
    for (const [part, dstColumn] of [[dr0, 0], [dr1, pairs]] as const) {
      copyColumns(program, { src: part, dst: dscore }, { rows: 1, columns: pairs, srcStride: pairs, srcColumn: 0, dstStride: segments, dstColumn });
    }
    const outputs = { score: session.keep(program, score), rewards: session.keep(program, tape.output) };
    const dRewards = program.temporary([rows, 1], "reward gradient");
    sumSegmentsBackward(program, { dscore, dr: dRewards }, { segments, horizon });
    mlp.backward(pass, tape, dRewards, rows);
    return outputs;
  });
  const score = await session.read(kept.score);
  const ofMember = (name: string): Float64Array => golden.values(name).subarray(m * pairs, (m + 1) * pairs);
  comparison.add("score", score.subarray(0, pairs), ofMember("R0"), forwardLimit, `${member} R0`);
  comparison.add("score", score.subarray(pairs), ofMember("R1"), forwardLimit, `${member} R1`);
  const [loss] = await session.read(statistics);
  comparison.add("loss", [loss!], [golden.values("loss_member")[m]!], lossLimit, member);
  const got = await session.readByName(layout, gradients);
  comparison.addGradients("parameter gradient", got, renamed(golden.parameters(`grad.${member}`)), gradientLimit, member);
  return { score, rewards: await session.read(kept.rewards) };
}

/** `<layer>.weight` as the perceptron calls it. */
function renamed<T extends StoredTensor | Float64Array>(byName: ReadonlyMap<string, T>): Map<string, T> {
  return new Map(
    [...byName].map(([name, value]) => {
      const [layer, part] = name.split(".");
      return [`net.moduleList.${layer}.linear_1.${part}`, value];
    }),
  );
}

import type { Tensor } from "../../../src/engine/tensor.ts";
import { lossStatistics } from "../../../src/kernels/rl/loss-statistics.ts";
import { valueLoss } from "../../../src/kernels/rl/value-loss.ts";
import { createCritic } from "../../../src/nn/critic.ts";
import type { ParameterLayout } from "../../../src/nn/parameters.ts";
import type { GoldenFile } from "../golden-file.ts";
import type { CriticArguments } from "../networks.ts";
import { criticOptionsOf } from "../package-options.ts";
import type { Session } from "../session.ts";

/** Value loss of the critic of a group, and the gradient of `weight` times it. */
export async function criticUpdate(
  session: Session,
  group: GoldenFile,
  args: CriticArguments,
  clip: number | null,
  weight: number,
): Promise<{ loss: number; gradient: Float32Array; layout: ParameterLayout; values: Tensor }> {
  const critic = createCritic(criticOptionsOf(args));
  const { layout } = critic;
  const rows = group.shape("in.returns")[0]!;
  const values = session.floats(layout.load(group.tensors("critic")), "critic");
  const gradients = session.zeros(layout.length, "critic gradients");
  const state = session.floats(group.values("in.state"), "state");
  const returns = session.floats(group.values("in.returns"), "returns");
  const oldValues = session.floats(group.values("in.oldvalues"), "old values");
  const result = session.zeros(1, "value loss");
  await session.run((program) => {
    const tape = critic.forward(program, values, gradients, state, rows);
    const dvalues = program.temporary([rows], "value gradient");
    const partials = valueLoss(program, { values: tape.output, returns, oldValues, dvalues }, { count: rows, clip, gradientScale: weight });
    tape.backward(dvalues);
    lossStatistics(program, partials, { statistics: result }, { at: 0 });
  });
  const [loss] = await session.read(result);
  return { loss: loss!, gradient: await session.read(gradients), layout, values };
}

import type { ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { lossStatistics } from "../kernels/rl/loss-statistics.js";
import { expectileLoss, tdTarget } from "../kernels/rl/q-learning.js";
import { valueLoss } from "../kernels/rl/value-loss.js";
import type { Critic } from "../nn/critic.js";
import type { QCritic, QInputs } from "../nn/q-critic.js";
import type { Trained } from "../nn/trained.js";

type Learner = Pick<Trained, "values" | "gradients">;

/** Rewards [rows], and 1 [rows] where no value follows. */
export interface Outcomes {
  readonly rewards: Tensor;
  readonly terminated: Tensor;
}

/** Records r + gamma (1 - terminated) min(Q1, Q2) of what follows, judged by the parameters given (the slow copy). */
export function recordQTargets(
  program: ProgramRecorder,
  critic: QCritic,
  values: Tensor,
  outcomes: Outcomes,
  next: QInputs,
  options: { readonly rows: number; readonly gamma: number },
): Tensor {
  const { rows, gamma } = options;
  const targets = program.temporary([rows], "targets");
  tdTarget(program, { ...outcomes, next: critic.infer(program, values, next, rows), targets }, { count: rows, gamma });
  return targets;
}

/** Records r + gamma (1 - terminated) V of what follows (IDQL). */
export function recordValueTargets(
  program: ProgramRecorder,
  critic: Critic,
  values: Tensor,
  outcomes: Outcomes,
  nextState: Tensor,
  options: { readonly rows: number; readonly gamma: number },
): Tensor {
  const { rows, gamma } = options;
  const targets = program.temporary([rows], "targets");
  tdTarget(program, { ...outcomes, next: [critic.infer(program, values, nextState, rows)], targets }, { count: rows, gamma });
  return targets;
}

/** Records mean (Q1 - target)^2 and mean (Q2 - target)^2 into two statistics, from `at` on, and the gradient of their sum. */
export function recordQLoss(
  program: ProgramRecorder,
  critic: QCritic,
  learner: Learner,
  inputs: QInputs,
  targets: Tensor,
  statistics: Tensor,
  options: { readonly rows: number; readonly at: number },
): void {
  const { rows, at } = options;
  const tape = critic.forward(program, learner.values, learner.gradients, inputs, rows);
  const loss = (values: Tensor, place: number): Tensor => recordSquaredError(program, { values, targets, statistics }, { rows, at: place });
  tape.backward([loss(tape.outputs[0], at), loss(tape.outputs[1], at + 1)]);
}

/** Records mean (V - target)^2 into a statistic, and its gradient. */
export function recordValueRegression(
  program: ProgramRecorder,
  critic: Critic,
  learner: Learner,
  state: Tensor,
  targets: Tensor,
  statistics: Tensor,
  options: { readonly rows: number; readonly at: number },
): void {
  const tape = critic.forward(program, learner.values, learner.gradients, state, options.rows);
  tape.backward(recordSquaredError(program, { values: tape.output, targets, statistics }, options));
}

/** Records mean w e^2, e = min(Q1, Q2) - V, w = expectile where e > 0, else 1 - expectile, into a statistic, and its gradient (IDQL). */
export function recordExpectileRegression(
  program: ProgramRecorder,
  critic: Critic,
  learner: Learner,
  state: Tensor,
  wanted: readonly [Tensor, Tensor],
  statistics: Tensor,
  options: { readonly rows: number; readonly expectile: number; readonly at: number },
): void {
  const { rows, expectile, at } = options;
  const tape = critic.forward(program, learner.values, learner.gradients, state, rows);
  const dvalues = program.temporary([rows, 1], "value gradient");
  const partials = expectileLoss(program, { values: tape.output, wanted, dvalues }, { count: rows, expectile, gradientScale: 1 });
  lossStatistics(program, partials, { statistics }, { at });
  tape.backward(dvalues);
}

/** Records mean (value - target)^2 into a statistic; gives its gradient. */
function recordSquaredError(
  program: ProgramRecorder,
  tensors: { readonly values: Tensor; readonly targets: Tensor; readonly statistics: Tensor },
  options: { readonly rows: number; readonly at: number },
): Tensor {
  const { rows, at } = options;
  const dvalues = program.temporary([rows, 1], "value gradient");
  const half = valueLoss(program, { values: tensors.values, returns: tensors.targets, dvalues }, { count: rows, clip: null, gradientScale: 2 });
  // The kernel has the half inside.
  lossStatistics(program, { ...half, divisor: half.divisor / 2 }, { statistics: tensors.statistics }, { at });
  return dvalues;
}

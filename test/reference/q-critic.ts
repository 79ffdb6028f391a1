import { concatColumns, splitColumns } from "./columns.ts";
import { mlp, type Gradients, type MlpOptions, type Parameters } from "./mlp.ts";

/** Both values of states and actions, and the way back to the action. */
export interface TracedQCritic {
  readonly first: Float64Array;
  readonly second: Float64Array;
  /** Adds to the gradients of the parameters; gives that of the action. */
  readonly backward: (dfirst: ArrayLike<number>, dsecond: ArrayLike<number>, gradients: Gradients) => Float64Array;
}

/** Q1 and Q2 of spec 3.3 on [state, action]; `options.dims` starts with the width of both together. */
export function qCritic(
  parameters: Parameters,
  options: MlpOptions,
  state: ArrayLike<number>,
  action: ArrayLike<number>,
  actionWidth: number,
): TracedQCritic {
  const rows = action.length / actionWidth;
  const widths = [state.length / rows, actionWidth];
  const input = concatColumns([state, action], widths, rows);
  const [first, second] = [mlp(parameters, "Q1", options)(input), mlp(parameters, "Q2", options)(input)];
  return {
    first: first.output,
    second: second.output,
    backward: (dfirst, dsecond, gradients) => {
      const [a, b] = [first.backward(dfirst, gradients), second.backward(dsecond, gradients)];
      return splitColumns(a.map((value, i) => value + b[i]!), widths, rows)[1]!;
    },
  };
}

/**
 * One recorded episode of L control steps, as demonstrators give it and data sets keep it. Row t of every array belongs
 * to the moment before action t.
 */
export interface Demonstration {
  /** [L, D]: the newest observation alone, without its predecessors. */
  readonly observations: Float32Array;
  /** [L, A], in physical units. What was executed is what is stored: actions are rounded to f32 before the step. */
  readonly actions: Float32Array;
  /** [L]: the reward of each step. */
  readonly rewards: Float32Array;
  /** The seed that the episode was started from. */
  readonly seed: number;
  readonly success: boolean;
  /** Whether the last step ended the episode for good, so that nothing is to be expected after it. Default false: it was cut off. */
  readonly isTerminated?: boolean;
  /** What distinguishes the episode, such as the mode of Avoid; may be empty. */
  readonly label: string;
}

/**
 * The standard deviation of likelihoods, s = max(std, floor), where std is a number (source 0), e to the elements of a
 * tensor (source 1) or the number 5 of a row of the schedule (source 2).
 */

/** Sources of the deviation; the same list stands in src/kernels/diffusion/gaussian-log-prob.ts. */
export const FROM_TENSOR: u32 = 1;
export const FROM_SCHEDULE: u32 = 2;

/** Deviation of a whole row: of source 0, or of the step in source 2. */
// @ts-ignore: decorator
@inline
export function rowDeviation(source: u32, sigma: f32, floor: f32, step: usize, schedule: usize, last: u32): f32 {
  const std = source == FROM_SCHEDULE ? load<f32>(schedule + (<usize>min(last, load<u32>(step)) << 5), 20) : sigma;
  return max<f32>(std, floor);
}

/**
 * Who draws which random numbers: the stream word of Philox (see `RandomKey`). The same number never serves two purposes,
 * so that what one consumer draws does not depend on another.
 */
export const randomStreams = {
  /** Denoising times of a training batch. */
  time: 2,
  /** Noise of a training batch. */
  noise: 3,
  /** Noise with which a policy acts. */
  acting: 5,
  /** Uniform numbers by which a mixture picks its component while acting. */
  actingMode: 6,
  /** The order of an epoch. */
  permutation: 7,
  /** Noise of the frozen policy where it is imitated. */
  imitation: 8,
  /** Denoising times of validation rows. */
  validationTime: 9,
  /** Noise of validation rows. */
  validationNoise: 10,
  /** Noise of the chunks that follow the stored ones, where critics judge them. */
  following: 11,
  /** Noise of a chain that is gone back through. */
  chain: 12,
  /** Which of two critics an update climbs. */
  role: 13,
  /** Remembered decisions that a policy learns from. */
  replay: 14,
  /** Remembered decisions that a critic learns from by itself. */
  criticReplay: 15,
  /** Places of the feature space where a learned reward is kept near 0. */
  anchor: 16,
} as const;

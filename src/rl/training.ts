import type { Policy } from "../diffusion/policy.js";

/**
 * A training run, driven by `for await`. Between two events its policy and its whole state can be taken. Leaving the loop
 * stops the run and frees what it holds on the device; after the last event the policy can still be taken.
 */
export interface Training<Event> extends AsyncIterable<Event> {
  /** The policy as it stands. */
  policy(): Promise<Policy>;
  /** The whole state as the bytes of a safetensors file; option `resume` of the same algorithm goes on from it to the same bits. */
  save(): Promise<Uint8Array>;
  /** Stops the run between two events. Twice is once. */
  close(): void;
}

/** Seconds of an iteration by what was done in them. */
export interface IterationSeconds {
  readonly denoise: number;
  readonly physics: number;
  readonly advantage: number;
  readonly update: number;
}

/** What one iteration did: frozen, plain, one JSON line of a log. What does not exist is absent, never NaN. */
export interface IterationEvent {
  /** From 0. */
  readonly iteration: number;
  readonly iterations: number;
  /** `evaluate`: acted deterministically and learned nothing. */
  readonly mode: "train" | "evaluate";
  /** Environment steps since the start of the run. */
  readonly envSteps: number;
  /** Episodes that ended in this iteration. */
  readonly episodes: number;
  /** Share of them that reached the threshold. */
  readonly success?: number;
  /** Mean return of these episodes. */
  readonly return?: number;
  /** Mean environment steps of these episodes. */
  readonly episodeLength?: number;
  /** Mean over these episodes of the best chunk reward per action. */
  readonly bestReward?: number;
  readonly policyLoss?: number;
  readonly valueLoss?: number;
  /** Mean of (ratio - 1) - ln ratio over the minibatches. */
  readonly approxKl?: number;
  /** Share of transitions whose ratio left its clip range. */
  readonly clipFraction?: number;
  readonly ratio?: number;
  /** 1 - var(returns - values) / var(returns). */
  readonly explainedVariance?: number;
  /** Mean over the chunks of their learned reward, and its deviation. */
  readonly chunkReward?: number;
  readonly chunkRewardDeviation?: number;
  /** Divergence of the policy that acted from the frozen one: nats a chunk, the sum over its denoising steps. */
  readonly kl?: number;
  /** The same for every step, the noisiest first. */
  readonly stepKl?: readonly number[];
  /** Mean over the minibatches of what the loss holds small: divergence from the frozen policy at a denoising step. */
  readonly divergence?: number;
  /** Weight of the divergence in this iteration, in the unit of the paper. */
  readonly alpha?: number;
  /** Norm of the policy's gradient in the last minibatch, before it was clipped. */
  readonly gradientNorm?: number;
  /** Learning rate of the policy in this iteration. */
  readonly rate?: number;
  readonly criticRate?: number;
  /** Minibatches learned from; fewer than asked for where the KL target stopped the update. */
  readonly minibatches?: number;
  readonly envStepsPerSecond: number;
  readonly iterationSeconds: number;
  readonly seconds: IterationSeconds;
}

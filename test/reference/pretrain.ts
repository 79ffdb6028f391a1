import { ddpmSchedule } from "../../src/diffusion/schedule.ts";
import type { PretrainCase } from "../golden-runner/policies.ts";
import { denoiserTwin } from "./denoiser.ts";
import { forwardNoising } from "./forward-noising.ts";
import { meanSquaredLoss } from "./mean-squared-loss.ts";
import type { Gradients, Parameters } from "./mlp.ts";
import { adamStep, emaStep, type AdamState } from "./optimizer.ts";
import { adamOptions } from "./ppo-update.ts";

/** What one supervised step is given. */
export interface PretrainBatch {
  /** Chunks [B, H·A]. */
  readonly x0: Float64Array;
  readonly state: Float64Array;
  readonly t: ArrayLike<number>;
  readonly noise: Float64Array;
}

/** What one supervised step computes. */
export interface PretrainStep {
  readonly noisy: Float64Array;
  readonly loss: number;
  readonly gradients: Gradients;
  readonly parameters: ReadonlyMap<string, Float64Array>;
  readonly ema: ReadonlyMap<string, Float64Array>;
}

/** Supervised steps one after the other: noising, loss, AdamW, then the running average of the parameters. */
export function* pretrain(
  settings: PretrainCase,
  initial: Parameters,
  batches: Iterable<PretrainBatch>,
): Generator<PretrainStep> {
  const { alphasCumprod } = ddpmSchedule(settings.denoising_steps);
  const states = new Map(
    [...initial].map(([name, values]): [string, AdamState] => {
      const parameters = Float64Array.from(values);
      return [name, { parameters, m: parameters.map(() => 0), v: parameters.map(() => 0) }];
    }),
  );
  let ema = new Map([...states].map(([name, state]) => [name, state.parameters]));
  let k = 0;
  for (const { x0, state, t, noise } of batches) {
    k++;
    const noisy = forwardNoising(x0, noise, t, alphasCumprod);
    const current = new Map([...states].map(([name, { parameters }]) => [name, parameters]));
    const horizon = x0.length / (t.length * settings.network_kwargs.action_dim);
    const traced = denoiserTwin(settings, horizon)(current, noisy, t, state);
    const { loss, gradient } = meanSquaredLoss(traced.output, settings.predict_epsilon ? noise : x0);
    const gradients: Gradients = new Map();
    traced.backward(gradient, gradients);
    for (const [name, values] of gradients) {
      states.set(name, adamStep(states.get(name)!, values, k, adamOptions(settings.opt)));
    }
    const parameters = new Map([...states].map(([name, next]) => [name, next.parameters]));
    ema = new Map([...ema].map(([name, values]) => [name, emaStep(values, parameters.get(name)!, settings.ema_decay)]));
    yield { noisy, loss, gradients, parameters, ema };
  }
}

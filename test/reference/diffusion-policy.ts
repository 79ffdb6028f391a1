import { denoisingSteps, type DenoisingStep } from "../../src/diffusion/schedule.ts";
import { samplerOf, stepOptionsOf, type SamplingCase } from "../golden-runner/policies.ts";
import { denoiseChain, denoiseMean, denoiseMeanBackward, type StepOptions } from "./denoise-step.ts";
import { denoiserTwin, type DenoiserTwin } from "./denoiser.ts";
import { gaussianLogProb, gaussianLogProbBackward } from "./gaussian-log-prob.ts";
import type { Gradients, Parameters } from "./mlp.ts";

/** Denoising transitions, one a row; `j` counts the tuned steps from the noisiest. */
export interface Transitions {
  readonly state: Float64Array;
  readonly previous: Float64Array;
  readonly next: Float64Array;
  readonly j: ArrayLike<number>;
}

/** Elementwise log-probabilities and the way back to the parameters. */
export interface TracedLogProb {
  readonly logp: Float64Array;
  readonly backward: (dlogp: ArrayLike<number>, gradients: Gradients) => void;
}

/** A diffusion policy as a golden file describes it, in double precision: sampling and likelihoods. */
export class DiffusionPolicy {
  readonly #case: SamplingCase;
  readonly #options: StepOptions;
  readonly #denoiser: DenoiserTwin;
  /** Elements of a chunk, H·A. */
  readonly #C: number;

  constructor(goldenCase: SamplingCase) {
    this.#case = goldenCase;
    this.#options = stepOptionsOf(goldenCase.model_kwargs);
    const horizon = goldenCase.model_kwargs.horizon_steps ?? goldenCase.network_kwargs.horizon_steps;
    this.#denoiser = denoiserTwin(goldenCase, horizon);
    this.#C = horizon * goldenCase.network_kwargs.action_dim;
  }

  /** Runs a whole chain on the given noise; `tuned` takes the last K' steps unless `useBase`. */
  sample(
    networks: { readonly frozen: Parameters; readonly tuned: Parameters },
    state: Float64Array,
    noise: Float64Array,
    call: { readonly isDeterministic: boolean; readonly useBase: boolean },
  ): { x: Float64Array; chain: Float64Array } {
    const args = this.#case.model_kwargs;
    const steps = this.#steps(call.isDeterministic ? 0 : (this.#case.eta ?? 1));
    const B = noise.length / (this.#C * (steps.length + 1));
    const options = {
      ...this.#options,
      mode: call.isDeterministic ? ("deterministic" as const) : { floor: args.min_sampling_denoising_std! },
      noiseDrawClip: args.randn_clip_value ?? 3,
      finalClip: args.final_action_clip_value ?? null,
      tunedStepCount: args.ft_denoising_steps ?? 0,
    };
    return denoiseChain(noise, B, this.#C, steps, options, (x, timestep, isTuned) => {
      const parameters = isTuned && !call.useBase ? networks.tuned : networks.frozen;
      const t = new Array<number>(B).fill(timestep);
      return this.#denoiser(parameters, x, t, state).output;
    });
  }

  /** logp = ln N(next; mean of the step at previous, max(std, floor)²), elementwise. */
  logProb(parameters: Parameters, rows: Transitions): TracedLogProb {
    const args = this.#case.model_kwargs;
    const C = this.#C;
    const tuned = this.#steps(this.#case.eta ?? 1).slice(-args.ft_denoising_steps!);
    const steps = Array.from(rows.j, (j) => tuned[j]!);
    const traced = this.#denoiser(parameters, rows.previous, steps.map((step) => step.timestep), rows.state);
    const each = (f: (step: DenoisingStep, from: number, to: number) => Float64Array): Float64Array => {
      const out = new Float64Array(rows.previous.length);
      for (const [r, step] of steps.entries()) out.set(f(step, r * C, (r + 1) * C), r * C);
      return out;
    };
    const mean = each((step, from, to) =>
      denoiseMean(rows.previous.subarray(from, to), traced.output.subarray(from, to), step, this.#options),
    );
    const std = each((step) => new Float64Array(C).fill(Math.max(step.std, args.min_logprob_denoising_std!)));
    return {
      logp: gaussianLogProb(rows.next, mean, std),
      backward: (dlogp, gradients) => {
        const { dmean } = gaussianLogProbBackward(dlogp, rows.next, mean, std);
        const doutput = each((step, from, to) =>
          denoiseMeanBackward(
            dmean.subarray(from, to),
            rows.previous.subarray(from, to),
            traced.output.subarray(from, to),
            step,
            this.#options,
          ),
        );
        traced.backward(doutput, gradients);
      },
    };
  }

  /** The transitions of chains [B, K' + 1, C], batch-major, noisiest first. */
  transitions(chain: Float64Array, state: Float64Array): Transitions {
    const C = this.#C;
    const K = this.#case.model_kwargs.ft_denoising_steps!;
    const B = chain.length / (C * (K + 1));
    const D = state.length / B;
    const rows = {
      state: new Float64Array(B * K * D),
      previous: new Float64Array(B * K * C),
      next: new Float64Array(B * K * C),
      j: Array.from({ length: B * K }, (_, r) => r % K),
    };
    for (let b = 0; b < B; b++) {
      for (let j = 0; j < K; j++) {
        const r = b * K + j;
        const at = (b * (K + 1) + j) * C;
        rows.state.set(state.subarray(b * D, (b + 1) * D), r * D);
        rows.previous.set(chain.subarray(at, at + C), r * C);
        rows.next.set(chain.subarray(at + C, at + 2 * C), r * C);
      }
    }
    return rows;
  }

  #steps(eta: number): DenoisingStep[] {
    return denoisingSteps(this.#case.model_kwargs.denoising_steps, samplerOf(this.#case.model_kwargs, eta));
  }
}

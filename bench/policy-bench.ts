import type { VectorEnvironment } from "../src/envs/environment.ts";

/** One row of a benchmark of environments under a fixed policy. */
export interface PolicyWorkload<Policy extends string> {
  /** `P-<environment>-<policy>-<environments>`. */
  readonly name: string;
  readonly policy: Policy;
  readonly count: number;
  readonly threads: number | undefined;
}

/** A workload made ready: `run` steps every environment by one chunk. */
export interface PolicyBench extends Disposable {
  /** Env steps of one run. */
  readonly itemsPerRun: number;
  readonly run: () => Promise<void> | undefined;
}

/** Environments stepped together, a row each. */
export const environmentCounts = [1, 64, 1024] as const;

/** Environments under a policy: `act` writes the next chunk of every environment into `environment.actions`. */
export function benchPolicy(environment: VectorEnvironment, act: () => void): PolicyBench {
  return {
    itemsPerRun: environment.count * environment.actionSteps,
    run: () => {
      act();
      const stepped = environment.stepChunk(environment.actions);
      return stepped instanceof Promise ? stepped.then(() => undefined) : undefined;
    },
    [Symbol.dispose]: () => {
      environment.close();
    },
  };
}

/** 32-bit xorshift: the same policy in every run. */
export class Xorshift {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b9) >>> 0 || 1;
  }

  uniform(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state / 2 ** 32;
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform() + 2 ** -33)) * Math.cos(2 * Math.PI * this.uniform());
  }
}

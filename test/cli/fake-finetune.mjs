/**
 * The command line with one method of fine-tuning that only counts: every 20 ms an iteration, its state the number of them.
 * What is tested is what is around a training: events, folders, interruptions. Options: iterations,
 * failAt, and loseAt, where the device is lost: in a run that began anew, or with `loseAgain` in a resumed one too.
 */
import { setTimeout as wait } from "node:timers/promises";
import * as v from "valibot";
import { runCommandLine } from "../../dist/cli/command-line.js";
import { finetuneCommand } from "../../dist/cli/finetune.js";
import { DifftuneError } from "../../dist/core/errors.js";
import { readDoubles, readSafetensors, storeDoubles, writeSafetensors } from "../../dist/io/safetensors.js";

const schema = v.strictObject({
  iterations: v.optional(v.pipe(v.number(), v.description("How many.")), 5),
  gamma: v.optional(v.number(), 0.5),
  failAt: v.optional(v.number()),
  loseAt: v.optional(v.number()),
  loseAgain: v.optional(v.boolean(), false),
  seed: v.optional(v.number(), 0),
  signal: v.optional(v.instance(AbortSignal)),
  resume: v.optional(v.instance(Uint8Array)),
});

class Counting {
  #options;
  #policy;
  #count = 0;

  constructor(policy, options) {
    this.#options = options;
    this.#policy = policy;
    if (options.resume === undefined) return;
    const [count, gamma] = readDoubles(readSafetensors(options.resume).tensors.get("counter"));
    if (gamma !== options.gamma) throw new DifftuneError("OPTION", `Option "gamma" is ${options.gamma}, but the checkpoint was made with ${gamma}.`);
    this.#count = count;
  }

  async *[Symbol.asyncIterator]() {
    const { iterations, signal, failAt, resume, loseAt, loseAgain } = this.#options;
    while (this.#count < iterations) {
      if (signal.aborted) throw new DifftuneError("CANCELLED", "Stopped.");
      if (this.#count === failAt) throw new DifftuneError("DIVERGENCE", `The loss is NaN in iteration ${this.#count}.`);
      if (this.#count === loseAt && (loseAgain || resume === undefined)) throw new DifftuneError("DEVICE_LOST", "The device was lost.");
      await wait(20);
      const iteration = this.#count++;
      yield Object.freeze({ iteration, iterations, mode: "train", envSteps: 100 * iteration, episodes: 1, success: iteration / 100, envStepsPerSecond: 5000, iterationSeconds: 0.02, seconds: { denoise: 0, physics: 0, advantage: 0, update: 0 } });
    }
  }

  async policy() {
    return this.#policy.withMetadata({ count: String(this.#count) });
  }

  async save() {
    return writeSafetensors({ tensors: new Map([["counter", storeDoubles([2], [this.#count, this.#options.gamma])]]) });
  }

  close() {
    // Nothing is held.
  }
}

const counting = { name: "counting", description: "counts", schema, start: (_device, policy, _env, options) => new Counting(policy, options) };
process.exitCode = await runCommandLine(process.argv.slice(2), [finetuneCommand([counting])]);

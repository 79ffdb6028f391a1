import { PushtBatch } from "../golden-runner/pusht-batch.ts";

/** What {@link pushtDeterminismHash} gives everywhere. */
export const pushtHash = "280da5e1";

/** Env steps and environments that the hash is taken over. */
const steps = 500;
const count = 16;
const chunk = 10;

/**
 * FNV-1a over every number that 500 seeded env steps of 16 Push-T environments put out, automatic resets included: state rows in f64,
 * rewards, flags and statistics. It is the same wherever WebAssembly runs. Nothing here is of Node.
 */
export function pushtDeterminismHash(): string {
  const batch = new PushtBatch({ count, chunk, stacked: 2, observationKind: "PUSHT_KEYPOINTS", record: 2 });
  batch.set("BATCH_MAX_STEPS", 60);
  batch.set("BATCH_DOUBLE_ACTIONS", 1);
  const hash = new Fnv();
  const actions = batch.f64("BATCH_ACTIONS", count * chunk * 2);
  let state = 1;
  const draw = (): number => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  batch.reset();
  const observationSize = batch.get("BATCH_OBSERVATION_SIZE");
  const observations = batch.f32("BATCH_OBSERVATIONS", count * 2 * observationSize);
  const flags = batch.u32("BATCH_STEP_FLAGS", count * chunk);
  for (let done = 0; done < steps; done += chunk) {
    for (let index = 0; index < count; index++) {
      // Around a keypoint of the T, so that it is pushed and turned; sometimes anywhere.
      const spread = draw() < 0.8 ? 120 : 500;
      const place = (2 * index + 1) * observationSize + 2 * Math.floor(9 * draw());
      for (let step = 0; step < chunk; step++) {
        actions[2 * (index * chunk + step)] = observations[place]! + spread * (draw() - 0.5);
        actions[2 * (index * chunk + step) + 1] = observations[place + 1]! + spread * (draw() - 0.5);
      }
    }
    if (batch.stepChunk() !== 0) throw new RangeError("an action was refused");
    hash.add(batch.f64("BATCH_TRACE", count * (chunk + 1) * batch.get("BATCH_TRACE_SIZE")));
    hash.add(observations);
    hash.add(batch.f32("BATCH_STEP_REWARDS", count * chunk));
    hash.add(flags);
    hash.add(batch.f64("BATCH_EPISODES", count * batch.constant("BATCH_EPISODE_SIZE")));
  }
  return hash.text();
}

/** 32-bit FNV-1a over the bytes of views. */
class Fnv {
  #value = 0x811c9dc5;

  add(view: ArrayBufferView): void {
    for (const byte of new Uint8Array(view.buffer, view.byteOffset, view.byteLength)) {
      this.#value = Math.imul(this.#value ^ byte, 0x01000193) >>> 0;
    }
  }

  text(): string {
    return this.#value.toString(16).padStart(8, "0");
  }
}

import { describe, expect, test } from "vitest";
import { LinearMemory } from "../../src/core/linear-memory.js";
import { avoidScene, avoidStepFlags, createAvoid, modeOf, type Avoid, type AvoidOptions } from "../../src/envs/index.js";

/** Drives every environment to the points in turn, each by steps of at most 0.0125 m, then rests until the episode ends. */
async function drive(env: Avoid, points: readonly (readonly [x: number, y: number])[]): Promise<void> {
  let { desiredX: x, desiredY: y } = env.pose();
  const steps: number[] = [];
  for (const [toX, toY] of points) {
    const count = Math.ceil(Math.hypot(toX - x, toY - y) / 0.0125);
    for (let step = 0; step < count; step++) steps.push((toX - x) / count, (toY - y) / count);
    [x, y] = [toX, toY];
  }
  const width = 2 * env.actionSteps;
  for (let chunk = 0; env.result.truncated[0] === 0; chunk++) {
    for (let index = 0; index < env.count; index++) {
      for (let place = 0; place < width; place++) env.actions[index * width + place] = steps[chunk * width + place] ?? 0;
    }
    await env.stepChunk(env.actions);
  }
}

/** A way through mode 125: beyond level 1 on the far side, level 2 and 3 on the near one. */
const way125 = [[0.58, -0.1], [0.36, 0.06], [0.28, 0.26], [0.28, 0.46]] as const;
/** The same to the gap beside. */
const way126 = [[0.58, -0.1], [0.36, 0.06], [0.425, 0.26], [0.425, 0.46]] as const;

async function drivenThrough(way: readonly (readonly [number, number])[], options: AvoidOptions = {}): Promise<ReturnType<Avoid["outcome"]> & { return: number; modes: string | undefined }> {
  using env = await createAvoid({ actionSteps: 4, autoReset: false, ...options });
  await env.reset();
  await drive(env, way);
  const { finished } = env.result;
  return { ...env.outcome(0), return: finished.get(0, "return"), modes: modeOf(finished.get(0, "modes")) };
}

describe("avoid", () => {
  test("says what its numbers are", async () => {
    using env = await createAvoid({ count: 2 });
    expect(env.observationSpace.names).toEqual(["desiredX", "desiredY", "actualX", "actualY"]);
    expect(env.actionSpace.names).toEqual(["incrementX", "incrementY"]);
    expect(env.maxSteps).toBe(100);
    expect(env.options).toMatchObject({ physics: "arm", reward: "m5", sparse: false, observationDelay: 1, obstacles: true, height: 0.12 });
    const { observations } = await env.reset();
    expect([...observations.subarray(0, 4)]).toEqual([avoidScene.start.x, avoidScene.start.y, avoidScene.start.x, avoidScene.start.y].map(Math.fround));
  });

  test("the topmost way is a success in the m5 variant, the way beside it is told to be another mode", async () => {
    const topmost = await drivenThrough(way125);
    expect(topmost).toMatchObject({ success: true, reason: "success", detail: "Success in mode 125.", modes: "125" });
    expect(topmost.return).toBeGreaterThan(30);
    const beside = await drivenThrough(way126);
    expect(beside).toMatchObject({ success: false, reason: "otherMode", detail: "Passed the third row by gap m6; the reward is for m5.", modes: "126" });
    expect(await drivenThrough(way126, { reward: "m6" })).toMatchObject({ success: true, reason: "success" });
    expect(await drivenThrough(way126, { reward: "plain" })).toMatchObject({ success: true });
    expect(await drivenThrough(way126, { reward: "m6", sparse: true })).toMatchObject({ success: true });
  });

  test("the planar point takes the same way", async () => {
    const planar = await drivenThrough(way125, { physics: "planar" });
    expect(planar).toMatchObject({ success: true, modes: "125" });
    const arm = await drivenThrough(way125);
    expect(Math.abs(planar.return - arm.return)).toBeLessThanOrEqual(3);
  });

  test("a hit cylinder is named; without obstacles the same way is free", async () => {
    const ahead = [[0.5, -0.28], [0.5, 0.45]] as const;
    const hit = await drivenThrough(ahead);
    expect(hit).toMatchObject({ success: false, reason: "collision", detail: "The rod touched the cylinder of level 1." });
    expect(hit.return).toBeLessThan(0);
    expect(await drivenThrough(ahead, { obstacles: false, reward: "plain" })).toMatchObject({ success: true });
  });

  test("standing still runs out of steps, leaving the reach is told", async () => {
    expect(await drivenThrough([])).toMatchObject({ reason: "outOfSteps", detail: "The third row was not passed within 100 steps." });
    expect(await drivenThrough([[0.6, 0.7]], { obstacles: false })).toMatchObject({ success: false, reason: "outOfReach" });
  });

  test("an observation is one step old unless told otherwise; the pose is of now", async () => {
    using delayed = await createAvoid({ recordSteps: true, actionSteps: 3 });
    using fresh = await createAvoid({ recordSteps: true, actionSteps: 3, observationDelay: 0 });
    await delayed.reset();
    await fresh.reset();
    for (const env of [delayed, fresh]) {
      env.actions.set([0.01, 0.01, 0.01, 0, 0, 0.01]);
      await env.stepChunk(env.actions);
    }
    const now = fresh.pose();
    expect(delayed.pose()).toEqual(now);
    expect([...fresh.result.observations]).toEqual([now.desiredX, now.desiredY, now.actualX, now.actualY].map(Math.fround));
    expect([...delayed.stepObservations!.subarray(4)]).toEqual([...fresh.stepObservations!.subarray(0, 8)]);
    expect(Math.hypot(now.aheadX - now.actualX, now.aheadY - now.actualY)).toBeLessThan(1e-3);
    expect([...delayed.stepFlags]).toEqual([avoidStepFlags.executed, avoidStepFlags.executed, avoidStepFlags.executed]);
  });

  test("starts come from the box by the seed, or from where they are given", async () => {
    using env = await createAvoid({ count: 3, startBox: { x0: 0.4, y0: -0.25, x1: 0.6, y1: -0.2 }, seedStride: 0 });
    const starts = async (seeds?: readonly number[]) => {
      await env.reset(seeds);
      return [0, 1, 2].map((index) => [env.pose(index).actualX, env.pose(index).actualY]);
    };
    const first = await starts([4, 5, 6]);
    expect(await starts([4, 5, 6])).toEqual(first);
    expect((await starts([5, 6, 4])).slice(0, 1)).toEqual(first.slice(1, 2));
    for (const [x = 0, y = 0] of first) {
      expect(x > 0.397 && x < 0.603 && y > -0.253 && y < -0.197, `${x}, ${y}`).toBe(true);
    }
    await env.resetTo([0.5, -0.2, 0.45, -0.22, 0.55, -0.25]);
    expect(Math.hypot(env.pose(2).actualX - 0.55, env.pose(2).actualY + 0.25)).toBeLessThan(0.003);
  });

  test("an engine's memory is shared and given back to the byte; a picture shows the hand", async () => {
    const memory = new LinearMemory();
    const env = await createAvoid({ count: 5, memory });
    await env.reset();
    expect(env.result.observations.buffer).toBe(memory.memory.buffer);
    const { width, height, pixels } = env.render(0, 640);
    expect([width, pixels.length]).toEqual([640, width * height * 4]);
    const orange = pixels.filter((value, at) => at % 4 === 0 && value === 226 && pixels[at + 1] === 140);
    expect(orange.length).toBeGreaterThan(60);
    env.close();
    expect(memory.liveBytes).toBe(0);
  });
});

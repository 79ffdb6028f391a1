import { describe, expect, test } from "vitest";
import { LinearMemory } from "../../src/core/linear-memory.js";
import { PhiloxStream } from "../../src/core/philox.js";
import { createPushT, pushtStepFlags, type PushT } from "../../src/envs/index.js";
import { randomActions } from "./rollout.js";

/** Actions near the T, so that something happens. */
function chase(env: PushT, random: PhiloxStream): void {
  for (let index = 0; index < env.count; index++) {
    const { blockX, blockY } = env.pose(index);
    for (let step = 0; step < env.actionSteps; step++) {
      const at = (index * env.actionSteps + step) * 2;
      env.actions[at] = blockX + 40 * random.normal();
      env.actions[at + 1] = blockY + 40 * random.normal();
    }
  }
}

describe("push-t", () => {
  test("says what its numbers are", async () => {
    using env = await createPushT({ observation: "keypoints" });
    expect(env.observationSpace.size).toBe(20);
    expect(env.observationSpace.place("agentX")).toBe(18);
    expect(env.observationSpace.names.slice(0, 2)).toEqual(["keypoint0X", "keypoint0Y"]);
    expect(env.actionSpace.names).toEqual(["targetX", "targetY"]);
    expect(() => env.observationSpace.place("agentx")).toThrow('Did you mean "agentX"?');
    using state = await createPushT();
    expect(state.observationSpace.names).toEqual(["agentX", "agentY", "blockX", "blockY", "blockAngle"]);
    expect(Object.isFrozen(state.options)).toBe(true);
    expect(state.options).toMatchObject({ maxSteps: 300, successCoverage: 0.95, collision: "fast", resetOrder: "legacy" });
  });

  test("E environments together equal E alone, automatic resets included", async () => {
    using together = await createPushT({ count: 7, actionSteps: 4, seedStride: 1, maxSteps: 30 });
    const result = await together.reset();
    const random = new PhiloxStream(1);
    const actions: number[][] = Array.from({ length: 7 }, () => []);
    const seen: number[][] = Array.from({ length: 7 }, () => []);
    for (let chunk = 0; chunk < 20; chunk++) {
      chase(together, random);
      await together.stepChunk(together.actions);
      for (let index = 0; index < 7; index++) {
        actions[index]?.push(...together.actions.subarray(index * 8, index * 8 + 8));
        seen[index]?.push(...result.observations.subarray(index * 5, index * 5 + 5));
      }
    }
    for (let index = 0; index < 7; index++) {
      using alone = await createPushT({ actionSteps: 4, seed: index, seedStride: 1, maxSteps: 30 });
      const own = await alone.reset();
      const ownSeen: number[] = [];
      for (let chunk = 0; chunk < 20; chunk++) {
        alone.actions.set(actions[index]!.slice(chunk * 8, chunk * 8 + 8));
        await alone.stepChunk(alone.actions);
        ownSeen.push(...own.observations);
      }
      expect(ownSeen).toEqual(seen[index]);
    }
  });

  test("stacked observations are the last of the chunk, oldest first, and repeat the first after a reset", async () => {
    using env = await createPushT({ observationSteps: 3, actionSteps: 4, recordSteps: true, count: 2 });
    const { observations } = await env.reset([3, 4]);
    expect([...observations.subarray(0, 5)]).toEqual([...observations.subarray(10, 15)]);
    randomActions(env, new PhiloxStream(5));
    await env.stepChunk(env.actions);
    expect(env.stepObservations).toBeDefined();
    for (let index = 0; index < 2; index++) {
      const steps = env.stepObservations!.subarray(index * 20, index * 20 + 20);
      expect([...observations.subarray(index * 15, index * 15 + 15)]).toEqual([...steps.subarray(5)]);
    }
  });

  test("truncation keeps the last observations and starts the next seed", async () => {
    using env = await createPushT({ count: 2, actionSteps: 4, maxSteps: 6, seed: 10 });
    const result = await env.reset();
    const random = new PhiloxStream(5);
    randomActions(env, random);
    await env.stepChunk(env.actions);
    const running = await env.stepChunk(env.actions);
    expect([...running.truncated]).toEqual([1, 1]);
    expect([...running.terminated]).toEqual([0, 0]);
    expect([...running.steps]).toEqual([2, 2]);
    expect(running.finished.get(1, "length")).toBe(6);
    expect(running.running.get(1, "length")).toBe(0);
    expect(env.outcome(1)).toMatchObject({ success: false });
    using next = await createPushT({ count: 2 });
    const fresh = await next.reset([12, 13]);
    expect([...result.observations]).toEqual([...fresh.observations]);
    expect([...result.finalObservations]).not.toEqual([...fresh.observations]);
  });

  test("without automatic reset an ended environment stands still until it is reset", async () => {
    using env = await createPushT({ actionSteps: 4, maxSteps: 4, autoReset: false });
    await env.reset();
    randomActions(env, new PhiloxStream(6));
    const result = await env.stepChunk(env.actions);
    expect(result.truncated[0]).toBe(1);
    const still = [...result.observations];
    await env.stepChunk(env.actions);
    expect([...result.observations]).toEqual(still);
    expect(result.steps[0]).toBe(0);
    expect(result.rewards[0]).toBe(0);
    await env.reset();
    await env.stepChunk(env.actions);
    expect(result.steps[0]).toBe(4);
  });

  test("a T on its goal covers it and ends the episode as a success", async () => {
    using env = await createPushT({ actionSteps: 2, resetOrder: "angleFirst" });
    await env.resetTo([400, 100, 256, 256, Math.PI / 4]);
    env.actions.fill(300);
    const result = await env.stepChunk(env.actions);
    expect(result.terminated[0]).toBe(1);
    expect(result.steps[0]).toBe(1);
    expect(result.rewards[0]).toBe(1);
    expect(result.finished.get(0, "coverage")).toBeGreaterThan(0.999);
    expect(env.outcome(0)).toEqual({ success: true, reason: "success", detail: "Success after 1 steps." });
  });

  test("success does not end the episode where it must not", async () => {
    using env = await createPushT({ actionSteps: 2, resetOrder: "angleFirst", endOnSuccess: false, successCoverage: 0.9 });
    await env.resetTo([400, 100, 256, 256, Math.PI / 4]);
    env.actions.fill(400);
    const result = await env.stepChunk(env.actions);
    expect(result.terminated[0]).toBe(0);
    expect(result.rewards[0]).toBe(2);
    expect(result.running.get(0, "success")).toBe(1);
  });

  test("the forbidden box counts the steps of the agent's centre inside it and of its disc over it", async () => {
    const box = { x0: 320, y0: 320, x1: 512, y1: 512 };
    using env = await createPushT({ actionSteps: 1, forbiddenBox: box });
    const result = await env.resetTo([200, 400, 100, 100, 0]);
    let inside = 0;
    let overlapping = 0;
    for (let step = 0; step < 16; step++) {
      env.actions.set([220 + 20 * step, 400]);
      await env.stepChunk(env.actions);
      const { agentX, agentY } = env.pose();
      const isInside = agentX >= box.x0 && agentX <= box.x1 && agentY >= box.y0 && agentY <= box.y1;
      if (isInside) inside += 1;
      if (agentX > box.x0 - 15) overlapping += 1;
      expect((env.stepFlags[0]! & pushtStepFlags.inBox) !== 0).toBe(isInside);
      expect((env.stepFlags[0]! & pushtStepFlags.overlapsBox) !== 0).toBe(agentX > box.x0 - 15);
      expect(result.running.get(0, "boxSteps")).toBe(inside);
      expect(env.outcome(0, "running").mode).toBe(inside === 0 ? "avoidedBox" : "enteredBox");
      expect(result.running.get(0, "boxOverlapSteps")).toBe(overlapping);
    }
    expect(inside).toBeGreaterThan(3);
    expect(overlapping).toBeGreaterThan(inside);
  });

  test("given starts are all taken, moved and turned as far as the jitter goes, the same for one seed", async () => {
    const states = [[100, 100, 200, 220, 1], [400, 120, 300, 330, -2], [250, 450, 180, 260, 0.5]];
    const starts = { states, jitterPx: 5, jitterAngle: 0.05 };
    using env = await createPushT({ count: 600, starts, seed: 7, resetOrder: "angleFirst" });
    await env.reset();
    const poses = Array.from({ length: env.count }, (_, index) => env.pose(index));
    const taken = [0, 0, 0];
    const reach = [0, 0, 0, 0, 0];
    for (const { agentX, agentY, blockX, blockY, blockAngle } of poses) {
      const pose = [agentX, agentY, blockX, blockY, blockAngle];
      const nearest = states.findIndex((state) => state.every((value, place) => Math.abs(pose[place]! - value) <= (place === 4 ? 0.05 : 5)));
      expect(nearest).toBeGreaterThanOrEqual(0);
      taken[nearest]! += 1;
      for (const [place, value] of pose.entries()) reach[place] = Math.max(reach[place]!, Math.abs(value - states[nearest]![place]!));
    }
    // Binomial of 600 and a third: standard deviation 11.5.
    for (const count of taken) expect(Math.abs(count - 200)).toBeLessThan(50);
    for (const [place, far] of reach.entries()) expect(far).toBeGreaterThan(place === 4 ? 0.049 : 4.9);

    // The seed alone decides, also where the episode follows another.
    using later = await createPushT({ starts, seed: 6, maxSteps: 1, resetOrder: "angleFirst" });
    await later.reset();
    await later.stepChunk(later.actions);
    expect(later.pose()).toEqual(poses[0]);
    using still = await createPushT({ starts: { states: [states[1]!] }, resetOrder: "angleFirst" });
    await still.reset([99]);
    expect(Object.values(still.pose())).toEqual(states[1]);
  });

  test("reaching the point solves the reach task, from any seed", async () => {
    using env = await createPushT({ task: "reach", reach: { x: 100, y: 420 }, count: 16, actionSteps: 8, maxSteps: 50 });
    const result = await env.reset();
    const solved = new Set<number>();
    for (let chunk = 0; chunk < 5; chunk++) {
      for (let index = 0; index < env.actions.length; index += 2) env.actions.set([100, 420], index);
      await env.stepChunk(env.actions);
      for (let index = 0; index < 16; index++) if (result.terminated[index] === 1 && env.outcome(index).success) solved.add(index);
    }
    expect(solved.size).toBe(16);
    expect(env.name).toBe("pusht-reach");
  });

  test("an engine's memory is shared and given back to the byte, starts included", async () => {
    const memory = new LinearMemory();
    const env = await createPushT({ count: 8, memory, starts: { states: [[100, 100, 200, 200, 0]] } });
    expect(memory.liveBytes).toBeGreaterThan(0);
    await env.reset();
    expect(env.result.observations.buffer).toBe(memory.memory.buffer);
    env.close();
    env.close();
    expect(memory.liveBytes).toBe(0);
  });

  test("a thousand chunks allocate nothing", async () => {
    const memory = new LinearMemory();
    using env = await createPushT({ count: 4, actionSteps: 4, memory, maxSteps: 20 });
    await env.reset();
    const before = [memory.liveBytes, memory.peakBytes, memory.memory.buffer.byteLength];
    const random = new PhiloxStream(3);
    const first = env.result;
    for (let chunk = 0; chunk < 1000; chunk++) {
      randomActions(env, random);
      expect(env.stepChunk(env.actions)).toBe(first);
    }
    expect([memory.liveBytes, memory.peakBytes, memory.memory.buffer.byteLength]).toEqual(before);
  });

  test("images are the reference's scene at any side, opaque, with the target where it is asked for", async () => {
    const memory = new LinearMemory();
    using env = await createPushT({ memory });
    await env.resetTo([128, 384, 400, 100, 0]);
    const before = memory.liveBytes;
    for (const side of [96, 680]) {
      const { width, height, pixels } = env.image(0, { side });
      expect([width, height, pixels.length]).toEqual([side, side, side * side * 4]);
      expect(pixels.every((value, index) => index % 4 !== 3 || value === 255)).toBe(true);
      const pixel = (x: number, y: number) => [...pixels.subarray((Math.floor((y / 512) * side) * side + Math.floor((x / 512) * side)) * 4).subarray(0, 3)];
      const { agentX, agentY } = env.pose();
      expect(pixel(agentX, agentY)).toEqual([78, 126, 255]);
      expect(pixel(235, 277)).toEqual([144, 238, 144]);
      expect(pixel(300, 450)).toEqual([255, 255, 255]);
    }
    const marked = env.image(0, { side: 680, target: [256, 450] }).pixels;
    expect([...marked.subarray((597 * 680 + 340) * 4, (597 * 680 + 340) * 4 + 3)]).toEqual([255, 0, 0]);
    expect(memory.liveBytes).toBe(before);
    expect(() => env.image(0, { side: 0 })).toThrow(expect.objectContaining({ code: "OPTION" }));
    expect(env.render(0, 200).pixels.length).toBe(200 * 200 * 4);
  });
});

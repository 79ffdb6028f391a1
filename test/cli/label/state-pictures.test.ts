import { expect, test } from "vitest";
import { paintMap, statePainter } from "../../../src/cli/label/state-pictures.js";
import { drawPushT } from "../../../src/envs/drawing/pusht.js";
import type { Image } from "../../../src/envs/environment.js";
import { createAvoid } from "../../../src/envs/avoid.js";
import { createPushT } from "../../../src/envs/pusht.js";

/** Share of the pixels that differ visibly. */
function difference(a: Image, b: Image): number {
  expect([a.width, a.height]).toEqual([b.width, b.height]);
  let count = 0;
  for (let at = 0; at < a.pixels.length; at += 4) {
    if ([0, 1, 2].some((channel) => Math.abs(a.pixels[at + channel]! - b.pixels[at + channel]!) > 24)) count += 1;
  }
  return (4 * count) / a.pixels.length;
}

test.each(["state", "keypoints", "corners"] as const)("Push-T is drawn as it stands, from the %s that a policy sees", async (observation) => {
  using env = await createPushT({ count: 3, observation, threads: 1 });
  const { observations } = await env.reset([1, 2, 3]);
  const painter = statePainter("pusht", env.observationSpace.names);
  for (const index of [0, 1, 2]) {
    const { size } = env.observationSpace;
    const picture = painter.paint(observations.slice(index * size, (index + 1) * size), 0);
    expect(difference(picture, drawPushT({ pose: env.pose(index) }, 512))).toBeLessThan(1e-3);
    expect(difference(picture, drawPushT({ pose: env.pose((index + 1) % 3) }, 512))).toBeGreaterThan(0.02);
  }
});

test("a clip shows the way of the agent, one state does not", async () => {
  using env = await createPushT({ count: 1, threads: 1 });
  const { observations } = await env.reset([1]);
  const painter = statePainter("pusht", env.observationSpace.names);
  const second = observations.map((value, at) => (at < 2 ? value + 80 : value));
  const clip = Float32Array.of(...observations, ...second);
  expect(painter.paint(clip, 0)).not.toEqual(painter.paint(observations.slice(), 0));
  expect(painter.describe(clip)).toMatch(/^From agentX .* to agentX .*, 2 states$/);
});

test("Avoid is drawn with the hand, and states without what a picture needs are refused", async () => {
  using env = await createAvoid({ count: 1, threads: 1, physics: "planar" });
  const { observations } = await env.reset([1]);
  const names = env.observationSpace.names;
  expect(statePainter("avoid", names).paint(observations.slice(), 0).width).toBe(512);
  expect(() => statePainter("pusht", names)).toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringContaining("agentX") as string }) as Error);
});

test("a map is red where the reward is low and blue where it is high, with dots at the places", () => {
  const grid = { x: [64, 192, 320, 448], y: [128, 384], values: [[-1, -1, 1, 1], [0, 0, 0, 0]] };
  const { width, height, pixels } = paintMap(grid, [320, 128]);
  expect([width, height]).toEqual([512, 256]);
  const at = (x: number, y: number): number[] => [...pixels.subarray(4 * (y * width + x), 4 * (y * width + x) + 3)];
  const [low, high, dot, none] = [at(10, 10), at(500, 10), at(320, 64), at(10, 200)] as [number[], number[], number[], number[]];
  expect(low[0]! - low[2]!).toBeGreaterThan(80);
  expect(high[2]! - high[0]!).toBeGreaterThan(80);
  expect(Math.max(...none) - Math.min(...none)).toBeLessThan(10);
  expect(dot[2]).toBeLessThan(high[2]!);
});

import { expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { scriptedAnnotator } from "../../src/preference/annotators.js";
import { rankCorrelation } from "../../src/preference/calibration.js";
import type { PreferencePair } from "../../src/preference/pair-store.js";
import { avoidBoxTask, compileTask } from "../../src/preference/preference-task.js";
import { drawQueries } from "../../src/preference/queries.js";
import { rewardMap } from "../../src/preference/reward-model.js";
import { featureStatistics, trainReward } from "../../src/preference/reward-training.js";
import { splitPairs } from "../../src/preference/split-pairs.js";
import { deviceFor } from "../kernels/harness.js";

/** The acceptance of the specification (4.4, test 8 of section 11): 1024 scripted pairs of end-effector places, and the map that is learned from them. */
test("the reward learned from 1024 scripted pairs is low in the forbidden box, high around it, and small where nobody was", async () => {
  const columns = ["agentX", "agentY"];
  const task = await compileTask(avoidBoxTask({ x0: 330, y0: 300, x1: 470, y1: 440 }), columns);
  // Two routes, one through the box and one past it, as rollouts of a policy take them.
  const random = new PhiloxStream(17);
  const count = 2500;
  const places = Array.from({ length: count }, (_, at) => {
    const along = random.uniform();
    const [x, y] = at % 2 === 0 ? [200 + 240 * along, 160 + 240 * along] : [200 - 60 * along, 160 + 260 * along];
    return [x + 22 * random.normal(), y + 22 * random.normal()] as const;
  });
  const raw = Float32Array.from(places.flat());
  const features = Float32Array.from(places.flatMap((_, row) => [...task.feature(raw, row)]));
  const drawn = await drawQueries({ features, width: 2 }, { strategy: "uniform", count: 1024, seed: 1, round: 0 });
  const annotator = scriptedAnnotator(task);
  const pairs: PreferencePair[] = [];
  for (const [id, [a, b]] of drawn.entries()) {
    const [states0, states1] = [raw.slice(2 * a, 2 * a + 2), raw.slice(2 * b, 2 * b + 2)];
    const label = await annotator.annotate({ query: id, states0, states1 });
    if (label === "skip") continue;
    pairs.push({
      id, horizon: 1, label, states0, states1, features0: features.slice(2 * a, 2 * a + 2), features1: features.slice(2 * b, 2 * b + 2),
      annotator: annotator.name, round: 0, timestampMs: 0, source: { episode0: a, step0: 0, episode1: b, step1: 0 },
    });
  }
  const device = await deviceFor("wasm");
  // Ending at 97 % right leaves the rewards small, and a weaker anchor lets those far from all states grow.
  const training = trainReward(device, { features: task.features, ...splitPairs(pairs) }, {
    hidden: [128, 128], epochs: 60, accuracy: 1, statistics: featureStatistics(features, 2), anchor: { low: [-1, -1], high: [1, 1], weight: 0.3 }, seed: 2,
  });
  for await (const event of training) expect(event.validationAccuracy).toBeGreaterThan(0.5);
  using scorer = await (await training.model()).on(device);
  const map = await rewardMap(scorer, (x, y) => task.feature([x, y], 0), { x: [0, 512], y: [0, 512] });
  const isInside = (x: number, y: number): boolean => task.score([x, y], 0) === -1;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const cells = map.y.flatMap((y, row) => map.x.map((x, column) => ({ x, y, reward: map.values[row]![column]! })));
  const sampled = await scorer.rewards(features);
  const far = cells.filter(({ x, y }) => places.every(([px, py]) => Math.hypot(px - x, py - y) > 60));
  const visited = places.map(([x, y], row) => ({ x, y, reward: sampled[row]! }));
  expect(far.length).toBeGreaterThan(300);
  const inside = mean(visited.filter(({ x, y }) => isInside(x, y)).map(({ reward }) => reward));
  const outside = mean(visited.filter(({ x, y }) => !isInside(x, y)).map(({ reward }) => reward));
  const box = mean(cells.filter(({ x, y }) => isInside(x, y)).map(({ reward }) => reward));
  expect(inside).toBeLessThan(-0.5);
  expect(box).toBeLessThan(-0.5);
  expect(outside).toBeGreaterThan(0.3);
  expect(mean(far.map(({ reward }) => Math.abs(reward)))).toBeLessThan(0.35);
  const scores = places.map((_, row) => task.score(raw, row));
  expect(rankCorrelation(sampled, scores)).toBeGreaterThan(0.9);
});

import { expect, test } from "vitest";
import { environmentNames } from "../../src/envs/registry.js";
import { rolloutHash } from "./rollout.js";

test.each(environmentNames)("%s gives the same bits on 1, 2 and 4 threads", async (name) => {
  const options = { count: 37, actionSteps: 5, observationSteps: 2, maxSteps: 60 };
  const alone = await rolloutHash(name, { ...options, threads: 1 }, 40);
  for (const threads of [2, 4]) expect(await rolloutHash(name, { ...options, threads }, 40)).toBe(alone);
});

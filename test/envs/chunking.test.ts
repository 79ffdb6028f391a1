import { describe, expect, test } from "vitest";
import { resolveChunking, selectExecuted } from "../../src/envs/index.js";

describe("chunking", () => {
  test("the first executed action belongs to the newest observation", () => {
    expect(resolveChunking({ horizon: 4, actionSteps: 4 }).firstAction).toBe(0);
    expect(resolveChunking({ observationSteps: 2, horizon: 16, actionSteps: 8 }).firstAction).toBe(1);
    expect(resolveChunking({ observationSteps: 2, horizon: 16, actionSteps: 16, horizonStart: "newest" }).firstAction).toBe(0);
  });

  test("more actions than the horizon leaves are refused, both options named", () => {
    expect(() => resolveChunking({ observationSteps: 2, horizon: 8, actionSteps: 8 })).toThrow(
      "actionSteps is 8, but horizon 8 with observationSteps 2 leaves 7 actions to execute. The rule is actionSteps <= horizon - observationSteps + 1.",
    );
    expect(() => resolveChunking({ observationSteps: 4, horizon: 3, actionSteps: 1 })).toThrow(/leaves 0 actions/);
    expect(resolveChunking({ observationSteps: 2, horizon: 8, actionSteps: 7 }).actionSteps).toBe(7);
  });

  test("selection copies the executed window of every row", () => {
    const chunking = resolveChunking({ observationSteps: 2, horizon: 4, actionSteps: 2 });
    const executed = new Float32Array(8);
    selectExecuted(Float32Array.from({ length: 16 }, (_, index) => index), executed, chunking, 2);
    expect([...executed]).toEqual([2, 3, 4, 5, 10, 11, 12, 13]);
    expect(() => { selectExecuted(new Float32Array(15), executed, chunking, 2); }).toThrow(expect.objectContaining({ code: "SHAPE" }));
  });
});

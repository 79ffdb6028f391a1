import { describe, expect, test } from "vitest";
import { PhiloxStream } from "../../src/core/philox.js";
import { scriptedAnnotator } from "../../src/preference/annotators.js";
import { avoidBoxTask, compileTask, stackAlignmentTask, stackDistanceTask, type TaskDescription } from "../../src/preference/preference-task.js";

describe("a task of expressions", () => {
  const columns = ["x", "y"];
  /** As it stands in a file. */
  const text = '{ "name": "right is better", "features": ["(x - 256) / 256", "x * y"], "score": "x > 330 and y > 300 ? -1 : 0", "tieWidth": 0.05 }';

  test("given as JSON computes features and score of any row, and a scripted annotator goes by it", async () => {
    const task = await compileTask(JSON.parse(text) as TaskDescription, columns);
    const states = Float32Array.of(512, 300, 331, 301);
    expect(task.features).toEqual(["(x - 256) / 256", "x * y"]);
    expect([task.feature(states, 0), task.feature(states, 1)]).toEqual([[1, 153_600], [75 / 256, 331 * 301]]);
    expect([task.score(states, 0), task.score(states, 1)]).toEqual([0, -1]);
    expect(task.tieWidth).toBe(0.05);
    const annotator = scriptedAnnotator(task);
    expect(annotator.name).toBe("right is better");
    expect(await annotator.annotate({ query: 0, states0: states.subarray(0, 2), states1: states.subarray(2) })).toBe(0);
    expect(await annotator.annotate({ query: 1, states0: states.subarray(0, 2), states1: states.subarray(0, 2) })).toBe(-1);
  });

  test("tells which columns its features read, in their order, not those of the score", async () => {
    expect((await compileTask({ name: "n", features: ["y", "y + 1"], score: "x" }, columns)).featureColumns).toEqual(["y"]);
    expect((await compileTask({ name: "n", features: ["y", "x"], score: "1" }, columns)).featureColumns).toEqual(["x", "y"]);
  });

  test.each([
    [{ name: "n", features: ["x"] }, /only people/],
    [{ name: "", features: ["x"], score: "x" }, /"name"/],
    [{ name: "n", features: [], score: "x" }, /"features"/],
    [{ name: "n", features: ["x"], score: "x", tieWidth: -1 }, /"tieWidth"/],
    [{ name: "n", features: ["x"], score: "x", tiewidth: 1 }, /Did you mean "tieWidth"/],
    [{ name: "n", features: ["z"], score: "x" }, /names "z"/],
    [{ name: "n", features: ["x"], score: "f(a) = a" }, /contains/],
    [{ name: "n", features: ["x"], score: "constructor" }, /names "constructor"/],
  ])("refuses %j", async (description, message) => {
    const compiled = compileTask(description, columns);
    await expect(compiled).rejects.toThrow(message);
    await expect(compiled).rejects.toMatchObject({ code: "OPTION" });
  });
});

describe("the tasks of the specification", () => {
  test("the forbidden box scores −1 inside, and the distance outside up to 1", async () => {
    const task = await compileTask(avoidBoxTask({ x0: 330, y0: 300, x1: 470, y1: 440 }), ["blockX", "agentX", "agentY"]);
    const states = [0, 400, 400, 0, 330, 440, 0, 300, 260, 0, 470, 450, 0, 0, 0];
    expect(Array.from({ length: 5 }, (_, row) => task.score(states, row))).toEqual([-1, -1, 50 / 150, 10 / 150, 1]);
    expect(task.feature(states, 4)).toEqual([-1, -1]);
    expect(task.feature([0, 512, 256], 0)).toEqual([1, 0]);
    expect(task.featureColumns).toEqual(["agentX", "agentY"]);
    await expect(compileTask(avoidBoxTask({ x0: 0, y0: 0, x1: 1, y1: 1 }), ["x"])).rejects.toThrow(/agentX/);
  });

  test("the forbidden box may lie beyond the origin", async () => {
    const task = await compileTask(avoidBoxTask({ x0: -50, y0: -40, x1: -20, y1: -10 }, { reach: 30 }), ["agentX", "agentY"]);
    expect([task.score([-30, -20], 0), task.score([-5, -10], 0), task.score([-20, 5], 0)]).toEqual([-1, 0.5, 0.5]);
  });

  const columns = ["redToGreenX", "redToGreenY", "redToGreenZ", "held", "redYawSin", "redYawCos", "greenYawSin", "greenYawCos"];

  test("stacking distance is horizontal", async () => {
    const task = await compileTask(stackDistanceTask, columns);
    expect(task.score([3, 4, 100, 1, 0, 1, 0, 1], 0)).toBe(-5);
    expect(task.feature([3, 4, 100, 1, 0, 1, 0, 1], 0)).toEqual([3, 4, 100, 1]);
  });

  test("alignment is folded to 0 … 90 degrees, whatever the turns", async () => {
    const task = await compileTask(stackAlignmentTask, columns);
    const random = new PhiloxStream(3);
    for (let turn = 0; turn < 200; turn++) {
      const [red, green] = [(random.uniform() - 0.5) * 20, (random.uniform() - 0.5) * 20];
      const state = [0.1, 0.2, 0.3, 1, Math.sin(red), Math.cos(red), Math.sin(green), Math.cos(green)];
      const difference = ((((red - green) * 180) / Math.PI) % 180 + 180) % 180;
      expect(task.score(state, 0)).toBeCloseTo(-Math.min(difference, 180 - difference), 5);
      expect(task.feature(state, 0)[0]).toBeCloseTo(Math.sin(2 * (red - green)), 9);
      expect(task.feature(state, 0)).toHaveLength(task.features.length);
    }
  });
});

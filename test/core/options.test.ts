import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { DifftuneError } from "../../src/core/errors.js";
import { finiteNumber, nearestName, oneOf, parseOptions, wholeNumber } from "../../src/core/options.js";

const schema = v.strictObject({
  count: v.optional(wholeNumber(1, 100), 4),
  rate: v.optional(finiteNumber(0, 1), 0.5),
  physics: v.optional(oneOf(["arm", "planar"]), "arm"),
  box: v.optional(v.strictObject({ low: finiteNumber(0, 1), high: finiteNumber(0, 1) })),
});

function refusal(given: unknown): DifftuneError {
  try {
    parseOptions(schema, given, "createThing");
  } catch (error) {
    if (error instanceof DifftuneError) return error;
    throw error;
  }
  throw new Error("accepted");
}

describe("options", () => {
  test("defaults are filled in and the result is frozen, nested objects too", () => {
    const box = { low: 0, high: 1 };
    const options = parseOptions(schema, { box }, "createThing");
    expect(options).toEqual({ count: 4, rate: 0.5, physics: "arm", box: { low: 0, high: 1 } });
    expect(Object.isFrozen(options)).toBe(true);
    expect(Object.isFrozen(options.box)).toBe(true);
    expect(Object.isFrozen(box)).toBe(false);
    expect(parseOptions(schema, undefined, "createThing").count).toBe(4);
  });

  test("an unknown option is refused with the nearest known name", () => {
    const error = refusal({ cuont: 3 });
    expect(error.code).toBe("OPTION");
    expect(error.path).toBe("cuont");
    expect(error.message).toBe('createThing has no option "cuont". Did you mean "count"?');
    expect(refusal({ box: { low: 0, hihg: 1 } }).message).toContain('Did you mean "high"?');
    expect(refusal({ completelyDifferent: 1 }).message).toContain("The options are count, rate, physics, box.");
  });

  test("what the caller gives is not frozen, whatever it is", () => {
    const chooser = { choose: () => "main" };
    const withChooser = v.strictObject({ chooser: v.custom<typeof chooser>((value) => typeof value === "object"), box: v.strictObject({ low: finiteNumber(0, 1) }) });
    const given = { chooser, box: { low: 0 } };
    const options = parseOptions(withChooser, given, "createThing");
    expect(options.chooser).toBe(chooser);
    expect(Object.isFrozen(options.box)).toBe(true);
    for (const value of [given, chooser, given.box]) expect(Object.isFrozen(value)).toBe(false);
  });

  test("an unknown option inside a choice is answered by the names of all its forms", () => {
    const choice = v.strictObject({ sampler: v.variant("kind", [
      v.strictObject({ kind: v.literal("all") }),
      v.strictObject({ kind: v.literal("some"), stepCount: wholeNumber(1, 9) }),
    ]) });
    const parse = (): unknown => parseOptions(choice, { sampler: { kind: "some", stepCount: 3, stepCuont: 4 } }, "createThing");
    expect(parse).toThrow('createThing has no option "sampler.stepCuont". Did you mean "stepCount"?');
  });

  test.each([
    [{ count: 0 }, "count"],
    [{ count: 1.5 }, "count"],
    [{ count: Number.NaN }, "count"],
    [{ count: "4" }, "count"],
    [{ rate: Number.POSITIVE_INFINITY }, "rate"],
    [{ rate: -0.1 }, "rate"],
    [{ physics: "legs" }, "physics"],
    [{ box: { low: 0 } }, "box.high"],
    [{ box: { low: 0, high: 2 } }, "box.high"],
  ])("%j is refused by name", (given, path) => {
    const error = refusal(given);
    expect(error.code).toBe("OPTION");
    expect(error.path).toBe(path);
    expect(error.message).toContain(`"${path}"`);
  });

  test.each([[3], ["text"], [[1]]])("%j is no set of options", (given) => {
    expect(refusal(given).code).toBe("OPTION");
  });

  test("the nearest name forgives a slip, not another word", () => {
    expect(nearestName("thread", ["threads", "seed"])).toBe("threads");
    expect(nearestName("MaxSteps", ["maxSteps"])).toBe("maxSteps");
    expect(nearestName("teh", ["the", "other"])).toBe("the");
    expect(nearestName("goal", ["count", "threads"])).toBeUndefined();
  });
});

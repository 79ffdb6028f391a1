import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { flagsOf, gatherOptions, type OptionSources } from "../../src/cli/schema-arguments.js";
import { finiteNumber, oneOf, parseOptions, wholeNumber } from "../../src/core/options.js";

const schema = v.strictObject({
  iterations: v.optional(v.pipe(wholeNumber(1, 1000), v.description("How often.")), 51),
  rate: v.pipe(v.optional(finiteNumber(0, 1), 1e-3), v.description("How fast.")),
  targetKl: v.optional(v.nullable(finiteNumber(0, 10)), null),
  useLayerNorm: v.optional(v.boolean("It must be true or false."), true),
  reward: v.optional(oneOf(["m5", "plain"]), "m5"),
  clip: v.optional(v.strictObject({ first: v.optional(finiteNumber(0, 1), 0.01), last: v.optional(finiteNumber(0, 1), 0.02) }), {}),
  network: v.variant("kind", [
    v.strictObject({ kind: v.literal("mlp"), hidden: v.optional(v.array(wholeNumber(1, 1024)), [256]) }),
    v.strictObject({ kind: v.literal("gmm"), hidden: v.optional(v.array(wholeNumber(1, 1024)), [256]), components: wholeNumber(1, 9) }),
  ]),
  modes: v.optional(v.union([v.picklist(["M1", "M2"]), v.array(v.picklist(["125", "126"]))]), "M1"),
  signal: v.optional(v.instance(AbortSignal)),
});

const flags = flagsOf(schema);
const flag = (name: string): (typeof flags)[number] | undefined => flags.find((known) => known.name === name);

function read(sources: Partial<OptionSources>): ReturnType<typeof parse> {
  return parse(gatherOptions(flags, { variables: {}, words: {}, ...sources }));
}
const parse = (given: unknown) => parseOptions(schema, given, "test");

describe("flags of a schema", () => {
  test("are named after its options, nested ones with dots; what no text can give is left out", () => {
    expect(flags.map(({ name }) => name)).toEqual([
      "iterations", "rate", "target-kl", "use-layer-norm", "reward", "clip.first", "clip.last", "network.kind", "network.hidden", "network.components", "modes",
    ]);
  });

  test("carry description, default and shape, wherever the schema says them", () => {
    expect(flag("iterations")).toMatchObject({ description: "How often.", defaultText: "51", shape: "NUMBER", variable: "DIFFTUNE_ITERATIONS", isRequired: false });
    expect(flag("rate")).toMatchObject({ description: "How fast.", defaultText: "0.001" });
    expect(flag("target-kl")).toMatchObject({ shape: "NUMBER|none", variable: "DIFFTUNE_TARGET_KL" });
    expect(flag("use-layer-norm")).toMatchObject({ isSwitch: true });
    expect(flag("clip.last")).toMatchObject({ defaultText: "0.02", variable: "DIFFTUNE_CLIP_LAST" });
    expect(flag("network.kind")).toMatchObject({ shape: "mlp|gmm", isRequired: true });
    expect(flag("network.hidden")).toMatchObject({ shape: "NUMBER,...", defaultText: "256" });
    expect(flag("network.components")).toMatchObject({ description: "(gmm)", isRequired: false });
    expect(flag("modes")).toMatchObject({ shape: "M1|M2|125|126,..." });
  });

  test("that several kinds share as a set are told one by one", () => {
    const process = v.strictObject({ steps: v.pipe(wholeNumber(1, 9), v.description("K.")) });
    const shared = flagsOf(v.strictObject({
      network: v.variant("kind", [
        v.strictObject({ kind: v.literal("mlp"), process }), v.strictObject({ kind: v.literal("unet"), process }), v.strictObject({ kind: v.literal("gmm") }),
      ]),
    }));
    expect(shared.map(({ name, description }) => [name, description])).toEqual([["network.kind", "Which kind; each has options of its own."], ["network.process.steps", "K. (mlp, unet)"]]);
  });

  test("below a prefix", () => {
    expect(flagsOf(schema, "env")[0]).toMatchObject({ name: "env.iterations", path: ["env", "iterations"], variable: "DIFFTUNE_ENV_ITERATIONS" });
  });
});

describe("values", () => {
  test("are read by the schema: numbers, lists, none, words, switches, members of a choice", () => {
    const words = {
      "rate": "1e-2", "target-kl": "none", "use-layer-norm": false, "reward": "plain", "clip.last": "0.5",
      "network.kind": "gmm", "network.hidden": "64,32", "network.components": "5", "modes": "125,126",
    };
    expect(read({ words })).toEqual({
      iterations: 51, rate: 0.01, targetKl: null, useLayerNorm: false, reward: "plain", clip: { first: 0.01, last: 0.5 },
      network: { kind: "gmm", hidden: [64, 32], components: 5 }, modes: ["125", "126"],
    });
    expect(read({ words: { "network.kind": "mlp", "modes": "M2" } })).toMatchObject({ modes: "M2" });
  });

  test("of the file give way to variables, these to the words; nested ones are merged", () => {
    const file = { path: "o.json", text: '{"iterations":1,"rate":0.1,"reward":"plain","clip":{"first":0.3,"last":0.3},"network":{"kind":"mlp"}}' };
    const variables = { DIFFTUNE_ITERATIONS: "2", DIFFTUNE_RATE: "0.2", DIFFTUNE_CLIP_LAST: "0.4", DIFFTUNE_OTHER: "x" };
    expect(read({ file, variables, words: { iterations: "3" } })).toMatchObject({ iterations: 3, rate: 0.2, reward: "plain", clip: { first: 0.3, last: 0.4 } });
  });

  test("lie over a base, and another kind drops what belonged to the kind before", () => {
    const base = { iterations: 9, rate: 0.9, network: { kind: "gmm", components: 3, hidden: [8] } };
    expect(read({ base, words: { rate: "0.5", "network.hidden": "16" } })).toMatchObject({ iterations: 9, rate: 0.5, network: { kind: "gmm", components: 3, hidden: [16] } });
    expect(read({ base, words: { "network.kind": "mlp" } }).network).toEqual({ kind: "mlp", hidden: [256] });
    expect(read({ base, file: { path: "o.json", text: '{"network":{"kind":"mlp","hidden":[4]}}' } }).network).toEqual({ kind: "mlp", hidden: [4] });
    expect(base.network.components).toBe(3);
  });

  test.each([
    [{ "rate": "fast" }, /"rate" is "fast". It must be a finite number from 0 to 1/],
    [{ "iterations": "" }, /"iterations" is ""/],
    [{ "clip.last": "2" }, /"clip.last" is 2/],
    [{ "network.hidden": "64,x" }, /"network.hidden.1" is "x"/],
    [{ "use-layer-norm": "maybe" }, /"useLayerNorm" is "maybe". It must be true or false/],
    [{ "network.kind": "cnn" }, /network/],
  ])("that make no sense are refused by the schema: %j", (words, message) => {
    expect(() => read({ words: { "network.kind": "mlp", ...words } })).toThrow(expect.objectContaining({ code: "OPTION", message: expect.stringMatching(message) as string }));
  });

  test("of a file that is no object are refused with its path; unknown ones with the nearest name", () => {
    for (const text of ["[1]", "{", "3"]) expect(() => read({ file: { path: "o.json", text } })).toThrow(expect.objectContaining({ code: "FORMAT", path: "o.json" }));
    expect(() => read({ file: { path: "o.json", text: '{"iteration":1,"network":{"kind":"mlp"}}' } })).toThrow(/Did you mean "iterations"/);
  });
});

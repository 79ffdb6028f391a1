import { describe, expect, it } from "vitest";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";
import type { OptimizerArguments } from "../golden-runner/policies.ts";
import { clampToQuantiles, generalizedAdvantages, normalizeAdvantages } from "./advantages.ts";
import { adamStep, clipScale, globalNorm, type AdamState } from "./optimizer.ts";
import { initialRewardScale, scaleRewards } from "./reward-scale.ts";

const exact = { relative: 1e-12 };

describe("advantages", () => {
  const golden = GoldenFile.open("dppo/gae");
  it.each(golden.groups())("equal the golden case %s", (name) => {
    const group = golden.below(name);
    const [gamma, lambda, rewardScale] = group.values("gamma_lambda_scale") as unknown as [number, number, number];
    const { advantages, returns } = generalizedAdvantages({
      rewards: group.values("rewards"),
      values: group.values("values"),
      lastValues: group.values("last_values"),
      terminated: group.values("terminated"),
      gamma,
      lambda,
      rewardScale,
    });
    expectClose(advantages, group.values("advantages"), exact, "advantages");
    expectClose(returns, group.values("returns"), exact, "returns");
  });

  it("are normalised with the sample deviation", () => {
    expectClose(normalizeAdvantages([1, 2, 3]), [-1, 0, 1], { relative: 2e-8 });
  });

  it("are clamped to interpolated quantiles", () => {
    expect([...clampToQuantiles([4, 0, 3, 1, 2], 0.1, 0.9)]).toEqual([3.6, 0.4, 3, 1, 2]);
    expect([...clampToQuantiles([4, 0, 3], 0, 1)]).toEqual([4, 0, 3]);
  });
});

describe("reward scale", () => {
  const golden = GoldenFile.open("dppo/reward_scaler");
  const clipCase = golden.json("clip_case") as { cliprew: number; gamma: number };
  it.each(golden.groups())("follows the golden calls of case %s", (name) => {
    const [gamma, clip] = name === "clip" ? [clipCase.gamma, clipCase.cliprew] : [0.99, 10];
    let state = initialRewardScale(golden.shape(`${name}.call0.reward`)[0]!);
    for (let k = 0; golden.has(`${name}.call${k}.reward`); k++) {
      const call = golden.below(`${name}.call${k}`);
      const next = scaleRewards(state, call.values("reward"), call.values("first"), gamma, clip);
      state = next.state;
      expectClose(next.scaled, call.values("out"), exact, `rewards of call ${k}`);
      expectClose([state.mean], [call.scalar("mean")], exact, "mean");
      expectClose([state.variance], [call.scalar("var")], exact, "variance");
      expectClose([state.count], [call.scalar("count")], exact, "count");
      expectClose(state.returns, call.values("ret"), exact, "returns");
    }
  });
});

describe("optimiser", () => {
  const golden = GoldenFile.open("dppo/optimizer");
  const cases = golden.json("cases") as Record<string, OptimizerArguments>;
  it.each(Object.keys(cases))("follows the golden steps of %s", (name) => {
    const { kind, lr, betas, eps, weight_decay } = cases[name]!;
    const group = golden.below(`${name}.f64`);
    const start = group.values("p0");
    let state: AdamState = { parameters: start, m: start.map(() => 0), v: start.map(() => 0) };
    let k = 0;
    for (; group.has(`g${k}`); k++) {
      state = adamStep(state, group.values(`g${k}`), k + 1, {
        rate: lr,
        beta1: betas[0],
        beta2: betas[1],
        epsilon: eps,
        weightDecay: weight_decay,
        isDecoupled: kind === "AdamW",
      });
      expectClose(state.parameters, group.values(`p${k + 1}`), exact, `parameters after step ${k + 1}`);
    }
    expect(k).toBeGreaterThan(1);
    expectClose(state.m, group.values("exp_avg"), exact, "first moment");
    expectClose(state.v, group.values("exp_avg_sq"), exact, "second moment");
  });

  it.each(golden.groups().filter((name) => name.startsWith("clip")))("clips the global norm as %s", () => {
    for (const name of golden.names().filter((tensor) => tensor.endsWith(".norm"))) {
      const prefix = name.slice(0, -".norm".length);
      const group = golden.below(prefix);
      const gradients = [group.values("g0"), group.values("g1")];
      const norm = globalNorm(gradients);
      expectClose([norm], [group.scalar("norm")], exact, "norm");
      const scale = clipScale(norm, Number(prefix.slice("clip".length)));
      for (const [i, gradient] of gradients.entries()) {
        expectClose(gradient.map((g) => g * scale), group.values(`out${i}`), exact, `gradient ${i}`);
      }
    }
  });
});

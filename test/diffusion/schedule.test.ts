import { describe, expect, it } from "vitest";
import { DifftuneError } from "../../src/core/errors.ts";
import {
  ddimSchedule,
  ddpmSchedule,
  denoisingSteps,
  samplingStd,
  type DdimSchedule,
  type DdpmSchedule,
} from "../../src/diffusion/schedule.ts";
import { expectClose } from "../close.ts";
import { GoldenFile } from "../golden-runner/golden-file.ts";

const golden = GoldenFile.open("dppo/schedule");
const alignment = GoldenFile.open("alignment/schedules");

const ddpmNames: Readonly<Record<string, keyof DdpmSchedule>> = {
  betas: "betas",
  alphas: "alphas",
  alphas_cumprod: "alphasCumprod",
  alphas_cumprod_prev: "alphasCumprodPrevious",
  sqrt_alphas_cumprod: "sqrtAlphasCumprod",
  sqrt_one_minus_alphas_cumprod: "sqrtOneMinusAlphasCumprod",
  sqrt_recip_alphas_cumprod: "sqrtRecipAlphasCumprod",
  sqrt_recipm1_alphas_cumprod: "sqrtRecipMinusOneAlphasCumprod",
  ddpm_var: "posteriorVariance",
  ddpm_logvar_clipped: "posteriorLogVariance",
  ddpm_mu_coef1: "meanFromX0",
  ddpm_mu_coef2: "meanFromX",
  posterior_var: "posteriorVariance",
  mu_coef_x0: "meanFromX0",
  mu_coef_xt: "meanFromX",
};

const ddimNames: Readonly<Record<string, keyof DdimSchedule>> = {
  t: "timesteps",
  ddim_t: "timesteps",
  alpha: "alphas",
  ddim_alphas: "alphas",
  alpha_prev: "alphasPrevious",
  ddim_alphas_prev: "alphasPrevious",
};

describe("ddpm schedule", () => {
  const names = golden.names().filter((name) => /^K\d+\.f64\./.test(name));
  it("has golden tables to compare with", () => expect(names.length).toBeGreaterThan(50));
  it.each(names)("equals the golden table %s", (name) => {
    const [, count, table] = /^K(\d+)\.f64\.(.+)$/.exec(name)!;
    const tables = ddpmSchedule(Number(count));
    expectClose(tables[ddpmNames[table!]!], golden.values(name), { relative: 1e-12 }, name);
  });

  it("equals the golden 32-bit tables to their own precision", () => {
    for (const name of golden.names()) {
      const match = /^K(\d+)\.f32\.(.+)$/.exec(name);
      if (match === null) continue;
      const tables = ddpmSchedule(Number(match[1]));
      expectClose(Float32Array.from(tables[ddpmNames[match[2]!]!]), golden.values(name), { relative: 2e-5 }, name);
    }
  });

  it("equals the tables of the alignment file", () => {
    for (const name of alignment.names()) {
      const match = /^ddpm(\d+)\.(.+)$/.exec(name);
      if (match === null) continue;
      const tables = ddpmSchedule(Number(match[1]));
      expectClose(tables[ddpmNames[match[2]!]!], alignment.values(name), { relative: 1e-12 }, name);
    }
  });
});

describe("ddim schedule", () => {
  it("equals the golden tables", () => {
    let compared = 0;
    for (const name of golden.names()) {
      const match = /^K(\d+)\.ddim(\d+)\.f64\.(.+)$/.exec(name);
      if (match === null) continue;
      const [, K, n, table] = match;
      const eta = /_eta(.+)$/.exec(table!)?.[1];
      const tables = ddimSchedule(Number(K), Number(n), Number(eta ?? 1));
      const key = table!.startsWith("ft_sigma") ? "sigmas" : table!.startsWith("ft_dir") ? "directions" : ddimNames[table!];
      if (key === undefined) continue;
      expectClose(tables[key], golden.values(name), { relative: 1e-12 }, name);
      compared++;
    }
    expect(compared).toBeGreaterThan(40);
  });

  it("equals the tables of the alignment file, whose last sigma is 0 instead of 1e-10", () => {
    for (const name of alignment.names()) {
      const match = /^ddim(\d+)_(\d+)\.(.+)$/.exec(name);
      if (match === null) continue;
      const tables = ddimSchedule(Number(match[1]), Number(match[2]), 1);
      const key = match[3] === "sigma_eta1" ? "sigmas" : ddimNames[match[3]!]!;
      expectClose(tables[key], alignment.values(name), { relative: 1e-12, absolute: 1e-10 }, name);
    }
  });
});

describe("denoising steps", () => {
  it("run from the noisiest to the cleanest", () => {
    expect(denoisingSteps(4, { kind: "ddpm" }).map((step) => step.timestep)).toEqual([3, 2, 1, 0]);
    const ddim = denoisingSteps(100, { kind: "ddim", stepCount: 5, eta: 1 });
    expect(ddim.map((step) => step.timestep)).toEqual([80, 60, 40, 20, 0]);
    expect(denoisingSteps(7, { kind: "ddim", stepCount: 3, eta: 1 }).map((step) => step.timestep)).toEqual([4, 2, 0]);
  });

  it("reproduce x0 when the noise is known, and end on it", () => {
    for (const sampler of [{ kind: "ddpm" }, { kind: "ddim", stepCount: 5, eta: 1 }] as const) {
      const steps = denoisingSteps(20, sampler);
      const { sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod } = ddpmSchedule(20);
      for (const { timestep, x0FromX, x0FromNoise } of steps) {
        const x = sqrtAlphasCumprod[timestep]! * 0.3 + sqrtOneMinusAlphasCumprod[timestep]! * -1.7;
        expect(x0FromX * x - x0FromNoise * -1.7).toBeCloseTo(0.3, 11);
      }
      const last = steps.at(-1)!;
      expect(last.meanFromX0).toBeCloseTo(1, 12);
      expect(Math.abs(last.meanFromX) + last.meanFromNoise).toBeLessThan(1e-12);
      expect(last.std).toBeCloseTo(1e-10, 20);
    }
  });

  it("are sampled with the standard deviation of their mode", () => {
    const ddpm = denoisingSteps(20, { kind: "ddpm" });
    const stochastic = ddpm.map((step) => samplingStd(step, "ddpm", { floor: 0.1 }));
    expect(stochastic.at(-1)).toBe(0.1);
    expect(stochastic[0]).toBe(ddpm[0]!.std);
    const deterministic = ddpm.map((step) => samplingStd(step, "ddpm", "deterministic"));
    expect(deterministic.at(-1)).toBe(0);
    expect(deterministic.at(-2)).toBe(ddpm.at(-2)!.std);
    const ddim = denoisingSteps(20, { kind: "ddim", stepCount: 5, eta: 0 });
    expect(ddim.map((step) => samplingStd(step, "ddim", "deterministic"))).toEqual([0, 0, 0, 0, 0]);
    expect(ddim.map((step) => samplingStd(step, "ddim", { floor: 0.04 }))).toEqual([0.04, 0.04, 0.04, 0.04, 0.04]);
  });

  it.each([
    ["no steps", () => ddpmSchedule(0)],
    ["half a step", () => ddpmSchedule(1.5)],
    ["NaN steps", () => ddpmSchedule(NaN)],
    ["more steps than memory", () => ddpmSchedule(1e9)],
    ["more DDIM steps than DDPM steps", () => ddimSchedule(10, 11, 1)],
    ["no DDIM steps", () => ddimSchedule(10, 0, 1)],
    ["a negative eta", () => ddimSchedule(10, 5, -0.1)],
    ["an eta above 1", () => ddimSchedule(10, 5, 1.1)],
    ["a NaN eta", () => ddimSchedule(10, 5, NaN)],
  ])("refuses %s", (_, action) => {
    expect(action).toThrow(DifftuneError);
    expect(action).toThrow(expect.objectContaining({ code: "OPTION" }));
  });
});

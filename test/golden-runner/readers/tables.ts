import {
  ddimSchedule,
  ddpmSchedule,
  denoisingSteps,
  samplingStd,
  type DdimSchedule,
  type DdpmSchedule,
} from "../../../src/diffusion/schedule.ts";
import type { Device } from "../../../src/engine/device.ts";
import { warmupCosineRate } from "../../../src/nn/rate-schedule.ts";
import type { Reader } from "../reader.ts";
import { tolerances } from "../tolerances.ts";

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

/** Values of a table of the original by its name; square roots are not stored on our side. */
const ddimTables: Readonly<Record<string, (tables: DdimSchedule) => ArrayLike<number>>> = {
  t: (tables) => tables.timesteps,
  ddim_t: (tables) => tables.timesteps,
  alpha: (tables) => tables.alphas,
  ddim_alphas: (tables) => tables.alphas,
  ddim_alphas_sqrt: (tables) => tables.alphas.map(Math.sqrt),
  ddim_sqrt_one_minus_alphas: (tables) => tables.alphas.map((a) => Math.sqrt(1 - a)),
  alpha_prev: (tables) => tables.alphasPrevious,
  ddim_alphas_prev: (tables) => tables.alphasPrevious,
  ft_sigma: (tables) => tables.sigmas,
  sigma: (tables) => tables.sigmas,
  ft_dir_coef: (tables) => tables.directions,
};

/** The values as the engine holds them: written and read back. */
async function onDevice(device: Device, values: ArrayLike<number>): Promise<Float32Array> {
  const tensor = device.tensor([values.length], { label: "table", data: values });
  const held = await device.read(tensor);
  device.free(tensor);
  return held;
}

/** `schedule` of dppo: `K<K>.<f64|f32>.<table>`, `K<K>.ddim<n>.<f64|f32>.<table>[_eta<η>]`. */
export const readSchedule: Reader = async (golden, device, comparison) => {
  for (const name of golden.names()) {
    const match = /^K(\d+)\.(?:ddim(\d+)\.)?(f64|f32)\.(.+?)(?:_eta([\d.]+))?$/.exec(name);
    const [, K, n, precision, table, eta] = match ?? [];
    const values = match === null ? undefined : tableOf(Number(K), n, table!, eta);
    if (values === undefined) {
      comparison.unread(name, "the package has no such table");
      continue;
    }
    const kind = n === undefined ? "DDPM" : "DDIM";
    const tolerance = precision === "f64" ? tolerances.dppo.table : tolerances.dppo.tableOf32Bits;
    comparison.add(`${kind} tables, ${precision}`, await onDevice(device, values), golden.values(name), tolerance, name);
  }
};

function tableOf(K: number, n: string | undefined, table: string, eta: string | undefined): ArrayLike<number> | undefined {
  if (n !== undefined && table === "ddim_sigmas") {
    // Of the supervised sampler, which is deterministic.
    const steps = denoisingSteps(K, { kind: "ddim", stepCount: Number(n), eta: 0 });
    return steps.map((step) => samplingStd(step, "ddim", "deterministic"));
  }
  if (n !== undefined) return ddimTables[table]?.(ddimSchedule(K, Number(n), Number(eta ?? 1)));
  const key = ddpmNames[table];
  return key && ddpmSchedule(K)[key];
}

/** `schedules` of alignment: `ddpm<K>.<table>`, `ddim<K>_<n>.<table>[_eta<η>]`. */
export const readAlignmentSchedules: Reader = async (golden, device, comparison) => {
  for (const name of golden.names()) {
    const match = /^dd[pi]m(\d+)(?:_(\d+))?\.(.+?)(?:_eta([\d.]+))?$/.exec(name);
    const [, K, n, table, eta] = match ?? [];
    const values = match === null ? undefined : tableOf(Number(K), n, table!, eta);
    if (values === undefined) comparison.unread(name, "the package has no such table");
    else {
      const kind = n === undefined ? "DDPM" : "DDIM";
      comparison.add(`${kind} tables`, await onDevice(device, values), golden.values(name), tolerances.dppo.table, name);
    }
  }
};

interface RateCase {
  readonly max_lr: number;
  readonly min_lr: number;
  readonly warmup_steps: number;
  readonly first_cycle_steps: number;
  readonly cycle_mult: number;
  readonly gamma: number;
}

/** `lr_schedule`: `<case>.lr[i]`. The schedule runs on the host, in 64 bits, for both engines. */
export const readRateSchedule: Reader = (golden, _device, comparison) => {
  const cases = golden.json("cases") as Record<string, RateCase>;
  for (const [name, options] of Object.entries(cases)) {
    const expected = golden.values(`${name}.lr`);
    const rates = Float64Array.from(expected, (_, step) =>
      warmupCosineRate(
        {
          maxRate: options.max_lr,
          minRate: options.min_lr,
          warmupSteps: options.warmup_steps,
          cycleSteps: options.first_cycle_steps,
          cycleFactor: options.cycle_mult,
          decay: options.gamma,
        },
        step,
      ),
    );
    comparison.add("rates", rates, expected, tolerances.dppo.host, name);
  }
  return Promise.resolve();
};

import type { Device } from "../src/engine/device.js";
import { selfTestCases } from "../src/kernels/self-test/cases.js";
import { caseContents } from "../src/kernels/self-test/case.js";
import { ceilingOf } from "./ceiling.js";
import { benchDevices } from "./devices.js";
import { linearCases, type LaunchCase } from "./kernels-linear.js";
import type { Suite, Workload } from "./workload.js";

/** Sizes of a shape class, by the names that parameters have. What a kernel has no parameter for does not apply to it. */
const shapeClasses: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  /** One sampling of 50 environments. */
  rollout: { rows: 50, columns: 512, width: 8, count: 1250, length: 8400, steps: 25, envs: 50 },
  /** One minibatch of the PPO update, and the parameters of its network. */
  update: { rows: 6250, columns: 512, width: 8, count: 545_536, length: 50_000, steps: 500, envs: 40 },
};

/** Parameters that follow from others once those are scaled. */
function completed(name: string, params: Record<string, number>): Record<string, number> {
  const { rows = 1, columns = 1, width = 1, count = 1 } = params;
  switch (name) {
    case "nn/copy_columns": return { ...params, columns: 8, srcStride: 8, srcColumn: 0, dstStride: 28, dstColumn: 0 };
    case "nn/column_sum": return { ...params, rows: Math.ceil(rows / 64), columns, stride: columns, offset: 0 };
    case "nn/row_gather":
    case "nn/row_gather_u32": return { ...params, sourceRows: rows };
    case "nn/log_std": case "nn/log_std_backward": case "nn/log_std_tiled_backward": return { ...params, width: 8, actionSize: 2, perMode: 8 };
    case "diffusion/denoise_step": return { ...params, steps: 20, step: 5, noiseOffset: 0, chainSlots: 11, chainSlot: 3, chainInputSlot: 11 };
    case "diffusion/denoise_mean": case "diffusion/denoise_mean_backward": case "diffusion/gaussian_kl":
    case "diffusion/gaussian_kl_backward_add": case "diffusion/gaussian_log_prob": case "diffusion/gaussian_log_prob_backward":
      return { ...params, steps: 20 };
    case "nn/sum_parts": return { ...params, rows: 512, columns: 512, rowStride: 512, column: 0 };
    case "optim/gradient_norm": return { ...params, blocks: 134 };
    case "rl/loss_statistics": return { ...params, blocks: Math.ceil(rows / 256), columns: 4 };
    case "rl/ppo_gather": return { ...params, count: rows > 0 ? Math.min(count, 6250) : count, offset: 0 };
    case "rl/ppo_loss": return { ...params, counted: width };
    case "rl/quantiles": return { ...params, count: Math.min(count, 6250), lowRank: 100, highRank: 1000 };
    default: return params;
  }
}

/** Every kernel but the products, which have cases of their own, in every shape class. */
function launchCases(): LaunchCase[] {
  return selfTestCases.filter(({ kernel }) => !kernel.name.startsWith("nn/linear")).flatMap((one) =>
    Object.entries(shapeClasses).flatMap(([shape, sizes]): LaunchCase[] => {
      const scaled = Object.fromEntries(Object.entries(one.params).map(([name, value]) => [name, sizes[name] ?? value]));
      const params = completed(one.kernel.name, scaled);
      return [{
        workload: `${one.kernel.name.split("/")[1] ?? ""}-${shape}`,
        spec: one.kernel,
        gflop: 0,
        build: (device, variant) => {
          const tensors = Object.fromEntries([...caseContents({ ...one, params })].map(([name, data]) =>
            [name, device.tensor([data.length], { label: name, dtype: data instanceof Uint32Array ? "u32" : "f32", data })]));
          return device.program(one.kernel.name, (recorder) => { recorder.launch(one.kernel, params, tensors, variant); });
        },
      }];
    }));
}

function variantsOf(one: LaunchCase, device: Device): readonly string[] {
  return device.info.engine === "webgpu" ? Object.keys(one.spec.entryPoints) : one.spec.wasmVariants ?? ["main"];
}

/** Every kernel and shape class, variants side by side. */
export const kernelsSuite: Suite = async function* (request) {
  for await (const { device, variant, threads } of benchDevices(request)) {
    const ceiling = await ceilingOf(device);
    for (const one of [...linearCases, ...launchCases()]) {
      if (!one.workload.includes(request.filter)) continue;
      for (const body of variantsOf(one, device)) {
        const program = await one.build(device, body);
        yield {
          workload: one.workload,
          engine: device.info.engine,
          variant: body === "main" ? variant : `${variant} ${body}`,
          threads,
          gflop: one.gflop,
          ceiling,
          items: 1,
          device: device.info.description,
          run: device.info.engine === "wasm" ? () => { program.run(); } : () => { program.run(); return device.idle(); },
          ...(device.info.features.includes("timestamp-query") ? { deviceMs: () => program.gpuTime() } : {}),
          close: () => { program.close(); },
        } satisfies Workload;
      }
    }
  }
};

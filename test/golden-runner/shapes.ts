import type { DiffusionMlpOptions } from "../reference/diffusion-mlp.ts";
import type { MlpOptions } from "../reference/mlp.ts";
import type { UnetOptions } from "../reference/unet.ts";
import type { StochasticCase } from "./policies.ts";

/** Shapes of parameters by the names of the state dict. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

type Entry = readonly [name: string, shape: readonly number[]];

function linear(name: string, I: number, O: number): Entry[] {
  return [[`${name}.weight`, [O, I]], [`${name}.bias`, [O]]];
}

function norm(name: string, C: number): Entry[] {
  return [[`${name}.weight`, [C]], [`${name}.bias`, [C]]];
}

/** Parameters of a plain or residual perceptron. */
export function mlpShapes(prefix: string, options: MlpOptions): Entry[] {
  const { dims } = options;
  if (!options.residual) {
    return dims.slice(1).flatMap((O, i) => {
      const name = `${prefix}.moduleList.${i}`;
      const hasNorm = i < dims.length - 2 ? options.layerNorm : options.layerNormFinal;
      return [...linear(`${name}.linear_1`, dims[i]!, O), ...(hasNorm ? norm(`${name}.norm_1`, O) : [])];
    });
  }
  const h = dims[1]!;
  const blocks = (dims.length - 3) / 2;
  const inner = Array.from({ length: blocks }, (_, b) => {
    const name = `${prefix}.layers.${b + 1}`;
    const norms = options.layerNorm ? [...norm(`${name}.norm1`, h), ...norm(`${name}.norm2`, h)] : [];
    return [...linear(`${name}.l1`, h, h), ...linear(`${name}.l2`, h, h), ...norms];
  }).flat();
  const last = dims.at(-1)!;
  const finalNorm = options.layerNormFinal ? norm(`${prefix}.layers.${blocks + 2}`, last) : [];
  return [
    ...linear(`${prefix}.layers.0`, dims[0]!, h),
    ...inner,
    ...linear(`${prefix}.layers.${blocks + 1}`, h, last),
    ...finalNorm,
  ];
}

/** Parameters of the denoiser of spec 3.1. */
export function denoiserShapes(options: DiffusionMlpOptions): Shapes {
  const { timeDim, condDim, condHidden } = options;
  const width = options.horizon * options.actionDim;
  const encoder: MlpOptions = {
    dims: [condDim, ...condHidden], activation: options.activation, outputActivation: "identity",
    layerNorm: false, layerNormFinal: false, residual: false,
  };
  const trunk: MlpOptions = {
    dims: [width + timeDim + (condHidden.at(-1) ?? condDim), ...options.hidden, width],
    activation: options.activation, outputActivation: options.outputActivation,
    layerNorm: options.layerNorm, layerNormFinal: false, residual: options.residual,
  };
  return new Map([
    ...linear("time_embedding.1", timeDim, 2 * timeDim),
    ...linear("time_embedding.3", 2 * timeDim, timeDim),
    ...(condHidden.length > 0 ? mlpShapes("cond_mlp", encoder) : []),
    ...mlpShapes("mlp_mean", trunk),
  ]);
}

/** Parameters of the U-Net of spec 3.2. */
export function unetShapes(options: UnetOptions): Shapes {
  const { actionDim, condDim, timeDim, dim, dimMults, kernelSize, groups, condHidden } = options;
  const condition = timeDim + (condHidden.at(-1) ?? condDim);
  const encoder: MlpOptions = {
    dims: [condDim, ...condHidden], activation: options.activation, outputActivation: "identity",
    layerNorm: false, layerNormFinal: false, residual: true,
  };
  const convolution = (name: string, shape: readonly [number, number, number], O: number): Entry[] =>
    [[`${name}.weight`, shape], [`${name}.bias`, [O]]];
  const block = (name: string, I: number, O: number): Entry[] => [
    ...convolution(`${name}.block.0`, [O, I, kernelSize], O),
    ...(groups === null ? [] : norm(`${name}.block.2`, O)),
  ];
  const residual = (name: string, I: number, O: number): Entry[] => {
    const size = options.predictsScale ? 2 * O : O;
    const isSmall = options.smallEncoder || condHidden.length > 0;
    const film = `${name}.cond_encoder`;
    return [
      ...block(`${name}.blocks.0`, I, O),
      ...block(`${name}.blocks.1`, O, O),
      ...(isSmall
        ? linear(`${film}.1`, condition, size)
        : [...linear(`${film}.0`, condition, size), ...linear(`${film}.2`, size, size), ...linear(`${film}.4`, size, size)]),
      ...(I === O ? [] : convolution(`${name}.residual_conv`, [O, I, 1], O)),
    ];
  };
  const pair = (name: string, I: number, O: number): Entry[] => [...residual(`${name}.0`, I, O), ...residual(`${name}.1`, O, O)];
  const channels = dimMults.map((mult) => dim * mult);
  const last = channels.length - 1;
  return new Map([
    ...linear("time_mlp.1", timeDim, 4 * timeDim),
    ...linear("time_mlp.3", 4 * timeDim, timeDim),
    ...(condHidden.length > 0 ? mlpShapes("cond_mlp", encoder) : []),
    ...channels.flatMap((C, level) => [
      ...pair(`down_modules.${level}`, channels[level - 1] ?? actionDim, C),
      ...(level < last ? convolution(`down_modules.${level}.2.conv`, [C, C, 3], C) : []),
    ]),
    ...pair("mid_modules", channels[last]!, channels[last]!),
    ...channels.slice(0, -1).reverse().flatMap((C, at) => [
      ...pair(`up_modules.${at}`, 2 * channels[last - at]!, C),
      ...convolution(`up_modules.${at}.2.conv`, [C, C, 4], C),
    ]),
    ...block("final_conv.0", dim, dim),
    ...convolution("final_conv.1", [actionDim, dim, 1], actionDim),
  ]);
}

/** Parameters of the value network. */
export function criticShapes(options: MlpOptions): Shapes {
  return new Map(mlpShapes("Q1", options));
}

/** Parameters of a Gaussian or mixture policy, the two stored bounds included. */
export function stochasticShapes({ network, network_kwargs: args }: StochasticCase): Shapes {
  const { action_dim: A, horizon_steps: H, cond_dim, mlp_dims = [256, 256, 256], num_modes: M = 1 } = args;
  const base: MlpOptions = {
    dims: [cond_dim, ...mlp_dims], activation: "relu", outputActivation: "identity",
    layerNorm: args.use_layernorm ?? false, layerNormFinal: false, residual: args.residual_style ?? false,
  };
  const withOutput = (name: string, width: number): Entry[] => mlpShapes(name, { ...base, dims: [...base.dims, width] });
  const isMixture = network === "GMM_MLP";
  const width = (isMixture ? M : 1) * H * A;
  const isPredicted = args.learn_fixed_std !== true && (args.fixed_std ?? null) === null;
  const head = (name: string): Entry[] => linear(`${name}.moduleList.0.linear_1`, mlp_dims.at(-1)!, width);
  const networks =
    isPredicted && !isMixture
      ? [...mlpShapes("mlp_base", { ...base, layerNormFinal: base.layerNorm }), ...head("mlp_mean"), ...head("mlp_logvar")]
      : [
          ...withOutput("mlp_mean", width),
          ...(isMixture ? withOutput("mlp_weights", M) : []),
          ...(isPredicted ? withOutput("mlp_logvar", width) : []),
        ];
  const learned: Entry[] = args.learn_fixed_std === true ? [["logvar", [M * A]]] : [];
  return new Map([...learned, ["logvar_min", []], ["logvar_max", []], ...networks] as Entry[]);
}

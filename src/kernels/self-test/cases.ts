import { anyKernel } from "../../engine/kernel-spec.js";
import { activationBackwardSpec, activations, activationSpec } from "../nn/activation.js";
import type { SelfTestCase } from "./case.js";

/** One case a kernel, in the order of the registry. A test proves that none is missing. */
export const selfTestCases: readonly SelfTestCase[] = [
  {
    kernel: anyKernel(activationSpec),
    params: { rows: 17, columns: 33, kind: activations.mish },
    fills: { x: { kind: "normal", scale: 2 } },
  },
  {
    kernel: anyKernel(activationBackwardSpec),
    params: { rows: 17, columns: 33, kind: activations.gelu },
    fills: { x: { kind: "normal", scale: 2 }, dy: { kind: "normal" } },
  },
];

import { PhiloxStream } from "../../core/philox.js";
import type { AnyKernelSpec } from "../../engine/kernel-spec.js";

/** How a buffer of a self-test starts: drawn numbers, drawn indices, or given ones. */
export type Fill =
  | { readonly kind: "normal"; readonly scale?: number; readonly offset?: number }
  | { readonly kind: "uniform"; readonly from: number; readonly to: number }
  | { readonly kind: "index"; readonly count: number }
  | { readonly kind: "values"; readonly values: readonly number[] };

/** One small launch of a kernel, whose result is known in advance. */
export interface SelfTestCase {
  readonly kernel: AnyKernelSpec;
  readonly params: Readonly<Record<string, number>>;
  /** Every buffer that the kernel reads; optional ones may be left out. What it only writes is not named. */
  readonly fills: Readonly<Record<string, Fill>>;
  /** Optional buffers that are only written and take part. */
  readonly writes?: readonly string[];
  /** Outputs that are scratch memory: what they hold is nobody's business. */
  readonly ignored?: readonly string[];
  /** Allowed error, relative to the largest expected magnitude of an output. Default 2e-5. */
  readonly tolerance?: number;
}

/** The buffers of a case by name, as they start. Names not in it are left out of the launch. */
export function caseContents(one: SelfTestCase): Map<string, Float32Array | Uint32Array> {
  const contents = new Map<string, Float32Array | Uint32Array>();
  for (const [at, [name, buffer]] of Object.entries(one.kernel.buffers).entries()) {
    const fill = one.fills[name];
    const takesPart = fill !== undefined || (buffer.access === "write" && (buffer.optional !== true || one.writes?.includes(name) === true));
    if (!takesPart) continue;
    const length = buffer.length(one.params);
    const data = buffer.dtype === "u32" ? new Uint32Array(length) : new Float32Array(length);
    if (fill !== undefined) fillWith(data, fill, new PhiloxStream(0x5e1f, at));
    contents.set(name, data);
  }
  return contents;
}

function fillWith(data: Float32Array | Uint32Array, fill: Fill, random: PhiloxStream): void {
  for (let at = 0; at < data.length; at++) {
    switch (fill.kind) {
      case "normal": data[at] = random.normal() * (fill.scale ?? 1) + (fill.offset ?? 0); break;
      case "uniform": data[at] = fill.from + random.uniform() * (fill.to - fill.from); break;
      case "index": data[at] = Math.min(Math.floor(random.uniform() * fill.count), fill.count - 1); break;
      case "values": data[at] = fill.values[at % fill.values.length] ?? 0; break;
    }
  }
}

/** Numbers of a {@link digest}. */
const digestLength = 5;

/**
 * What is kept of an output: its largest magnitude, then four weighted sums over it, the weights drawn once and scaled
 * by 1/sqrt(length). A wrong element, a shifted row or a missing tail changes them.
 */
export function digest(values: ArrayLike<number>): number[] {
  const random = new PhiloxStream(0xd16e, values.length);
  const sums = new Float64Array(digestLength);
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? 0;
    sums[0] = Math.max(sums[0] ?? 0, Math.abs(value));
    for (let d = 1; d < digestLength; d++) sums[d] = (sums[d] ?? 0) + value * (2 * random.uniform() - 1);
  }
  const scale = 1 / Math.sqrt(values.length);
  return Array.from(sums, (sum, d) => (d === 0 ? sum : sum * scale));
}

/** Largest difference of two digests, relative to the expected magnitude (absolute where that is 0). */
export function digestError(got: readonly number[], expected: readonly number[]): number {
  const magnitude = Math.abs(expected[0] ?? 0);
  const scale = magnitude > 0 ? magnitude : 1;
  return expected.reduce((worst, value, d) => {
    const error = Math.abs((got[d] ?? Number.NaN) - value) / scale;
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }, 0);
}

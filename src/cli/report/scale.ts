/** A way from values to pixels, with the marks of its axis. */
export interface Scale {
  /** The values at both ends. */
  readonly domain: readonly [low: number, high: number];
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
  /** The pixel of a value; values outside of the domain fall outside of the range. */
  place(value: number): number;
}

/** What a scale is made of. */
export interface ScaleOptions {
  /** Values that it must show; what is not finite is passed over. */
  readonly values: Iterable<number>;
  /** The pixels of the lowest and of the highest value. */
  readonly range: readonly [from: number, to: number];
  /** The ends of the domain, where they are known beforehand. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** About how many marks. Default 5. */
  readonly tickCount?: number;
  /** Marks are at least so far apart: 1 where values are counts. Default 0. */
  readonly leastStep?: number;
  /** Whether the domain ends at marks. Default true. */
  readonly isNice?: boolean;
  /** How a mark is written. Default {@link formatTick}. */
  readonly format?: (value: number, step: number) => string;
}

const tiny = 1e-100;

/** The least and the greatest finite value, or undefined where there is none. */
export function extent(values: Iterable<number>): readonly [low: number, high: number] | undefined {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : undefined;
}

/** The step nearest to `span / count` among 1, 2, 2.5 and 5 times a power of ten. */
function niceStep(span: number, count: number): number {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const share = raw / power;
  return power * (share < 1.5 ? 1 : share < 2.25 ? 2 : share < 3.5 ? 2.5 : share < 7.5 ? 5 : 10);
}

/**
 * A linear scale with round marks. It always has a width: where all values are the same (or there are none), the domain
 * reaches to both sides of them.
 */
export function linearScale(options: ScaleOptions): Scale {
  const { range, tickCount = 5, leastStep = 0, isNice = true, format = formatTick } = options;
  const found = extent(options.values) ?? [options.low ?? 0, options.high ?? 1];
  let [low, high] = [options.low ?? found[0], options.high ?? found[1]];
  // Below this relative width the marks of a double run together; and what is so near to 0 is 0.
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (!(high - low > Math.max(1e-9 * size, tiny))) {
    const half = size > tiny ? 0.1 * size : 1;
    [low, high] = [options.low ?? low - half, options.high ?? high + half];
    if (!(high > low)) [low, high] = [low - half, low + half];
  }
  const step = Math.max(leastStep, niceStep(high - low, tickCount));
  if (isNice) {
    if (options.low === undefined) low = Math.floor(low / step + 1e-9) * step;
    if (options.high === undefined) high = Math.ceil(high / step - 1e-9) * step;
  }
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const value = Number(((first + index) * step).toPrecision(12));
    return { value, label: format(value, step) };
  });
  const perUnit = (range[1] - range[0]) / (high - low);
  return { domain: [low, high], ticks, place: (value) => range[0] + (value - low) * perUnit };
}

/** A logarithmic scale for values above 0, with marks at powers of ten, or at 1, 2 and 5 where it covers less than two of them. */
export function logScale(options: Pick<ScaleOptions, "values" | "range">): Scale {
  const positive = [...options.values].filter((value) => value > 0);
  let [low, high] = extent(positive) ?? [0.1, 1];
  if (!(high > low * 1.01)) [low, high] = [low / 2, high * 2];
  const decades = Math.log10(high / low);
  const digits = decades < 2 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / 6));
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const marks: number[] = [];
  for (let power = from; power <= to; power += stride) for (const digit of digits) marks.push(digit * 10 ** power);
  low = marks.findLast((mark) => mark <= low * 1.0001) ?? low;
  high = marks.find((mark) => mark >= high * 0.9999) ?? high;
  const ticks = marks.filter((value) => value >= low * 0.9999 && value <= high * 1.0001).map((value) => ({ value, label: formatTick(value, value) }));
  const perUnit = (options.range[1] - options.range[0]) / Math.log(high / low);
  return { domain: [low, high], ticks, place: (value) => options.range[0] + Math.log(value / low) * perUnit };
}

/** A mark of an axis: as many decimals as its step has, thousands as k and M, very small numbers with an exponent. */
export function formatTick(value: number, step: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const write = (scaled: number, scaledStep: number, unit: string): string => {
    const decimals = Math.min(9, Math.max(0, -Math.floor(Math.log10(scaledStep) + 1e-9)));
    const exact = Math.abs(scaledStep * 10 ** decimals - Math.round(scaledStep * 10 ** decimals)) < 1e-6 ? decimals : decimals + 1;
    return withMinus(scaled.toFixed(exact)) + unit;
  };
  if (size >= 1e9) return withMinus(value.toExponential(1).replace(/\.0e/, "e").replace("e+", "e"));
  if (size >= 1e6 || (step >= 1e5 && size >= 1e5)) return write(value / 1e6, step / 1e6, "M");
  if (size >= 1e4 || (step >= 1e3 && size >= 1e3)) return write(value / 1e3, step / 1e3, "k");
  if (step < 0.99e-4 && size < 1e-2) return withMinus(value.toExponential(2).replace(/\.?0+e/, "e"));
  return write(value, step, "");
}

/** A number for people, to three digits: 0.0123, 12.3, 255,000. Words where it is none. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e12)) return withMinus(value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e"));
  const decimals = Number.isInteger(value) ? 0 : size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return withMinus(value.toFixed(decimals).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ","));
}

/** A share as per cent, without decimals and in one piece. */
export function formatShare(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "–" : `${Math.round(100 * value)}\u00a0%`;
}

/** A time for people: 340 ms, 4.2 s, 3 min 20 s, 2 h 5 min. */
export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 === 0 ? "" : ` ${whole % 60} s`}`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? "" : ` ${minutes % 60} min`}`;
}

function withMinus(text: string): string {
  return text.replaceAll("-", "−");
}

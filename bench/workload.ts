/** One thing to time. `run` returns when the work is done: at once on WASM, with a promise on WebGPU. */
export interface Workload {
  /** Name under which results are compared, for example `W1-avoid-sample`. */
  readonly workload: string;
  readonly engine: string;
  /** What distinguishes rows of one workload: SIMD build, entry point, tile. */
  readonly variant: string;
  readonly threads: number;
  /** Useful work of one run: 2 per multiply-add of linear layers, in GFLOP; 0 where flops mean nothing. */
  readonly gflop: number;
  /** What the device could do if it did nothing but multiply and add, GFLOP/s; left out where nobody measured it. */
  readonly ceiling?: number;
  /** Things done by one run (environment steps, chunks, launches); 0 where counting means nothing. */
  readonly items: number;
  readonly device: string;
  readonly run: () => void | Promise<void>;
  /** Milliseconds of the last run by the device's own clock, where it has one; used instead of wall time. */
  readonly deviceMs?: () => Promise<number | undefined>;
  readonly close: () => void;
}

/** What a suite is asked for. */
export interface SuiteRequest {
  /** Thread counts to run WASM rows with. */
  readonly threads: readonly number[];
  /** Engines to run on. */
  readonly engines: readonly string[];
  /** Only workloads whose name contains this. */
  readonly filter: string;
}

/** Makes the workloads of a suite one after the other, so that only one is alive at a time. */
export type Suite = (request: SuiteRequest) => AsyncIterable<Workload>;

import { DifftuneError } from "../core/errors.js";
import type { Device, TensorData } from "../engine/device.js";
import type { Launch, ProgramRecorder } from "../engine/program.js";
import type { Tensor } from "../engine/tensor.js";
import { rowGather } from "../kernels/nn/row-gather.js";
import { randomIndex, type RandomKey } from "../kernels/rng/random.js";

const columns = ["states", "chunks", "nextStates", "rewards", "terminated"] as const;

/** Names of the columns of a {@link ReplayBuffer}. */
export type ReplayColumn = (typeof columns)[number];

/** Rows to remember: one array a column. */
export type ReplayRows = Readonly<Record<ReplayColumn, Float32Array>> & { readonly rows: number };

/** A batch gathered from a buffer. */
export interface ReplayBatch {
  readonly rows: number;
  readonly state: Tensor;
  readonly action: Tensor;
  readonly nextState: Tensor;
  readonly rewards: Tensor;
  readonly terminated: Tensor;
  /** Where each row comes from, u32 [rows]. */
  readonly index: Tensor;
}

/**
 * Decisions to learn from again, on the device: first in, first out. What is written goes by the host once a rollout; what
 * is drawn stays on the device.
 */
export class ReplayBuffer {
  readonly capacity: number;
  readonly columns: Readonly<Record<ReplayColumn, Tensor>>;
  readonly #device: Device;
  readonly #draws: Launch<{ readonly count: "u32" }>[] = [];
  #size = 0;
  /** Place of the next row. */
  #cursor = 0;

  constructor(device: Device, sizes: { readonly capacity: number; readonly conditionWidth: number; readonly chunkWidth: number }) {
    const { capacity, conditionWidth, chunkWidth } = sizes;
    const column = (width: number, label: string): Tensor => device.tensor([capacity, width], { label: `remembered ${label}` });
    this.#device = device;
    this.capacity = capacity;
    this.columns = {
      states: column(conditionWidth, "states"),
      chunks: column(chunkWidth, "chunks"),
      nextStates: column(conditionWidth, "next states"),
      rewards: column(1, "rewards"),
      terminated: column(1, "ends"),
    };
  }

  /** Rows that are remembered. */
  get size(): number {
    return this.#size;
  }

  /** Place of the oldest row; the others follow it in time, round the end. */
  get oldest(): number {
    return this.#size < this.capacity ? 0 : this.#cursor;
  }

  /** Forgets everything. */
  clear(): void {
    this.#size = 0;
    this.#cursor = 0;
  }

  /** Remembers rows, the oldest making room. */
  push(rows: ReplayRows): void {
    // Of more than fits, the last are kept.
    let from = Math.max(0, rows.rows - this.capacity);
    while (from < rows.rows) {
      const count = Math.min(rows.rows - from, this.capacity - this.#cursor);
      for (const name of columns) {
        const tensor = this.columns[name];
        const width = tensor.length / this.capacity;
        this.#device.write(tensor.view(this.#cursor * width, [count, width]), rows[name].subarray(from * width, (from + count) * width));
      }
      from += count;
      this.#size = Math.min(this.capacity, Math.max(this.#size, this.#cursor + count));
      this.#cursor = (this.#cursor + count) % this.capacity;
    }
    for (const draw of this.#draws) draw.update({ count: Math.max(1, this.#size) });
  }

  /** Records a batch of rows drawn with replacement; set `step` of `draw` before each run. */
  recordDraw(program: ProgramRecorder, rows: number, key: RandomKey): { readonly batch: ReplayBatch; readonly draw: Launch<{ readonly step: "u32"; readonly count: "u32" }> } {
    const index = program.temporary([rows], "batch rows", "u32");
    const draw = randomIndex(program, { out: index }, { length: rows, count: Math.max(1, this.#size), ...key });
    this.#draws.push(draw);
    return { batch: this.recordGather(program, index, rows).batch, draw };
  }

  /** Records a batch of given rows; move along `index` with `update({ indexOffset })` of the launches. */
  recordGather(program: ProgramRecorder, index: Tensor, rows: number): { readonly batch: ReplayBatch; readonly gathers: readonly Launch<{ readonly indexOffset: "u32" }>[] } {
    const gathers: Launch<{ readonly indexOffset: "u32" }>[] = [];
    const made = new Map<ReplayColumn, Tensor>();
    const gathered = (name: ReplayColumn): Tensor => {
      let out = made.get(name);
      if (out === undefined) {
        const source = this.columns[name];
        const width = source.length / this.capacity;
        out = program.temporary([rows, width], `batch ${name}`);
        gathers.push(rowGather(program, { source, index, out }, { rows, width }));
        made.set(name, out);
      }
      return out;
    };
    // Only what is asked for is gathered.
    const batch: ReplayBatch = {
      rows,
      index,
      get state() { return gathered("states"); },
      get action() { return gathered("chunks"); },
      get nextState() { return gathered("nextStates"); },
      get rewards() { return gathered("rewards"); },
      get terminated() { return gathered("terminated"); },
    };
    return { batch, gathers };
  }

  /** What {@link restore} takes: the remembered rows where they lie. */
  async save(): Promise<{ readonly floats: ReadonlyMap<ReplayColumn, Float32Array>; readonly cursor: number }> {
    const read: TensorData[] = this.#size === 0 ? [] : await this.#device.readAll(columns.map((name) => this.#filled(name, this.#size)));
    return {
      floats: new Map(columns.map((name, at) => [name, (read[at] ?? new Float32Array()) as Float32Array])),
      cursor: this.#cursor,
    };
  }

  /** Goes on from what {@link save} gave. A buffer may have become larger if it was never full. */
  restore(floats: ReadonlyMap<ReplayColumn, Float32Array>, cursor: number): void {
    const size = floats.get("rewards")?.length ?? 0;
    if (size > this.capacity || cursor > size) {
      throw new DifftuneError("FORMAT", `The checkpoint remembers ${size} rows, the run ${this.capacity} at most.`, { path: "replay", expected: this.capacity, got: size });
    }
    if (size > 0) for (const name of columns) this.#device.write(this.#filled(name, size), floats.get(name) ?? []);
    this.#size = size;
    // Written up to its end, the buffer of a shorter run goes on behind it.
    this.#cursor = size === this.capacity ? cursor : size;
    for (const draw of this.#draws) draw.update({ count: Math.max(1, size) });
  }

  /** Frees the columns. */
  close(): void {
    for (const tensor of Object.values(this.columns)) this.#device.free(tensor);
  }

  #filled(name: ReplayColumn, rows: number): Tensor {
    const tensor = this.columns[name];
    const width = tensor.length / this.capacity;
    return tensor.view(0, [rows, width]);
  }
}

import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { PushtBatch } from "./pusht-batch.ts";
import type { GoldenRow } from "./row.ts";

interface Trace {
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly env_steps: number;
  readonly legacy_set_state: boolean;
  readonly reset_state: readonly number[];
  readonly substep_file?: string;
  readonly substep_rows?: number;
}

interface Index {
  readonly columns: readonly string[];
  readonly substep_columns: readonly string[];
  readonly traces: readonly Trace[];
}

interface Reset {
  readonly seed: number;
  readonly sampled: readonly number[];
  readonly legacy: ResetResult;
  readonly angle_first: ResetResult;
}

interface ResetResult {
  readonly obs: readonly number[];
  readonly block_angle_raw: number;
  readonly contact_points_in_reset_step: number;
  readonly coverage: number;
}

interface Images {
  /** Frames, rows, columns, colours. */
  readonly shape: readonly [number, number, number, number];
  readonly canvas: {
    readonly shape: readonly [number, number];
    readonly files: readonly { readonly file: string; readonly frame: number }[];
    readonly palette: readonly (readonly number[])[];
  };
  readonly frames: readonly Frame[];
}

interface Frame {
  readonly frame: number;
  readonly agent: readonly [number, number];
  readonly block: readonly [number, number, number];
  readonly contact_marker_segments: readonly (readonly (readonly [number, number])[])[];
}

/** Columns of the module's trace rows, by the names of the golden files. */
const traceColumns = [
  "agent_x", "agent_y", "agent_vx", "agent_vy", "block_x", "block_y", "block_angle", "block_vx", "block_vy", "block_w",
  "cog_x", "cog_y", "n_contact_points", "coverage", "reward", "terminated",
];
const substepStateColumns = [...traceColumns.slice(0, 12), "vbias_x", "vbias_y", "wbias", "n_arbiters", "n_contacts"];
const contactColumns = [
  "pair", "arbiter_index", "first", "nx", "ny", "r1x", "r1y", "r2x", "r2y", "jn_acc", "j_bias", "bias", "n_mass",
];

/** px and rad over a full trace. */
const poseTolerance = 1e-9;
/** px/s and 1/s: what a pose error of 1e-9 amounts to over one physics step of 0.01 s. */
const velocityTolerance = 1e-7;
const coverageTolerance = 1e-12;
function coverageColumn(name: string): boolean {
  return name === "coverage" || name === "reward";
}

/** Which columns are judged together. What is in no group must be equal. */
const groups = [
  {
    quantity: "pose (px, rad)",
    tolerance: poseTolerance,
    matches: (name: string) => /^(agent|cog)_[xy]$|^block_([xy]|angle)$|^c\d+_r\d[xy]$/.test(name),
  },
  {
    quantity: "velocity, impulse (per s)",
    tolerance: velocityTolerance,
    matches: (name: string) => /_v[xy]$|^block_w$|^vbias_|^wbias$|^c\d+_(nx|ny|jn_acc|j_bias|bias|n_mass)$/.test(name),
  },
  { quantity: "coverage, reward", tolerance: coverageTolerance, matches: coverageColumn },
] as const;

/**
 * Runs everything that a folder of the form of `golden/pusht` holds, on both collision paths. Names, columns and sizes come from its
 * index files. What the folder lists but does not hold is reported as skipped.
 */
export async function runPushtGolden(folder: string): Promise<GoldenRow[]> {
  const rows: GoldenRow[] = [];
  const index = JSON.parse(await readFile(path.join(folder, "index.json"), "utf8")) as Index;
  for (const engine of ["exact", "fast"] as const) {
    for (const trace of index.traces) rows.push(...compareTrace(folder, index, trace, engine));
    for (const trace of index.traces) {
      if (trace.substep_file !== undefined) rows.push(...compareSubsteps(folder, index, trace, trace.substep_file, engine));
    }
    if (existsSync(path.join(folder, "resets.json"))) rows.push(...compareResets(folder, engine));
  }
  if (existsSync(path.join(folder, "coverage.f64"))) rows.push(compareCoverage(folder));
  if (existsSync(path.join(folder, "images/index.json"))) rows.push(...compareImages(path.join(folder, "images")));
  return rows;
}

function readDoubles(file: string): Float64Array {
  const bytes = readFileSync(file);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function skipped(file: string, engine: string): GoldenRow {
  return { file, engine, quantity: "skipped", worst: 0, tolerance: 0, passed: true, note: "listed, but not in this folder" };
}

/** Collects errors of named columns, group by group, and whether every bit was equal. */
class Comparison {
  readonly #worst: number[] = groups.map(() => 0);
  #unequal = 0;
  #firstDifference: string | undefined;

  add(name: string, row: number, got: number, expected: number): void {
    // Coverage comes from another method than the reference's polygon library, so its bits are not part of the state.
    if (got !== expected && !coverageColumn(name)) this.#firstDifference ??= `${name} in row ${row}`;
    const error = Number.isNaN(got) ? Infinity : Math.abs(got - expected);
    const group = groups.findIndex(({ matches }) => matches(name));
    if (group < 0) this.#unequal = Math.max(this.#unequal, error);
    else this.#worst[group] = Math.max(this.#worst[group]!, error);
  }

  rows(file: string, engine: string): GoldenRow[] {
    const note = this.#firstDifference === undefined ? "bit for bit" : `first difference: ${this.#firstDifference}`;
    const judged = groups.map(({ quantity, tolerance }, group) => {
      const worst = this.#worst[group]!;
      return { file, engine, quantity, worst, tolerance, passed: worst <= tolerance, note };
    });
    const counts = { file, engine, quantity: "counts, flags", worst: this.#unequal, tolerance: 0, passed: this.#unequal === 0, note };
    return [...judged, counts];
  }
}

/** A batch of one environment, started where the trace starts. */
function startTrace(trace: Trace, engine: string, chunk: number): PushtBatch {
  const batch = new PushtBatch({ count: 1, chunk, record: 2 });
  batch.set("PUSHT_COLLISION", batch.constant(engine === "exact" ? "PUSHT_EXACT" : "PUSHT_FAST"));
  batch.set("PUSHT_RESET_ORDER", trace.legacy_set_state ? 0 : 1);
  batch.set("PUSHT_END_ON_SUCCESS", 0);
  batch.set("BATCH_MAX_STEPS", 0);
  batch.set("BATCH_DOUBLE_ACTIONS", 1);
  batch.set("BATCH_USE_STARTS", 1);
  batch.f64("BATCH_STARTS", 5).set(trace.reset_state);
  batch.reset();
  return batch;
}

function compareTrace(folder: string, index: Index, trace: Trace, engine: string): GoldenRow[] {
  const file = path.join(folder, trace.file);
  if (!existsSync(file)) return [skipped(trace.file, engine)];
  const expected = readDoubles(file);
  const width = index.columns.length;
  const place = (name: string) => index.columns.indexOf(name);
  const batch = startTrace(trace, engine, trace.rows - 1);
  const actions = batch.f64("BATCH_ACTIONS", 2 * (trace.rows - 1));
  for (let row = 1; row < trace.rows; row++) {
    actions[2 * row - 2] = expected[row * width + place("action_x")]!;
    actions[2 * row - 1] = expected[row * width + place("action_y")]!;
  }
  const status = batch.stepChunk();
  if (status !== 0) throw new RangeError(`${trace.file} has an action that is no number (status ${status})`);
  const got = batch.f64("BATCH_TRACE", trace.rows * traceColumns.length);
  const comparison = new Comparison();
  for (let row = 0; row < trace.rows; row++) {
    for (const [column, name] of index.columns.entries()) {
      const own = traceColumns.indexOf(name);
      // A reset has no reward yet.
      if (own < 0 || (row === 0 && (name === "reward" || name === "terminated"))) continue;
      comparison.add(name, row, got[row * traceColumns.length + own]!, expected[row * width + column]!);
    }
  }
  return comparison.rows(trace.file, engine);
}

function compareSubsteps(folder: string, index: Index, trace: Trace, name: string, engine: string): GoldenRow[] {
  const file = path.join(folder, name);
  if (!existsSync(file)) return [skipped(name, engine)];
  const expected = readDoubles(file);
  const columns = index.substep_columns;
  const own = [
    ...substepStateColumns,
    ...Array.from({ length: 8 }, (_, slot) => contactColumns.map((column) => `c${slot}_${column}`)).flat(),
  ];
  const ownPlaces = columns.map((column) => own.indexOf(column));
  const batch = startTrace(trace, engine, 1);
  const out = batch.memory.allocate(own.length * 8);
  const comparison = new Comparison();
  for (let row = 0; row < expected.length / columns.length; row++) {
    const read = (column: string) => expected[row * columns.length + columns.indexOf(column)]!;
    batch.call("pusht_substep", batch.pointer, 0, read("action_x"), read("action_y"), out);
    const got = batch.memory.f64(out, own.length);
    for (const [column, place] of ownPlaces.entries()) {
      if (place >= 0) comparison.add(columns[column]!, row, got[place]!, expected[row * columns.length + column]!);
    }
  }
  return comparison.rows(name, engine);
}

function compareResets(folder: string, engine: string): GoldenRow[] {
  const { resets } = JSON.parse(readFileSync(path.join(folder, "resets.json"), "utf8")) as { readonly resets: readonly Reset[] };
  const comparison = new Comparison();
  const batch = new PushtBatch({ count: 1, chunk: 1, record: 2 });
  batch.set("PUSHT_COLLISION", batch.constant(engine === "exact" ? "PUSHT_EXACT" : "PUSHT_FAST"));
  const out = batch.memory.allocate(5 * 8);
  for (const [row, reset] of resets.entries()) {
    batch.call("pusht_sample_start", batch.pointer, 0, reset.seed, out);
    for (const [column, value] of [...batch.memory.f64(out, 5)].entries()) {
      comparison.add(column < 4 ? "sampled" : "block_angle", row, value, reset.sampled[column]!);
    }
    for (const [order, expected] of [reset.legacy, reset.angle_first].entries()) {
      batch.set("PUSHT_RESET_ORDER", order);
      batch.u32("BATCH_SEEDS", 1)[0] = reset.seed;
      batch.reset();
      const state = readState(batch);
      const angle = state.get("block_angle")!;
      const wrapped = ((angle % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI);
      const observed = ["agent_x", "agent_y", "block_x", "block_y"].map((name) => state.get(name)!);
      for (const [column, value] of [...observed, wrapped].entries()) {
        comparison.add(column < 4 ? "cog_x" : "block_angle", row, value, expected.obs[column]!);
      }
      comparison.add("block_angle", row, angle, expected.block_angle_raw);
      comparison.add("coverage", row, state.get("coverage")!, expected.coverage);
      comparison.add("contact points", row, state.get("n_contacts")!, expected.contact_points_in_reset_step);
    }
  }
  return comparison.rows("resets.json", engine);
}

/** The state now, without a step. */
function readState(batch: PushtBatch): Map<string, number> {
  const out = batch.memory.allocate((substepStateColumns.length + 1) * 8);
  batch.call("pusht_read_state", batch.pointer, 0, out);
  const values = batch.memory.f64(out, substepStateColumns.length + 1);
  const state = new Map([...substepStateColumns, "coverage"].map((name, place) => [name, values[place]!]));
  batch.memory.free(out);
  return state;
}

function compareCoverage(folder: string): GoldenRow {
  const rows = readDoubles(path.join(folder, "coverage.f64"));
  const batch = new PushtBatch({ count: 1 });
  let worst = 0;
  for (let row = 0; row < rows.length; row += 4) {
    const got = batch.call("pusht_coverage", rows[row]!, rows[row + 1]!, rows[row + 2]!);
    worst = Math.max(worst, Math.abs(got - rows[row + 3]!));
  }
  return {
    file: "coverage.f64", engine: "both", quantity: "coverage", worst, tolerance: coverageTolerance,
    passed: worst <= coverageTolerance, note: `${rows.length / 4} poses`,
  };
}

function compareImages(folder: string): GoldenRow[] {
  const images = JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8")) as Images;
  const batch = new PushtBatch({ count: 1 });
  const canvas = batch.memory.allocate(batch.constant("PUSHT_CANVAS_BYTES"));
  const rows: GoldenRow[] = [];
  for (const { file, frame } of images.canvas.files) {
    if (!existsSync(path.join(folder, file))) {
      rows.push(skipped(file, "drawing"));
      continue;
    }
    const expected = readFileSync(path.join(folder, file));
    drawFrame(batch, images.frames.find((candidate) => candidate.frame === frame)!, canvas);
    const got = batch.memory.u8(canvas, expected.length * 4);
    const isEqual = (pixel: number) => images.canvas.palette[expected[pixel]!]!.every((value, colour) => got[4 * pixel + colour] === value);
    rows.push(imageRow(file, expected.length, isEqual, "pixels of the canvas"));
  }
  const file = "frames.u8";
  if (!existsSync(path.join(folder, file))) return [...rows, skipped(file, "drawing")];
  const expected = readFileSync(path.join(folder, file));
  const [, height, width, colours] = images.shape;
  const frameBytes = height * width * colours;
  const out = batch.memory.allocate(frameBytes);
  for (const frame of images.frames) {
    drawFrame(batch, frame, canvas);
    batch.call("pusht_scale", canvas, width, colours, out);
    const got = batch.memory.u8(out, frameBytes);
    const isEqual = (byte: number) => got[byte] === expected[frame.frame * frameBytes + byte];
    rows.push(imageRow(`${file}, frame ${frame.frame}`, frameBytes, isEqual, "bytes"));
  }
  return rows;
}

function drawFrame(batch: PushtBatch, frame: Frame, canvas: number): void {
  const numbers = frame.contact_marker_segments.flat(2);
  const markers = batch.memory.allocate(Math.max(numbers.length, 1) * 8);
  batch.memory.f64(markers, numbers.length).set(numbers);
  batch.call("pusht_draw_pose", ...frame.agent, ...frame.block, markers, numbers.length / 4, canvas);
  batch.memory.free(markers);
}

/** Counts what is not equal; one is too many. */
function imageRow(file: string, length: number, isEqual: (index: number) => boolean, unit: string): GoldenRow {
  let unequal = 0;
  for (let index = 0; index < length; index++) if (!isEqual(index)) unequal++;
  return { file, engine: "drawing", quantity: `unequal ${unit}`, worst: unequal, tolerance: 0, passed: unequal === 0 };
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import * as v from "valibot";
import { PushtBatch } from "./pusht-batch.ts";
import { judgedRow, unreadRow, type GoldenRow } from "./row.ts";
import { guarded, inForm, readDoubles, readJson } from "./trace-folder.ts";

const finite = v.pipe(v.number(), v.finite());
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const point = v.strictTuple([finite, finite]);
const start = v.strictTuple([finite, finite, finite, finite, finite]);

/** Pieces of a list are looked at one by one, so that a damaged one does not hide the others. */
const indexForm = v.object({
  columns: v.optional(v.array(v.string())),
  substep_columns: v.optional(v.array(v.string())),
  traces: v.array(v.unknown()),
});
const traceForm = v.object({
  file: v.string(),
  rows: v.optional(count),
  legacy_set_state: v.optional(v.boolean()),
  reset_state: v.optional(start),
  substep_file: v.optional(v.string()),
  substep_rows: v.optional(count),
});
const resetResultForm = v.object({
  obs: v.optional(start),
  block_angle_raw: v.optional(finite),
  contact_points_in_reset_step: v.optional(count),
  coverage: v.optional(finite),
});
const resetForm = v.object({
  seed: count,
  sampled: v.optional(start),
  legacy: v.optional(resetResultForm),
  angle_first: v.optional(resetResultForm),
});
const imagesForm = v.object({
  /** Frames, rows, columns, colours. */
  shape: v.optional(v.strictTuple([count, count, count, count])),
  canvas: v.optional(
    v.object({
      files: v.array(v.object({ file: v.string(), frame: count })),
      palette: v.array(v.strictTuple([count, count, count])),
    }),
  ),
  frames: v.array(v.looseObject({ frame: count })),
});
const frameForm = v.object({
  agent: point,
  block: v.strictTuple([finite, finite, finite]),
  contact_marker_segments: v.optional(v.array(v.strictTuple([point, point]))),
});

type Index = v.InferOutput<typeof indexForm>;
type Trace = v.InferOutput<typeof traceForm>;
type Images = v.InferOutput<typeof imagesForm>;

/** Columns of the module's trace rows, by the names of the golden files. */
const traceColumns = [
  "agent_x", "agent_y", "agent_vx", "agent_vy", "block_x", "block_y", "block_angle", "block_vx", "block_vy", "block_w",
  "cog_x", "cog_y", "n_contact_points", "coverage", "reward", "terminated",
];
const substepStateColumns = [...traceColumns.slice(0, 12), "vbias_x", "vbias_y", "wbias", "n_arbiters", "n_contacts"];
const contactColumns = [
  "pair", "arbiter_index", "first", "nx", "ny", "r1x", "r1y", "r2x", "r2y", "jn_acc", "j_bias", "bias", "n_mass",
];

/** Columns that say what was commanded and when. */
const givenColumns = ["action_x", "action_y"];
const substepGivenColumns = ["env_step", "substep", ...givenColumns];

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

/** Counts and flags, and what else is in no group, must be equal. */
const equalQuantity = "counts, flags";
const absentFile = "not in this folder";

/**
 * Runs everything that a folder of the form of `golden/pusht` holds, on both collision paths. Names, columns and sizes come from its
 * index files. What the index lists and the folder does not hold, what the folder holds and the index does not list, and every column
 * or field that is missing or unknown is reported as not compared; what is damaged is reported as failed, and the rest still runs.
 */
export async function runPushtGolden(folder: string): Promise<GoldenRow[]> {
  const rows: GoldenRow[] = [];
  let index: Index = { traces: [] };
  const indexFile = path.join(folder, "index.json");
  if (existsSync(indexFile)) {
    rows.push(...guarded("index.json", "both", () => {
      index = inForm(indexForm, readJson(indexFile));
      return [];
    }));
  } else rows.push(unreadRow("index.json", "both", "the file", absentFile));
  const traces: Trace[] = [];
  for (const [place, entry] of index.traces.entries()) {
    rows.push(...guarded(`index.json, trace ${place}`, "both", () => {
      traces.push(inForm(traceForm, entry));
      return [];
    }));
  }
  const resetsFile = path.join(folder, "resets.json");
  for (const engine of ["exact", "fast"] as const) {
    for (const trace of traces) rows.push(...guarded(trace.file, engine, () => compareTrace(folder, index, trace, engine)));
    for (const trace of traces) {
      const name = trace.substep_file;
      if (name !== undefined) rows.push(...guarded(name, engine, () => compareSubsteps(folder, index, trace, name, engine)));
    }
    if (existsSync(resetsFile)) rows.push(...guarded("resets.json", engine, () => compareResets(resetsFile, engine)));
    else rows.push(unreadRow("resets.json", engine, "the file", absentFile));
  }
  const listed = new Set(["coverage.f64", ...traces.flatMap(({ file, substep_file }) => [file, substep_file])]);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".f64") && !listed.has(name)).sort()) {
    rows.push(unreadRow(file, "both", "the file", "index.json does not say where it starts"));
  }
  rows.push(...guarded("coverage.f64", "both", () => [compareCoverage(folder)]));
  rows.push(...guarded("images", "drawing", () => compareImages(path.join(folder, "images"))));
  return rows;
}

/** Collects errors of named columns, group by group, whether every bit was equal, and what could not be compared. */
class Comparison {
  readonly #file: string;
  readonly #engine: string;
  readonly #worst = new Map<string, number>();
  readonly #unread: GoldenRow[] = [];
  #firstDifference: string | undefined;

  constructor(file: string, engine: string) {
    this.#file = file;
    this.#engine = engine;
  }

  add(name: string, row: number, got: number, expected: number): void {
    // Coverage comes from another method than the reference's polygon library, so its bits are not part of the state.
    if (got !== expected && !coverageColumn(name)) this.#firstDifference ??= `${name} in row ${row}`;
    const quantity = groups.find(({ matches }) => matches(name))?.quantity ?? equalQuantity;
    this.#worst.set(quantity, Math.max(this.#worst.get(quantity) ?? 0, Math.abs(got - expected)));
  }

  unread(what: string, reason: string): void {
    if (!this.#unread.some(({ quantity }) => quantity === what)) this.#unread.push(unreadRow(this.#file, this.#engine, what, reason));
  }

  /** Lists the columns that only one side has. `given` are those that are read, not compared. */
  unreadColumns(columns: readonly string[], own: readonly string[], given: readonly string[]): void {
    const unknown = columns.filter((name) => !own.includes(name) && !given.includes(name));
    const absent = own.filter((name) => !columns.includes(name));
    if (unknown.length > 0) this.unread(`columns ${unknown.join(", ")}`, "the module records none of this name");
    if (absent.length > 0) this.unread(`columns ${absent.join(", ")}`, "not in the file");
  }

  /** A row for every quantity of which there was something, and for all that was not compared. */
  rows(): GoldenRow[] {
    const note = this.#firstDifference === undefined ? "bit for bit" : `first difference: ${this.#firstDifference}`;
    const judged = [...groups, { quantity: equalQuantity, tolerance: 0 }].flatMap(({ quantity, tolerance }) => {
      const worst = this.#worst.get(quantity);
      return worst === undefined ? [] : [judgedRow(this.#file, this.#engine, quantity, worst, tolerance, note)];
    });
    if (judged.length === 0) this.unread("the file", "there is nothing to compare in it");
    return [...judged, ...this.#unread];
  }
}

/** How many rows a file has, held against what the index says. */
function rowCount(values: Float64Array, width: number, listed: number | undefined): number {
  const rows = values.length / width;
  if (listed !== undefined && rows !== listed) throw new RangeError(`${rows} rows in the file, ${listed} in index.json`);
  return rows;
}

/** What a trace cannot be run without and does not have. */
function missing(trace: Trace, columns: readonly string[] | undefined): string | undefined {
  if (trace.reset_state === undefined) return "index.json has no reset_state for it";
  if (trace.legacy_set_state === undefined) return "index.json has no legacy_set_state for it";
  if (columns === undefined) return "index.json does not name its columns";
  const absent = givenColumns.filter((name) => !columns.includes(name));
  return absent.length > 0 ? `there is no column ${absent.join(" and ")}` : undefined;
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
  batch.f64("BATCH_STARTS", 5).set(trace.reset_state!);
  if (batch.reset() !== 0) throw new RangeError("its reset_state is no start");
  return batch;
}

function compareTrace(folder: string, index: Index, trace: Trace, engine: string): GoldenRow[] {
  const file = path.join(folder, trace.file);
  if (!existsSync(file)) return [unreadRow(trace.file, engine, "the file", absentFile)];
  const { columns = [] } = index;
  const reason = missing(trace, index.columns);
  if (reason !== undefined) return [unreadRow(trace.file, engine, "the file", reason)];
  const expected = readDoubles(file, columns.length);
  const width = columns.length;
  const rows = rowCount(expected, width, trace.rows);
  if (rows < 2) return [unreadRow(trace.file, engine, "the file", "there is no step in it")];
  const [x, y] = givenColumns.map((name) => columns.indexOf(name));
  const batch = startTrace(trace, engine, rows - 1);
  const actions = batch.f64("BATCH_ACTIONS", 2 * (rows - 1));
  for (let row = 1; row < rows; row++) {
    actions[2 * row - 2] = expected[row * width + x!]!;
    actions[2 * row - 1] = expected[row * width + y!]!;
  }
  const status = batch.stepChunk();
  if (status !== 0) throw new RangeError(`an action is no number (status ${status})`);
  const got = batch.f64("BATCH_TRACE", rows * traceColumns.length);
  const comparison = new Comparison(trace.file, engine);
  comparison.unreadColumns(columns, traceColumns, givenColumns);
  for (let row = 0; row < rows; row++) {
    for (const [column, name] of columns.entries()) {
      const own = traceColumns.indexOf(name);
      // A reset has no reward yet.
      if (own < 0 || (row === 0 && (name === "reward" || name === "terminated"))) continue;
      comparison.add(name, row, got[row * traceColumns.length + own]!, expected[row * width + column]!);
    }
  }
  return comparison.rows();
}

function compareSubsteps(folder: string, index: Index, trace: Trace, name: string, engine: string): GoldenRow[] {
  const file = path.join(folder, name);
  if (!existsSync(file)) return [unreadRow(name, engine, "the file", absentFile)];
  const { substep_columns: columns = [] } = index;
  const reason = missing(trace, index.substep_columns);
  if (reason !== undefined) return [unreadRow(name, engine, "the file", reason)];
  const expected = readDoubles(file, columns.length);
  const rows = rowCount(expected, columns.length, trace.substep_rows);
  const own = [
    ...substepStateColumns,
    ...Array.from({ length: 8 }, (_, slot) => contactColumns.map((column) => `c${slot}_${column}`)).flat(),
  ];
  const ownPlaces = columns.map((column) => own.indexOf(column));
  const [x, y] = givenColumns.map((column) => columns.indexOf(column));
  const batch = startTrace(trace, engine, 1);
  const out = batch.memory.allocate(own.length * 8);
  const comparison = new Comparison(name, engine);
  comparison.unreadColumns(columns, own, substepGivenColumns);
  for (let row = 0; row < rows; row++) {
    const values = expected.subarray(row * columns.length, (row + 1) * columns.length);
    batch.call("pusht_substep", batch.pointer, 0, values[x!]!, values[y!]!, out);
    const got = batch.memory.f64(out, own.length);
    for (const [column, place] of ownPlaces.entries()) {
      if (place >= 0) comparison.add(columns[column]!, row, got[place]!, values[column]!);
    }
  }
  return comparison.rows();
}

function compareResets(file: string, engine: string): GoldenRow[] {
  const { resets } = inForm(v.object({ resets: v.array(resetForm) }), readJson(file));
  const comparison = new Comparison("resets.json", engine);
  const batch = new PushtBatch({ count: 1, chunk: 1, record: 2 });
  batch.set("PUSHT_COLLISION", batch.constant(engine === "exact" ? "PUSHT_EXACT" : "PUSHT_FAST"));
  const out = batch.memory.allocate(5 * 8);
  const add = (field: string, names: readonly string[], row: number, got: readonly number[], expected: readonly number[] | undefined) => {
    if (expected === undefined) comparison.unread(field, `not in every reset, first in ${row}`);
    else for (const [column, value] of got.entries()) comparison.add(names[column]!, row, value, expected[column]!);
  };
  const optional = (value: number | undefined) => (value === undefined ? undefined : [value]);
  for (const [row, reset] of resets.entries()) {
    batch.call("pusht_sample_start", batch.pointer, 0, reset.seed, out);
    const sampled = [...batch.memory.f64(out, 5)];
    add("sampled", ["sampled", "sampled", "sampled", "sampled", "block_angle"], row, sampled, reset.sampled);
    for (const [order, name] of (["legacy", "angle_first"] as const).entries()) {
      const expected = reset[name] ?? {};
      batch.set("PUSHT_RESET_ORDER", order);
      batch.u32("BATCH_SEEDS", 1)[0] = reset.seed;
      batch.reset();
      const state = readState(batch);
      const angle = state.get("block_angle")!;
      const wrapped = ((angle % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI);
      const poses = ["agent_x", "agent_y", "block_x", "block_y"];
      const observed = [...poses.map((column) => state.get(column)!), wrapped];
      add(`${name}.obs`, [...poses, "block_angle"], row, observed, expected.obs);
      add(`${name}.block_angle_raw`, ["block_angle"], row, [angle], optional(expected.block_angle_raw));
      add(`${name}.coverage`, ["coverage"], row, [state.get("coverage")!], optional(expected.coverage));
      const contacts = [state.get("n_contacts")!];
      const field = "contact_points_in_reset_step";
      add(`${name}.${field}`, ["contact points"], row, contacts, optional(expected[field]));
    }
  }
  return comparison.rows();
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
  const file = "coverage.f64";
  if (!existsSync(path.join(folder, file))) return unreadRow(file, "both", "the file", absentFile);
  const rows = readDoubles(path.join(folder, file), 4);
  if (rows.length === 0) return unreadRow(file, "both", "the file", "there is no pose in it");
  const batch = new PushtBatch({ count: 1 });
  let worst = 0;
  for (let row = 0; row < rows.length; row += 4) {
    const got = batch.call("pusht_coverage", rows[row]!, rows[row + 1]!, rows[row + 2]!);
    worst = Math.max(worst, Math.abs(got - rows[row + 3]!));
  }
  return judgedRow(file, "both", "coverage", worst, coverageTolerance, `${rows.length / 4} poses`);
}

function compareImages(folder: string): GoldenRow[] {
  const engine = "drawing";
  const index = path.join(folder, "index.json");
  if (!existsSync(index)) return [unreadRow("images/index.json", engine, "the images", absentFile)];
  const images = inForm(imagesForm, readJson(index));
  const batch = new PushtBatch({ count: 1 });
  const canvasBytes = batch.constant("PUSHT_CANVAS_BYTES");
  const canvas = batch.memory.allocate(canvasBytes);
  const rows: GoldenRow[] = [];
  if (images.canvas === undefined) rows.push(unreadRow("images/index.json", engine, "canvas", "the index does not describe it"));
  const { files = [], palette = [] } = images.canvas ?? {};
  for (const { file, frame } of files) {
    rows.push(...guarded(file, engine, () => {
      if (!existsSync(path.join(folder, file))) return [unreadRow(file, engine, "the file", absentFile)];
      const found = images.frames.find((candidate) => candidate.frame === frame);
      if (found === undefined) throw new RangeError(`there is no frame ${frame}`);
      const expected = readFileSync(path.join(folder, file));
      if (4 * expected.length !== canvasBytes) throw new RangeError(`${expected.length} pixels, not ${canvasBytes / 4}`);
      if (expected.some((pixel) => pixel >= palette.length)) throw new RangeError(`a pixel is beyond the palette of ${palette.length}`);
      if (!drawFrame(batch, found, canvas)) return [unmarkedFrame(file)];
      const got = batch.memory.u8(canvas, canvasBytes);
      const isEqual = (pixel: number) => palette[expected[pixel]!]!.every((value, colour) => got[4 * pixel + colour] === value);
      return [imageRow(file, expected.length, isEqual, "pixels of the canvas")];
    }));
  }
  const listed = new Set(["frames.u8", ...files.map(({ file }) => file)]);
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".u8") && !listed.has(name)).sort()) {
    rows.push(unreadRow(file, engine, "the file", "images/index.json does not say what it shows"));
  }
  return [...rows, ...guarded("frames.u8", engine, () => compareFrames(folder, images, batch, canvas))];
}

function compareFrames(folder: string, images: Images, batch: PushtBatch, canvas: number): GoldenRow[] {
  const [file, engine] = ["frames.u8", "drawing"];
  if (!existsSync(path.join(folder, file))) return [unreadRow(file, engine, "the file", absentFile)];
  if (images.shape === undefined) return [unreadRow(file, engine, "the file", "images/index.json has no shape for it")];
  const [frames, height, width, colours] = images.shape;
  if (height !== width || (colours !== 3 && colours !== 4)) {
    return [unreadRow(file, engine, "the file", "the module draws squares of 3 or 4 colours only")];
  }
  const expected = readFileSync(path.join(folder, file));
  const frameBytes = height * width * colours;
  if (expected.length !== frames * frameBytes) throw new RangeError(`${expected.length} bytes, not ${images.shape.join(" x ")}`);
  const out = batch.memory.allocate(Math.max(frameBytes, 1));
  const posed = new Set(images.frames.map(({ frame }) => frame));
  const rows = images.frames.flatMap((entry) => {
    const name = `${file}, frame ${entry.frame}`;
    return guarded(name, engine, () => {
      if (!drawFrame(batch, entry, canvas)) return [unmarkedFrame(name)];
      batch.call("pusht_scale", canvas, width, colours, out);
      const got = batch.memory.u8(out, frameBytes);
      const isEqual = (byte: number) => got[byte] === expected[entry.frame * frameBytes + byte];
      return [imageRow(name, frameBytes, isEqual, "bytes")];
    });
  });
  const poseless = Array.from({ length: frames }, (_, frame) => frame).filter((frame) => !posed.has(frame));
  if (poseless.length > 0) rows.push(unreadRow(file, engine, `frames ${poseless.join(", ")}`, "images/index.json has no pose for them"));
  return rows;
}

/** Draws a frame of the index, unless it does not say where its contact markers are. */
function drawFrame(batch: PushtBatch, entry: unknown, canvas: number): boolean {
  const { agent, block, contact_marker_segments: segments } = inForm(frameForm, entry);
  if (segments === undefined) return false;
  const numbers = segments.flat(2);
  const markers = batch.memory.allocate(Math.max(numbers.length, 1) * 8);
  batch.memory.f64(markers, numbers.length).set(numbers);
  batch.call("pusht_draw_pose", ...agent, ...block, markers, segments.length, canvas);
  batch.memory.free(markers);
  return true;
}

function unmarkedFrame(file: string): GoldenRow {
  return unreadRow(file, "drawing", "the image", "its frame has no contact_marker_segments");
}

/** Counts what is not equal; one is too many. */
function imageRow(file: string, length: number, isEqual: (index: number) => boolean, unit: string): GoldenRow {
  let unequal = 0;
  for (let index = 0; index < length; index++) if (!isEqual(index)) unequal++;
  return judgedRow(file, "drawing", `unequal ${unit}`, unequal, 0);
}

import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import * as v from "valibot";
import { PhysicsBatch } from "./physics-batch.ts";
import { judgedRow, unreadRow, type GoldenRow } from "./row.ts";
import { guarded, inForm, readJson } from "./trace-folder.ts";

const finite = v.pipe(v.number(), v.finite());
const spatial = v.strictTuple([finite, finite, finite]);

const indexForm = v.object({ traces: v.array(v.object({ file: v.string() })) });
const traceForm = v.object({
  obstacles: v.boolean(),
  actions: v.array(v.strictTuple([finite, finite])),
  c: v.array(spatial),
  tip: v.optional(v.array(spatial)),
  contact: v.optional(v.array(v.pipe(v.number(), v.integer()))),
  reward_m5: v.optional(v.array(finite)),
  mode_encoding: v.optional(v.array(finite)),
  collided: v.optional(v.boolean()),
  return_m5: v.optional(finite),
});

/** What shows that somebody meant a trace, damaged or not. */
const traceHint = v.union([v.object({ actions: v.unknown() }), v.object({ c: v.unknown() })]);

type Trace = v.InferOutput<typeof traceForm>;

/** What was run of a trace: one row per env step, row 0 the start. */
interface Replay {
  readonly distance: readonly number[];
  readonly contact: readonly number[];
  readonly reward: readonly number[];
  readonly mode: readonly number[];
  readonly collided: boolean;
}

/** Flags of the mode, three lines of sight with two, three and four gaps. */
const modeFlagCount = 9;
/** Beyond this distance from the base, m, poses approach the end of the arm's reach. */
const normalReach = 0.7;
/** The rod's end stands at most this low in free motion, m; below it, it is on or beside the table. */
const tableTop = -0.0195;

/** m. Level A in free motion, on a path that leaves the normal reach, and while it is pushed head on. */
const armTolerance = 1e-5;
const armToleranceBeyond = 5e-5;
const armTolerancePushed = 2e-3;
/** m. Level P: root mean square and largest distance in free motion, and root mean square up to a contact. */
const planarMean = 4e-3;
const planarLargest = 9e-3;
const planarMeanToContact = 3e-3;

/**
 * Replays every trace of a folder of the form of `golden/avoid` on both levels of the model: those that the index lists, and all
 * others that lie there. What kind of trace one is follows from its content: whether its contact list names an obstacle, how far from
 * the base it goes, whether the rod's end comes down to the table. A trace that the folder does not hold and a field that a trace does
 * not have are reported as not compared; a damaged trace is reported as failed, and the others still run.
 */
export async function runAvoidGolden(folder: string): Promise<GoldenRow[]> {
  const rows: GoldenRow[] = [];
  const listed: string[] = [];
  const index = path.join(folder, "index.json");
  if (existsSync(index)) {
    rows.push(...guarded("index.json", "both", () => {
      listed.push(...inForm(indexForm, readJson(index)).traces.map(({ file }) => file));
      return [];
    }));
  }
  const present = readdirSync(folder).filter((file) => file.endsWith(".json") && file !== "index.json").sort();
  for (const file of new Set([...listed, ...present])) {
    rows.push(...guarded(file, "both", () => {
      if (!existsSync(path.join(folder, file))) return [unreadRow(file, "both", "the file", "listed, but not in this folder")];
      const value = readJson(path.join(folder, file));
      if (!listed.includes(file) && !v.is(traceHint, value)) return [unreadRow(file, "both", "the file", "neither in index.json nor a trace")];
      const trace = readTrace(value);
      if (trace.actions.length === 0) return [unreadRow(file, "both", "the file", "there is no step in it")];
      return [...compareArm(file, trace), ...comparePlanar(file, trace)];
    }));
  }
  return rows;
}

/** A trace whose lists are all as long as its steps ask for. */
function readTrace(value: unknown): Trace {
  const trace = inForm(traceForm, value);
  const steps = trace.actions.length;
  const lengths = { c: steps + 1, tip: steps + 1, contact: steps, reward_m5: steps, mode_encoding: modeFlagCount } as const;
  for (const [name, length] of Object.entries(lengths)) {
    const list = trace[name as keyof typeof lengths];
    if (list !== undefined && list.length !== length) throw new RangeError(`${name} has ${list.length} entries, not ${length}`);
  }
  return trace;
}

function replay(trace: Trace, level: number): Replay {
  const steps = trace.actions.length;
  const batch = new PhysicsBatch("avoid", { count: 1, chunk: steps, record: 2 });
  batch.set("AVOID_LEVEL", level);
  batch.set("AVOID_OBSTACLES", trace.obstacles ? 1 : 0);
  batch.set("BATCH_MAX_STEPS", 0);
  batch.set("BATCH_DOUBLE_ACTIONS", 1);
  batch.reset();
  batch.f64("BATCH_ACTIONS", 2 * steps).set(trace.actions.flat());
  const status = batch.stepChunk();
  if (status !== 0) throw new RangeError(`an action is no number (status ${status})`);
  const width = batch.get("BATCH_TRACE_SIZE");
  const values = batch.f64("BATCH_TRACE", (steps + 1) * width);
  const column = (name: string) => {
    const place = batch.constant(`AVOID_TRACE_${name}`);
    return Array.from({ length: steps + 1 }, (_, row) => values[row * width + place]!);
  };
  const x = column("ACTUAL");
  const place = batch.constant("AVOID_TRACE_ACTUAL");
  const mode = values[steps * width + batch.constant("AVOID_TRACE_MODE")]!;
  return {
    distance: trace.c.map((expected, row) => Math.hypot(x[row]! - expected[0], values[row * width + place + 1]! - expected[1])),
    contact: column("CONTACT"),
    reward: column("REWARD").slice(1),
    mode: Array.from({ length: modeFlagCount }, (_, flag) => (mode >> flag) & 1),
    collided: column("COLLIDED").at(-1) === 1,
  };
}

/** How far the positions of a trace are compared, and on what that rests. */
interface Extent {
  /** Rows that are compared: all, or those before the first contact or the landing on the table. */
  readonly end: number;
  readonly firstContact: number;
  readonly lands: boolean;
  /** Why nobody can say where the comparison would have to end. */
  readonly unknownContact: string | undefined;
  readonly unknownLanding: string | undefined;
}

function extentOf(trace: Trace): Extent {
  const firstContact = (trace.contact ?? []).findIndex((obstacle) => obstacle >= 0);
  const landing = (trace.tip ?? []).findIndex((tip) => tip[2] < tableTop);
  const ends = [firstContact, landing].filter((row) => row >= 0);
  const mayTouch = trace.contact === undefined && trace.obstacles && trace.collided !== false;
  const mayLand = trace.tip === undefined && leavesReach(trace);
  return {
    end: Math.min(trace.c.length, ...ends),
    firstContact,
    lands: landing >= 0,
    unknownContact: mayTouch ? "the trace has no contact list, so its first contact is unknown" : undefined,
    unknownLanding: mayLand ? "the trace has no tip list, so whether the rod lands on the table is unknown" : undefined,
  };
}

function leavesReach(trace: Trace): boolean {
  return trace.c.some(([x, y]) => Math.hypot(x, y) > normalReach);
}

const largest = (values: readonly number[]) => Math.max(0, ...values);
const meanSquareRoot = (values: readonly number[]) => Math.hypot(...values) / Math.sqrt(values.length);
/** The largest difference of two lists; lists of different length differ without bound. */
const largestDifference = (got: readonly number[], expected: readonly number[]) =>
  got.length === expected.length ? largest(got.map((value, place) => Math.abs(value - expected[place]!))) : Infinity;

function compareArm(file: string, trace: Trace): GoldenRow[] {
  const engine = "Level A";
  const got = replay(trace, 0);
  const { end, firstContact, lands, unknownContact, unknownLanding } = extentOf(trace);
  const row = (quantity: string, worst: number, tolerance: number, note?: string) =>
    judgedRow(file, engine, quantity, worst, tolerance, note);
  const unread = (quantity: string, reason = "the trace does not have it") => unreadRow(file, engine, quantity, reason);
  const rows: GoldenRow[] = [];

  const position = "position (m)";
  const unknown = unknownContact ?? unknownLanding;
  if (unknown !== undefined) rows.push(unread(position, unknown));
  else if (end === 0) rows.push(unread(position, "it starts in contact"));
  else {
    const tolerance = !lands && leavesReach(trace) ? armToleranceBeyond : armTolerance;
    const until = end < trace.c.length ? `steps 0 to ${end - 1} of ${trace.c.length - 1}` : `${end} rows`;
    rows.push(row(position, largest(got.distance.slice(0, end)), tolerance, until));
  }

  if (trace.contact === undefined) rows.push(unread("contact"));
  else if (firstContact >= 0) {
    const own = got.contact.findIndex((obstacle) => obstacle >= 0);
    rows.push(row("first contact (step)", own < 0 ? Infinity : Math.abs(own - firstContact), 0, `step ${firstContact}`));
    rows.push(row("obstacle touched first", Math.abs((got.contact[firstContact] ?? -1) - trace.contact[firstContact]!), 0));
    const touching = trace.contact.slice(firstContact).filter((obstacle) => obstacle >= 0).length;
    // Pushed head on, the rod stays; sliding round a cylinder is a bifurcation, which nobody can be asked to repeat.
    if (!lands && touching >= 0.9 * (trace.contact.length - firstContact)) {
      rows.push(row("position after contact (m)", largest(got.distance.slice(firstContact)), armTolerancePushed));
    }
  }

  const judged = lands ? Math.min(end, trace.actions.length) : trace.actions.length;
  if (trace.reward_m5 === undefined) rows.push(unread("reward"));
  else if (unknownLanding !== undefined) rows.push(unread("reward", unknownLanding));
  else if (judged === 0) rows.push(unread("reward", "it starts in contact"));
  else {
    const error = largestDifference(got.reward.slice(0, judged), trace.reward_m5.slice(0, judged));
    rows.push(row("reward", error, 1e-12, `${judged} steps`));
  }
  if (trace.mode_encoding === undefined) rows.push(unread("mode flags"));
  else rows.push(row("mode flags", largestDifference(got.mode, trace.mode_encoding), 0));
  if (trace.collided === undefined) rows.push(unread("collision"));
  else rows.push(row("collision", got.collided === trace.collided ? 0 : 1, 0));
  return rows;
}

function comparePlanar(file: string, trace: Trace): GoldenRow[] {
  const engine = "Level P";
  const got = replay(trace, 1);
  const { end, firstContact, lands, unknownContact, unknownLanding } = extentOf(trace);
  const row = (quantity: string, worst: number, tolerance: number) => judgedRow(file, engine, quantity, worst, tolerance);
  const unread = (quantity: string, reason = "the trace does not have it") => unreadRow(file, engine, quantity, reason);
  if (lands) return [unread("the trace", "it leaves the reach of the arm")];
  if (unknownLanding !== undefined) return [unread("the trace", unknownLanding)];
  const rows: GoldenRow[] = [];
  const mean = "position, mean (m)";
  const distance = got.distance.slice(0, end);
  if (unknownContact !== undefined) rows.push(unread(mean, unknownContact));
  else if (firstContact >= 0) {
    const own = got.contact.findIndex((obstacle) => obstacle >= 0);
    rows.push(end === 0 ? unread(mean, "it starts in contact") : row(mean, meanSquareRoot(distance), planarMeanToContact));
    rows.push(row("first contact (step)", own < 0 ? Infinity : Math.abs(own - firstContact), 1));
  } else if (!leavesReach(trace)) {
    rows.push(row(mean, meanSquareRoot(distance), planarMean));
    rows.push(row("position, largest (m)", largest(distance), planarLargest));
  }
  if (trace.mode_encoding === undefined) rows.push(unread("mode flags"));
  else rows.push(row("mode flags", largestDifference(got.mode, trace.mode_encoding), 0));
  if (trace.return_m5 === undefined) rows.push(unread("return"));
  else {
    const total = got.reward.reduce((sum, value) => sum + value, 0);
    rows.push(row("return", Math.abs(total - trace.return_m5), 3));
  }
  return rows;
}

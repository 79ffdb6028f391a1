import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { PhysicsBatch } from "./physics-batch.ts";
import type { GoldenRow } from "./row.ts";

interface Trace {
  readonly name: string;
  readonly obstacles: boolean;
  readonly actions: readonly (readonly [number, number])[];
  readonly c: readonly (readonly [number, number, number])[];
  readonly tip: readonly (readonly [number, number, number])[];
  readonly contact: readonly number[];
  readonly reward_m5: readonly number[];
  readonly mode_encoding: readonly number[];
  readonly collided: boolean;
  readonly return_m5: number;
}

/** What was run of a trace: one row per env step, row 0 the start. */
interface Replay {
  readonly distance: readonly number[];
  readonly contact: readonly number[];
  readonly reward: readonly number[];
  readonly mode: readonly number[];
  readonly collided: boolean;
}

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
 * Replays every trace of a folder of the form of `golden/avoid` on both levels of the model. What kind of trace one is
 * follows from its content: whether its contact list names an obstacle, how far from the base it goes, whether the rod's
 * end comes down to the table. What the index lists but the folder does not hold is reported as skipped.
 */
export async function runAvoidGolden(folder: string): Promise<GoldenRow[]> {
  const index = JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8")) as { readonly traces: readonly { readonly file: string }[] };
  const rows: GoldenRow[] = [];
  for (const { file } of index.traces) {
    if (!existsSync(path.join(folder, file))) {
      rows.push({ file, engine: "both", quantity: "skipped", worst: 0, tolerance: 0, passed: true, note: "listed, but not in this folder" });
      continue;
    }
    const trace = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Trace;
    rows.push(...compareArm(file, trace), ...comparePlanar(file, trace));
  }
  return rows;
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
  if (status !== 0) throw new RangeError(`${trace.name} has an action that is no number (status ${status})`);
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
    mode: trace.mode_encoding.map((_, flag) => (mode >> flag) & 1),
    collided: column("COLLIDED").at(-1) === 1,
  };
}

/** Rows of a trace that are compared: all of it, or as far as its first contact or its landing on the table, not included. */
function comparable(trace: Trace): { readonly end: number; readonly firstContact: number; readonly lands: boolean } {
  const firstContact = trace.contact.findIndex((obstacle) => obstacle >= 0);
  const landing = trace.tip.findIndex((tip) => tip[2] < tableTop);
  const ends = [firstContact, landing].filter((row) => row >= 0);
  return { end: Math.min(trace.c.length, ...ends), firstContact, lands: landing >= 0 };
}

function leavesReach(trace: Trace): boolean {
  return trace.c.some(([x, y]) => Math.hypot(x, y) > normalReach);
}

const largest = (values: readonly number[]) => values.reduce((worst, value) => (value <= worst ? worst : value), 0);
const meanSquareRoot = (values: readonly number[]) => Math.hypot(...values) / Math.sqrt(values.length);
const differences = (got: readonly number[], expected: readonly number[]) =>
  got.map((value, place) => Math.abs(value - expected[place]!));

function compareArm(file: string, trace: Trace): GoldenRow[] {
  const engine = "Level A";
  const got = replay(trace, 0);
  const { end, firstContact, lands } = comparable(trace);
  const row = (quantity: string, worst: number, tolerance: number, note?: string): GoldenRow => ({
    file, engine, quantity, worst, tolerance, passed: worst <= tolerance, ...(note === undefined ? {} : { note }),
  });
  const tolerance = !lands && leavesReach(trace) ? armToleranceBeyond : armTolerance;
  const until = end < trace.c.length ? `steps 0 to ${end - 1} of ${trace.c.length - 1}` : `${end} rows`;
  const rows = [row("position (m)", largest(got.distance.slice(0, end)), tolerance, until)];
  if (firstContact >= 0) {
    const own = got.contact.findIndex((obstacle) => obstacle >= 0);
    rows.push(row("first contact (step)", Math.abs(own - firstContact), 0, `step ${firstContact}`));
    rows.push(row("obstacle touched first", Math.abs((got.contact[firstContact] ?? -1) - trace.contact[firstContact]!), 0));
    const touching = trace.contact.slice(firstContact).filter((obstacle) => obstacle >= 0).length;
    // Pushed head on, the rod stays; sliding round a cylinder is a bifurcation, which nobody can be asked to repeat.
    if (touching >= 0.9 * (trace.contact.length - firstContact)) {
      rows.push(row("position after contact (m)", largest(got.distance.slice(end)), armTolerancePushed));
    }
  }
  const judged = lands ? end : trace.reward_m5.length;
  rows.push(row("reward", largest(differences(got.reward.slice(0, judged), trace.reward_m5)), 1e-12, `${judged} steps`));
  rows.push(row("mode flags", largest(differences(got.mode, trace.mode_encoding)), 0));
  rows.push(row("collision", got.collided === trace.collided ? 0 : 1, 0));
  return rows;
}

function comparePlanar(file: string, trace: Trace): GoldenRow[] {
  const engine = "Level P";
  const got = replay(trace, 1);
  const { end, firstContact, lands } = comparable(trace);
  if (lands) {
    return [{ file, engine, quantity: "skipped", worst: 0, tolerance: 0, passed: true, note: "leaves the reach of the arm" }];
  }
  const row = (quantity: string, worst: number, tolerance: number): GoldenRow => ({
    file, engine, quantity, worst, tolerance, passed: worst <= tolerance,
  });
  const rows: GoldenRow[] = [];
  const distance = got.distance.slice(0, end);
  if (firstContact >= 0) {
    const own = got.contact.findIndex((obstacle) => obstacle >= 0);
    rows.push(row("position, mean (m)", meanSquareRoot(distance), planarMeanToContact));
    rows.push(row("first contact (step)", own < 0 ? Infinity : Math.abs(own - firstContact), 1));
  } else if (!leavesReach(trace)) {
    rows.push(row("position, mean (m)", meanSquareRoot(distance), planarMean));
    rows.push(row("position, largest (m)", largest(distance), planarLargest));
  }
  rows.push(row("mode flags", largest(differences(got.mode, trace.mode_encoding)), 0));
  const total = got.reward.reduce((sum, value) => sum + value, 0);
  rows.push(row("return", Math.abs(total - trace.return_m5), 3));
  return rows;
}

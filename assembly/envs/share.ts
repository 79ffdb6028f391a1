/**
 * A batch shared among threads. Environments are handed out in grains by an atomic counter, because their cost differs
 * (a T in contact takes four times as long as one that lies free); which thread takes which grain changes no bit.
 *
 *   job   +0 control (team), +4 batch, +8 operation, +12 environments, +16 environments of a grain, +20 status,
 *         +64 next environment, +128 scratch of the host, 192 bytes
 *
 * The status is that of the whole batch on one thread: the smallest that a grain has answered with, 0 if none has.
 */
import { awaitAll, begin, finish, nextJob, THREADS } from "../lib/team";
import { avoid_reset, avoid_step_chunk } from "./avoid";
import { BATCH_KIND, KIND_AVOID } from "./batch";
import { pusht_reset, pusht_step_chunk } from "./pusht";

export const JOB_CONTROL: u32 = 0;
export const JOB_BATCH: u32 = 4;
export const JOB_OPERATION: u32 = 8;
export const JOB_COUNT: u32 = 12;
export const JOB_GRAIN: u32 = 16;
export const JOB_STATUS: u32 = 20;
export const JOB_NEXT: u32 = 64;
export const JOB_SCRATCH: u32 = 128;
export const JOB_SCRATCH_BYTES: u32 = 192;
export const JOB_BYTES: u32 = 320;
export const JOB_RESET: u32 = 0;
export const JOB_STEP: u32 = 1;

/** The smaller of the status that stands there and this one, 0 being none. */
function keepFirst(place: usize, status: i32): void {
  let stands = atomic.load<i32>(place);
  while (stands == 0 || status < stands) {
    const found = atomic.cmpxchg<i32>(place, stands, status);
    if (found == stands) return;
    stands = found;
  }
}

function takeGrains(job: usize): void {
  const batch = <usize>load<u32>(job, JOB_BATCH);
  const count = load<u32>(job, JOB_COUNT);
  const grain = load<u32>(job, JOB_GRAIN);
  const isReset = load<u32>(job, JOB_OPERATION) == JOB_RESET;
  const isAvoid = load<u32>(batch, BATCH_KIND) == KIND_AVOID;
  while (true) {
    const from = atomic.add<u32>(job + JOB_NEXT, grain);
    if (from >= count) return;
    const to = min(from + grain, count);
    const status = isAvoid
      ? (isReset ? avoid_reset(batch, from, to) : avoid_step_chunk(batch, from, to))
      : (isReset ? pusht_reset(batch, from, to) : pusht_step_chunk(batch, from, to));
    if (status != 0) keepFirst(job + JOB_STATUS, status);
  }
}

/** Runs a job on the calling thread and the workers of its team. The host has set the counter to the first row and checked the actions. */
export function run(job: usize): void {
  const control = <usize>load<u32>(job, JOB_CONTROL);
  const threads = load<u32>(control, THREADS);
  if (threads > 1) begin(control, job);
  takeGrains(job);
  if (threads > 1) awaitAll(control, <i32>threads - 1);
}

/** Starts a job on workers only; for pages, whose main thread may not block. */
export function start(control: usize, job: usize): void {
  begin(control, job);
}

/** The life of a worker: returns when the team is dissolved. */
export function workerLoop(control: usize, _thread: u32): void {
  while (true) {
    const job = nextJob(control);
    if (job == 0) return;
    takeGrains(job);
    finish(control);
  }
}

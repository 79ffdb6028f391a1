/**
 * The program runner. A program is a table of launches in linear memory; every thread runs the same table over its own
 * share of units, so JavaScript is entered once a program.
 *
 *   program   +0 launchCount, +4 control (team), then launches of 16 bytes from +16
 *   launch    +0 op code, +4 units, +8 args, +12 flags (bit 0: barrier before)
 *   args      params in the order of the spec, then one pointer a buffer, then the variant: 4 bytes each
 *
 * Thread t of T owns units floor(U t / T) .. floor(U (t+1) / T) of every launch: launches with equal U give a thread the
 * same rows, so they need no barrier between them.
 */
import { awaitAll, barrier, begin, finish, hasFailed, nextJob, THREADS } from "../lib/team";
import { dispatch } from "../generated/dispatch";

const BARRIER_BEFORE: u32 = 1;

function runShare(program: usize, thread: u32, threads: u32): void {
  const control = <usize>load<u32>(program, 4);
  const count = load<u32>(program);
  let launch = program + 16;
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(launch, 12) & BARRIER_BEFORE) {
      barrier(control, <i32>threads);
      // Behind a barrier that a failed thread never reached, memory is in no known state.
      if (threads > 1 && hasFailed(control)) return;
    }
    const units = <u64>load<u32>(launch, 4);
    const from = <u32>((units * thread) / threads);
    const to = <u32>((units * (thread + 1)) / threads);
    if (to > from) dispatch(load<u32>(launch), load<u32>(launch, 8), from, to);
    launch += 16;
  }
}

/** Runs a program on the calling thread and the workers of its team; returns when all are done. */
export function run(program: usize): void {
  const control = <usize>load<u32>(program, 4);
  const threads = load<u32>(control, THREADS);
  if (threads == 1) {
    runShare(program, 0, 1);
    return;
  }
  begin(control, program);
  runShare(program, 0, threads);
  awaitAll(control, <i32>threads - 1);
}

/** Starts a program on workers only; the caller looks at the finished word. For pages, whose main thread may not block. */
export function start(control: usize, program: usize): void {
  begin(control, program);
}

/** The life of a worker: returns when the team is dissolved. */
export function workerLoop(control: usize, thread: u32): void {
  while (true) {
    const program = nextJob(control);
    if (program == 0) return;
    runShare(program, thread, load<u32>(control, THREADS));
    finish(control);
  }
}

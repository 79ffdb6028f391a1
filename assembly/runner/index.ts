/**
 * The program runner. A program is a table of launches in linear memory; every thread runs the same table over its own
 * share of units, so JavaScript is entered once a program.
 *
 *   program   +0 launchCount, +4 control (team), then launches of 20 bytes from +16
 *   launch    +0 op code, +4 units, +8 args, +12 flags (bit 0: barrier before; bit 1: claimed), +16 units claimed so far
 *   args      params in the order of the spec, then one pointer a buffer, then the variant: 4 bytes each
 *
 * Thread t of T owns units floor(U t / T) .. floor(U (t+1) / T) of every launch: launches with equal U give a thread the
 * same rows, so they need no barrier between them. Of a launch that is claimed the threads take units piece by piece, as
 * they get done: a thread whose core is slower, or is taken away for a while, does less of it.
 */
import { awaitAll, barrier, begin, finish, hasFailed, nextJob, THREADS } from "../lib/team";
import { dispatch } from "../generated/dispatch";

const HEADER_BYTES: usize = 16;
const LAUNCH_BYTES: usize = 20;
const BARRIER_BEFORE: u32 = 1;
const CLAIMED: u32 = 2;

/** A piece is this part of what is left, for each thread: pieces get smaller, so that all threads end together ... */
const PIECES: u32 = 4;
/** ... but not so small that what a launch sets up for a piece counts ... */
const LEAST_PIECE: u32 = 48;
/** ... and whole tiles of rows in both builds, 4 and 6 rows high. */
const TILES: u32 = 12;

/** Runs pieces of a claimed launch until there are none left. */
function runClaimed(launch: usize, units: u32, threads: u32): void {
  let from = atomic.load<u32>(launch, 16);
  while (from < units) {
    const piece = max(LEAST_PIECE, ((units - from) / (threads * PIECES) + TILES - 1) / TILES * TILES);
    const to = min(units, from + piece);
    const found = atomic.cmpxchg<u32>(launch, from, to, 16);
    if (found == from) {
      dispatch(load<u32>(launch), load<u32>(launch, 8), from, to);
      from = atomic.load<u32>(launch, 16);
    } else {
      from = found;
    }
  }
}

/** Forgets what the last run claimed, before another thread looks. */
function forgetClaims(program: usize): void {
  let launch = program + HEADER_BYTES;
  for (let i = load<u32>(program); i > 0; i--, launch += LAUNCH_BYTES) store<u32>(launch, 0, 16);
}

function runShare(program: usize, thread: u32, threads: u32): void {
  const control = <usize>load<u32>(program, 4);
  const count = load<u32>(program);
  let launch = program + HEADER_BYTES;
  for (let i: u32 = 0; i < count; i++, launch += LAUNCH_BYTES) {
    const flags = load<u32>(launch, 12);
    if (flags & BARRIER_BEFORE) {
      barrier(control, <i32>threads);
      // Behind a barrier that a failed thread never reached, memory is in no known state.
      if (threads > 1 && hasFailed(control)) return;
    }
    const units = load<u32>(launch, 4);
    if (flags & CLAIMED && threads > 1) {
      runClaimed(launch, units, threads);
      continue;
    }
    const from = <u32>((<u64>units * thread) / threads);
    const to = <u32>((<u64>units * (thread + 1)) / threads);
    if (to > from) dispatch(load<u32>(launch), load<u32>(launch, 8), from, to);
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
  forgetClaims(program);
  begin(control, program);
  runShare(program, 0, threads);
  awaitAll(control, <i32>threads - 1);
}

/** Starts a program on workers only; the caller looks at the finished word. For pages, whose main thread may not block. */
export function start(control: usize, program: usize): void {
  forgetClaims(program);
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

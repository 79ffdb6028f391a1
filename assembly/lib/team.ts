/**
 * A team of threads over one shared memory: start signal, barrier, end signal. Used by the program runner and by the
 * environments. The caller's thread is thread 0 where it may block; elsewhere all threads are workers.
 *
 * Control block, one word a cache line (see src/threads/thread-team.ts for the same list):
 *     0  generation   grows by one for every job
 *    64  finished     workers that have ended the current job
 *   128  arrivals     threads that wait at the barrier
 *   192  phase        grows by one whenever a barrier opens
 *   256  sleepers     threads inside atomic.wait, on any of the words above
 *   320  stop         1: leave the loop
 *   324  failed       1: a worker's share trapped; the team is lost
 *   384  job          pointer that the module's run_share understands
 *   448  threads      threads that take part
 *
 * Every wait spins first: a barrier between two running threads costs 0.15 microseconds, a sleep and a wake 20.
 */
export const GENERATION: usize = 0;
export const FINISHED: usize = 64;
export const ARRIVALS: usize = 128;
export const PHASE: usize = 192;
export const SLEEPERS: usize = 256;
export const STOP: usize = 320;
export const JOB: usize = 384;
export const THREADS: usize = 448;

/** Set by a worker's host when its share trapped: nobody waits for it any longer. In the cache line of `stop`. */
export const FAILED: usize = 324;

const POLLS: i32 = 20000;

/** Nanoseconds after which a thread that waits inside a job looks whether another one has failed; idle threads sleep on. */
const JOB_PATIENCE: i64 = 100000000;
const FOR_EVER: i64 = -1;

/** What the thread of this instance waits for; see pollThenWait. */
let waitControl: usize = 0;
let waitAddress: usize = 0;
let waitOld: i32 = 0;
let waitPatience: i64 = 0;

/**
 * Returns once the word at `address` differs from `old`, or a thread has failed; gives the value now.
 *
 * From the wait on everything is read from globals, which are per thread, on purpose: the baseline compiler of V8 11
 * (Node 20) loses locals of a function that waits. Those of its callers it keeps, as long as this is not inlined into them.
 */
function pollThenWait(control: usize, address: usize, old: i32, patience: i64): i32 {
  for (let polls = 0; polls < POLLS; polls++) {
    const now = atomic.load<i32>(address);
    if (now != old) return now;
  }
  waitControl = control;
  waitAddress = address;
  waitOld = old;
  waitPatience = patience;
  // Sleepers is raised before the wait checks the word, and the waker changes the word before it reads sleepers: one of
  // the two sees the other, so no wake-up is lost.
  atomic.add<i32>(waitControl + SLEEPERS, 1);
  while (atomic.load<i32>(waitAddress) == waitOld && atomic.load<i32>(waitControl + FAILED) == 0) {
    atomic.wait<i32>(waitAddress, waitOld, waitPatience);
  }
  atomic.sub<i32>(waitControl + SLEEPERS, 1);
  return atomic.load<i32>(waitAddress);
}

/** pollThenWait through the function table, which is exported: no optimiser can know what stands there, and inline it. */
// @ts-ignore: decorator
@inline
function awaitChange(control: usize, address: usize, old: i32, patience: i64): i32 {
  return call_indirect<i32>(pollThenWait.index, control, address, old, patience);
}

/** Whether a worker's share has trapped. */
export function hasFailed(control: usize): bool {
  return atomic.load<i32>(control + FAILED) != 0;
}

function wake(control: usize, address: usize): void {
  if (atomic.load<i32>(control + SLEEPERS) > 0) atomic.notify(address, -1);
}

/** All threads of the team meet here. */
export function barrier(control: usize, threads: i32): void {
  if (threads == 1) return;
  const phase = atomic.load<i32>(control + PHASE);
  if (atomic.add<i32>(control + ARRIVALS, 1) + 1 == threads) {
    // A plain store before an atomic add is seen by whoever sees the add.
    store<i32>(control + ARRIVALS, 0);
    atomic.add<i32>(control + PHASE, 1);
    wake(control, control + PHASE);
  } else {
    awaitChange(control, control + PHASE, phase, JOB_PATIENCE);
  }
}

/** Generation of the last job that this thread took; a global is per instance, and an instance is per thread. */
let seen: i32 = 0;

/** Waits for the next job; returns its pointer, or 0 when the team is dissolved. */
export function nextJob(control: usize): usize {
  seen = awaitChange(control, control + GENERATION, seen, FOR_EVER);
  return atomic.load<i32>(control + STOP) != 0 || hasFailed(control) ? 0 : load<u32>(control + JOB);
}

/** A worker has ended its share. */
export function finish(control: usize): void {
  atomic.add<i32>(control + FINISHED, 1);
  wake(control, control + FINISHED);
}

/** Thread 0 starts the workers on a job. */
export function begin(control: usize, job: usize): void {
  store<i32>(control + FINISHED, 0);
  store<u32>(control + JOB, <u32>job);
  atomic.add<i32>(control + GENERATION, 1);
  wake(control, control + GENERATION);
}

/** Thread 0 waits for `workers` workers. */
export function awaitAll(control: usize, workers: i32): void {
  let finished = atomic.load<i32>(control + FINISHED);
  while (finished < workers && !hasFailed(control)) finished = awaitChange(control, control + FINISHED, finished, JOB_PATIENCE);
}

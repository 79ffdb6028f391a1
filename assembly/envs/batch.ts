// Batch of environments: header, arrays and the rules that all kinds share. The host allocates one block, the module lays it
// out; offsets are bytes from the block's start, u32 unless said otherwise. Letters: E environments, Ta actions of a chunk,
// A numbers of an action, D numbers of an observation, To stacked observations.
//
// Life of an environment inside `step_chunk`: up to Ta env steps; when an episode ends, the rest of the chunk is dropped, the window
// of observations and the episode's statistics are kept, and (automatic reset) the next episode begins at once.

export const BATCH_KIND: u32 = 0;
export const BATCH_COUNT: u32 = 4;
export const BATCH_CHUNK: u32 = 8;
export const BATCH_ACTION_SIZE: u32 = 12;
export const BATCH_OBSERVATION_SIZE: u32 = 16;
export const BATCH_STACKED: u32 = 20;
/** Truncation after this many env steps; 0: never. */
export const BATCH_MAX_STEPS: u32 = 24;
/** 1: an ended environment starts its next episode inside the call; 0: it stands still until it is reset. */
export const BATCH_AUTO_RESET: u32 = 28;
/** Added to an environment's seed, modulo 2^32, after each reset that drew from it. */
export const BATCH_SEED_STRIDE: u32 = 32;
/** 0: actions are f32; 1: f64. */
export const BATCH_DOUBLE_ACTIONS: u32 = 36;
/** 1: resets read the start from the array of starts instead of drawing it. */
export const BATCH_USE_STARTS: u32 = 40;
export const BATCH_START_SIZE: u32 = 44;
export const BATCH_OBSERVATION_KIND: u32 = 48;
/** Bits of the `record` argument. */
export const BATCH_RECORD: u32 = 52;
export const BATCH_TRACE_SIZE: u32 = 56;

// Pointers; 0 = not recorded
/** f32 or f64 [E, Ta, A] */
export const BATCH_ACTIONS: u32 = 64;
/** u32 [E]: seed of the next reset */
export const BATCH_SEEDS: u32 = 68;
/** f64 [E, start size] */
export const BATCH_STARTS: u32 = 72;
/** f32 [E, To, D], oldest first */
export const BATCH_OBSERVATIONS: u32 = 76;
/** f32 [E, To, D]: the window when the episode ended */
export const BATCH_FINAL_OBSERVATIONS: u32 = 80;
/** f32 [E]: sum over the steps of this call */
export const BATCH_REWARDS: u32 = 84;
/** u32 [E]: 0 or 1 */
export const BATCH_TERMINATED: u32 = 88;
export const BATCH_TRUNCATED: u32 = 92;
/** u32 [E]: env steps run in this call */
export const BATCH_STEPS: u32 = 96;
/** f64 [E, EPISODE_SIZE]: statistics of the episode that ended last */
export const BATCH_EPISODES: u32 = 100;
/** f64 [E, EPISODE_SIZE]: of the running episode */
export const BATCH_RUNNING: u32 = 104;
/** f32 [E, Ta] */
export const BATCH_STEP_REWARDS: u32 = 108;
/** u32 [E, Ta], STEP_... bits */
export const BATCH_STEP_FLAGS: u32 = 112;
/** f32 [E, Ta, D], with RECORD_OBSERVATIONS */
export const BATCH_STEP_OBSERVATIONS: u32 = 116;
/** f64 [E, 1 + Ta, trace size], with RECORD_TRACE */
export const BATCH_TRACE: u32 = 120;
/** Records of the environments; copying a record saves or restores an environment. */
export const BATCH_STATES: u32 = 124;
export const BATCH_STATE_STRIDE: u32 = 128;

/** Options of the kind begin here. */
export const BATCH_OPTIONS: u32 = 256;
export const BATCH_HEADER_BYTES: u32 = 512;

export const RECORD_OBSERVATIONS: u32 = 1;
export const RECORD_TRACE: u32 = 2;

export const STEP_IN_BOX: u32 = 1;
export const STEP_IN_CONTACT: u32 = 2;
export const STEP_OVERLAPS_BOX: u32 = 4;
export const STEP_EXECUTED: u32 = 0x80000000;

/** Columns of the statistics: return, length, success, then those of the kind. */
export const BATCH_EPISODE_SIZE: u32 = 8;
export const EPISODE_RETURN: u32 = 0;
export const EPISODE_LENGTH: u32 = 8;
export const EPISODE_SUCCESS: u32 = 16;

export const KIND_PUSHT: u32 = 1;
export const KIND_AVOID: u32 = 2;

/** Larger actions are refused: squares of positions must stay far below overflow. */
export const ACTION_LIMIT: f64 = 1e9;
/** Bounds of the arguments of `batch_bytes`. */
const COUNT_LIMIT: u32 = 1 << 20;
const CHUNK_LIMIT: u32 = 4096;
const STACK_LIMIT: u32 = 64;

let cursor: usize = 0;

/** Room for `bytes` at the next cache line; returns its offset from the block's start. */
function reserve(bytes: usize): u32 {
  const offset = cursor;
  cursor = (cursor + bytes + 63) & ~63;
  return <u32>offset;
}

/** Writes `base` + the next free offset into the header field, unless only the size is asked for (`batch` 0). */
function place(batch: usize, field: u32, bytes: usize): void {
  const offset = reserve(bytes);
  if (batch !== 0) store<u32>(batch + <usize>field, bytes === 0 ? 0 : <u32>batch + offset);
}

/**
 * Lays out a batch; with `batch` 0 it only adds up. Returns the bytes of the block, 0 where an argument is out of range
 * or the block would not fit a 32-bit memory.
 */
export function layOutBatch(
  batch: usize, kind: u32, count: u32, chunk: u32, stacked: u32, actionSize: u32, observationKind: u32, observationSize: u32,
  startSize: u32, traceSize: u32, stateBytes: u32, record: u32,
): u32 {
  if (count === 0 || count > COUNT_LIMIT || chunk === 0 || chunk > CHUNK_LIMIT || stacked === 0 || stacked > STACK_LIMIT || record > 3) return 0;
  const stateStride = (stateBytes + 63) & ~63;
  const rowBytes: u64 = <u64>stateStride + 8 * chunk * (actionSize + 1) + 4 * startSize * 2 + 8 * stacked * observationSize
    + ((record & RECORD_OBSERVATIONS) !== 0 ? 4 * <u64>chunk * observationSize : 0)
    + ((record & RECORD_TRACE) !== 0 ? 8 * (<u64>chunk + 1) * traceSize : 0) + 256;
  if (rowBytes * count > 0xf0000000) return 0;

  const environments = <usize>count;
  const steps = environments * <usize>chunk;
  const window = environments * <usize>(stacked * observationSize) * 4;
  cursor = BATCH_HEADER_BYTES;
  place(batch, BATCH_ACTIONS, steps * <usize>actionSize * 8);
  place(batch, BATCH_SEEDS, environments * 4);
  place(batch, BATCH_STARTS, environments * <usize>startSize * 8);
  place(batch, BATCH_OBSERVATIONS, window);
  place(batch, BATCH_FINAL_OBSERVATIONS, window);
  place(batch, BATCH_REWARDS, environments * 4);
  place(batch, BATCH_TERMINATED, environments * 4);
  place(batch, BATCH_TRUNCATED, environments * 4);
  place(batch, BATCH_STEPS, environments * 4);
  place(batch, BATCH_EPISODES, environments * BATCH_EPISODE_SIZE * 8);
  place(batch, BATCH_RUNNING, environments * BATCH_EPISODE_SIZE * 8);
  place(batch, BATCH_STEP_REWARDS, steps * 4);
  place(batch, BATCH_STEP_FLAGS, steps * 4);
  place(batch, BATCH_STEP_OBSERVATIONS, (record & RECORD_OBSERVATIONS) !== 0 ? steps * <usize>observationSize * 4 : 0);
  place(batch, BATCH_TRACE, (record & RECORD_TRACE) !== 0 ? (steps + environments) * <usize>traceSize * 8 : 0);
  place(batch, BATCH_STATES, environments * <usize>stateStride);
  if (batch === 0) return <u32>cursor;

  store<u32>(batch, kind, BATCH_KIND);
  store<u32>(batch, count, BATCH_COUNT);
  store<u32>(batch, chunk, BATCH_CHUNK);
  store<u32>(batch, actionSize, BATCH_ACTION_SIZE);
  store<u32>(batch, observationSize, BATCH_OBSERVATION_SIZE);
  store<u32>(batch, stacked, BATCH_STACKED);
  store<u32>(batch, 1, BATCH_AUTO_RESET);
  store<u32>(batch, count, BATCH_SEED_STRIDE);
  store<u32>(batch, startSize, BATCH_START_SIZE);
  store<u32>(batch, observationKind, BATCH_OBSERVATION_KIND);
  store<u32>(batch, record, BATCH_RECORD);
  store<u32>(batch, traceSize, BATCH_TRACE_SIZE);
  store<u32>(batch, stateStride, BATCH_STATE_STRIDE);
  const seeds = <usize>load<u32>(batch, BATCH_SEEDS);
  for (let environment: u32 = 0; environment < count; environment++) store<u32>(seeds + (<usize>environment << 2), environment);
  return <u32>cursor;
}

// Addresses of one environment's part of each array.

// @ts-ignore: decorator
@inline
export function stateOf(batch: usize, environment: u32): usize {
  return <usize>load<u32>(batch, BATCH_STATES) + <usize>environment * <usize>load<u32>(batch, BATCH_STATE_STRIDE);
}

// @ts-ignore: decorator
@inline
export function startOf(batch: usize, environment: u32): usize {
  return <usize>load<u32>(batch, BATCH_STARTS) + <usize>(environment * load<u32>(batch, BATCH_START_SIZE)) * 8;
}

/** The window of an environment in `field`, BATCH_OBSERVATIONS or BATCH_FINAL_OBSERVATIONS. */
// @ts-ignore: decorator
@inline
export function windowOf(batch: usize, field: u32, environment: u32): usize {
  return <usize>load<u32>(batch + <usize>field)
    + <usize>environment * <usize>(load<u32>(batch, BATCH_STACKED) * load<u32>(batch, BATCH_OBSERVATION_SIZE)) * 4;
}

/** The running (BATCH_RUNNING) or last finished (BATCH_EPISODES) statistics of an environment. */
// @ts-ignore: decorator
@inline
export function episodeOf(batch: usize, field: u32, environment: u32): usize {
  return <usize>load<u32>(batch + <usize>field) + <usize>environment * BATCH_EPISODE_SIZE * 8;
}

/** One word of a u32 or f32 array [E]. */
// @ts-ignore: decorator
@inline
export function wordOf(batch: usize, field: u32, environment: u32): usize {
  return <usize>load<u32>(batch + <usize>field) + (<usize>environment << 2);
}

/** Row of a u32 or f32 array [E, Ta]. */
// @ts-ignore: decorator
@inline
export function stepWordOf(batch: usize, field: u32, environment: u32, step: u32): usize {
  return <usize>load<u32>(batch + <usize>field) + (<usize>(environment * load<u32>(batch, BATCH_CHUNK) + step) << 2);
}

/** Component of an action as a double. */
// @ts-ignore: decorator
@inline
export function actionOf(batch: usize, environment: u32, step: u32, component: u32): f64 {
  const index = <usize>((environment * load<u32>(batch, BATCH_CHUNK) + step) * load<u32>(batch, BATCH_ACTION_SIZE) + component);
  const actions = <usize>load<u32>(batch, BATCH_ACTIONS);
  return load<u32>(batch, BATCH_DOUBLE_ACTIONS) !== 0 ? load<f64>(actions + (index << 3)) : <f64>load<f32>(actions + (index << 2));
}

/** Drops the oldest observation of a window and returns where the newest goes. */
// @ts-ignore: decorator
@inline
export function shiftWindow(batch: usize, environment: u32): usize {
  const window = windowOf(batch, BATCH_OBSERVATIONS, environment);
  const bytes = <usize>load<u32>(batch, BATCH_OBSERVATION_SIZE) * 4;
  const older = <usize>(load<u32>(batch, BATCH_STACKED) - 1) * bytes;
  if (older > 0) memory.copy(window, window + bytes, older);
  return window + older;
}

/** Repeats the newest observation of a window in all its places: the start of an episode. */
export function fillWindow(batch: usize, environment: u32): void {
  const window = windowOf(batch, BATCH_OBSERVATIONS, environment);
  const bytes = <usize>load<u32>(batch, BATCH_OBSERVATION_SIZE) * 4;
  const stacked = <usize>load<u32>(batch, BATCH_STACKED);
  const newest = window + (stacked - 1) * bytes;
  for (let i: usize = 0; i + 1 < stacked; i++) memory.copy(window + i * bytes, newest, bytes);
}

/** The seed of the environment's next episode; the one after it follows by the stride. */
export function takeSeed(batch: usize, environment: u32): u32 {
  const place = wordOf(batch, BATCH_SEEDS, environment);
  const seed = load<u32>(place);
  store<u32>(place, seed + load<u32>(batch, BATCH_SEED_STRIDE));
  return seed;
}

/** Keeps what the ended episode leaves behind. */
export function closeEpisode(batch: usize, environment: u32): void {
  memory.copy(
    episodeOf(batch, BATCH_EPISODES, environment), episodeOf(batch, BATCH_RUNNING, environment), BATCH_EPISODE_SIZE * 8,
  );
  memory.copy(
    windowOf(batch, BATCH_FINAL_OBSERVATIONS, environment), windowOf(batch, BATCH_OBSERVATIONS, environment),
    <usize>(load<u32>(batch, BATCH_STACKED) * load<u32>(batch, BATCH_OBSERVATION_SIZE)) * 4,
  );
}

/** 0, or 1 + the flat index of the first action of [from, to) that is not a number of size up to ACTION_LIMIT. */
export function batch_check_actions(batch: usize, from: u32, to: u32): i32 {
  const perEnvironment = load<u32>(batch, BATCH_CHUNK) * load<u32>(batch, BATCH_ACTION_SIZE);
  const actions = <usize>load<u32>(batch, BATCH_ACTIONS);
  const isDouble = load<u32>(batch, BATCH_DOUBLE_ACTIONS) !== 0;
  for (let i = from * perEnvironment; i < to * perEnvironment; i++) {
    const action = isDouble ? load<f64>(actions + (<usize>i << 3)) : <f64>load<f32>(actions + (<usize>i << 2));
    if (!(Math.abs(action) <= ACTION_LIMIT)) return <i32>i + 1;
  }
  return 0;
}

// Avoid: a robot hand with a vertical rod is driven past six cylinders to a goal line (the D3IL task as DPPO uses it).
//
// Observation (desired x, y; actual x, y), action: increment of the desired position, m. One env step t:
//   reward_t from the state now;  des <- des + action_t;  35 ms of physics;  mode flags from the new position
// and, with the observation delay of 1 that DPPO has, obs_t is the state *before* the action.
//
// Reward at the start of the step, the collision being latched for the rest of the episode:
//   collided or x outside [0.2, 0.8]: -0.1;   else [mode flag] + [y > 0.40]   (plain: [y > 0.40])
// Sparse: 1 where both hold and nothing was hit, else 0.
//
// Environments run two at a time, one per SIMD lane (assembly/physics/lanes.ts); which two is of no consequence.
import { beginInterval, restArm, stepArm } from "../physics/arm";
import { ROD_END, locateTool } from "../physics/arm-contact";
import {
  ARM_BYTES, AXIS, BIAS, GOAL, GOAL_HEIGHT, HAND_TURN, ON_TABLE, Q, QD, REF, REF_OLD, TCP, TOUCHED,
} from "../physics/arm-lanes";
import { advanceReference } from "../physics/arm-reference";
import { lanes } from "../physics/lanes";
import { PLANAR_BYTES, placePlanar, planarX, planarY, stepPlanar } from "../physics/planar-arm";
import {
  BATCH_AUTO_RESET, BATCH_CHUNK, BATCH_MAX_STEPS, BATCH_OBSERVATIONS, BATCH_OPTIONS, BATCH_REWARDS, BATCH_RUNNING,
  BATCH_STEPS, BATCH_STEP_FLAGS, BATCH_STEP_OBSERVATIONS, BATCH_STEP_REWARDS, BATCH_STACKED, BATCH_TERMINATED,
  BATCH_TRACE, BATCH_TRACE_SIZE, BATCH_TRUNCATED, BATCH_USE_STARTS, BATCH_EPISODE_SIZE, EPISODE_LENGTH, EPISODE_RETURN,
  EPISODE_SUCCESS, KIND_AVOID, STEP_EXECUTED, STEP_IN_CONTACT, actionOf, batch_check_actions, closeEpisode, episodeOf,
  fillWindow, layOutBatch, shiftWindow, startOf, stateOf, stepWordOf, takeSeed, windowOf, wordOf,
} from "./batch";

// Options
/** f64 x 4: box of the start (x0, y0, x1, y1), m; x1 < x0 (the default): the task's own start. */
export const AVOID_START_X0: u32 = BATCH_OPTIONS;
export const AVOID_START_Y0: u32 = BATCH_OPTIONS + 8;
export const AVOID_START_X1: u32 = BATCH_OPTIONS + 16;
export const AVOID_START_Y1: u32 = BATCH_OPTIONS + 24;
/** f64: height of the set-point, m; 0.12, where D3IL keeps that of the start, 0.12235930599. */
export const AVOID_HEIGHT: u32 = BATCH_OPTIONS + 56;
/** 0: the arm, seven joints (Level A); 1: the fitted planar point (Level P). */
export const AVOID_LEVEL: u32 = BATCH_OPTIONS + 32;
/** Mode flag that is paid: 5 to 8, or 0 for the plain reward. */
export const AVOID_REWARD_FLAG: u32 = BATCH_OPTIONS + 36;
/** 1: strictly sparse reward. */
export const AVOID_SPARSE: u32 = BATCH_OPTIONS + 40;
/** 1: observations are one env step old, as in DPPO; 0: they are of the state that the step led to. */
export const AVOID_OBSERVATION_DELAY: u32 = BATCH_OPTIONS + 44;
/** 0: the cylinders are left out. */
export const AVOID_OBSTACLES: u32 = BATCH_OPTIONS + 48;

// Columns of the episode statistics beyond the common ones.
/** Mode flags, bit k = flag k. */
export const AVOID_EPISODE_MODE: u32 = 24;
export const AVOID_EPISODE_COLLIDED: u32 = 32;
/** First obstacle hit, or -1. */
export const AVOID_EPISODE_OBSTACLE: u32 = 40;
/** Largest mean reward of a chunk. */
export const AVOID_EPISODE_BEST_CHUNK: u32 = 48;
/** Env steps at whose end the rod stood on the table. */
export const AVOID_EPISODE_TABLE_STEPS: u32 = 56;

// Columns of a trace row, f64: the state after an env step (row 0: before the chunk).
export const AVOID_TRACE_Q: u32 = 0;
export const AVOID_TRACE_QD: u32 = 7;
export const AVOID_TRACE_DESIRED: u32 = 14;
/** Tool centre point x, y, z as reported: one physics step before q. */
export const AVOID_TRACE_ACTUAL: u32 = 16;
/** Lower end of the rod x, y, z. */
export const AVOID_TRACE_TIP: u32 = 19;
/** Obstacle touched, or -1. */
export const AVOID_TRACE_CONTACT: u32 = 22;
export const AVOID_TRACE_ON_TABLE: u32 = 23;
export const AVOID_TRACE_MODE: u32 = 24;
/** Latched collision and reward of the env step that led here. */
export const AVOID_TRACE_COLLIDED: u32 = 25;
export const AVOID_TRACE_REWARD: u32 = 26;
const TRACE_SIZE: u32 = 27;

// Record of an environment.
const RECORD_Q: usize = 0;
const RECORD_QD: usize = 56;
const RECORD_REF: usize = 112;
const RECORD_BIAS: usize = 168;
const RECORD_DESIRED: usize = 224;
const RECORD_ACTUAL: usize = 240;
const RECORD_AXIS: usize = 264;
const RECORD_TOUCHED: usize = 288;
const RECORD_ON_TABLE: usize = 296;
const RECORD_REWARD: usize = 304;
const RECORD_CHUNK_REWARD: usize = 312;
const RECORD_PLANAR: usize = 320;
const RECORD_MODE: usize = RECORD_PLANAR + PLANAR_BYTES;
const RECORD_COLLIDED: usize = RECORD_MODE + 4;
/** 1 after the end of an episode, until the reset. */
const RECORD_ENDED: usize = RECORD_MODE + 8;
/** Room to work on two arms; that of the first environment of a range serves the whole range. */
const RECORD_PAIR: usize = 400;
const RECORD_BYTES: u32 = <u32>(RECORD_PAIR + ARM_BYTES);

/** Joint angles of the task's start; joint 7 as stored, turned by -pi/4. */
const START_Q: usize = memory.data<f64>([
  -0.356408684719144, 0.42944545403685375, -0.13501059530077475, -2.0546518930206967, 0.09357822291576079,
  2.4807179407013367, 0.2325067588494456 - HAND_TURN,
]);

/** Reward after a collision and outside the table. */
const LEAST_REWARD: f64 = -0.1;
/** Height of the set-point, m. */
const TASK_HEIGHT: f64 = 0.12;
/** Physics steps in one env step. */
const SUBSTEPS: i32 = 35;
/** A start counts as reached within this distance, m. */
const START_TOLERANCE: f64 = 0.003;
/** Draws from the start box before the task's own start is taken. */
const START_DRAWS: i32 = 16;
/** Milliseconds that the reference may take to settle at a start. */
const SETTLE_LIMIT: i32 = 4000;

/** The only observation kind: desired x, y, then actual x, y. */
export const AVOID_STATE: u32 = 0;

export function avoid_batch_bytes(count: u32, chunk: u32, stacked: u32, observationKind: u32, record: u32): u32 {
  return observationKind !== 0 ? 0 : layOutBatch(0, KIND_AVOID, count, chunk, stacked, 2, 0, 4, 2, TRACE_SIZE, RECORD_BYTES, record);
}

export function avoid_batch_init(batch: usize, count: u32, chunk: u32, stacked: u32, observationKind: u32, record: u32): void {
  layOutBatch(batch, KIND_AVOID, count, chunk, stacked, 2, observationKind, 4, 2, TRACE_SIZE, RECORD_BYTES, record);
  store<u32>(batch, 100, BATCH_MAX_STEPS);
  store<f64>(batch, 0, AVOID_START_X0);
  store<f64>(batch, -1, AVOID_START_X1);
  store<u32>(batch, 5, AVOID_REWARD_FLAG);
  store<u32>(batch, 1, AVOID_OBSERVATION_DELAY);
  store<u32>(batch, 1, AVOID_OBSTACLES);
  store<f64>(batch, TASK_HEIGHT, AVOID_HEIGHT);
  // Nothing moves before its first reset.
  for (let environment: u32 = 0; environment < count; environment++) store<u32>(stateOf(batch, environment), 1, RECORD_ENDED);
}

/** 0, or 1 + the first environment whose given start is out of reach or touches a cylinder. */
export function avoid_reset(batch: usize, from: u32, to: u32): i32 {
  let status = 0;
  for (let environment = from; environment < to; environment++) {
    if (!reset(batch, environment) && status === 0) status = <i32>environment + 1;
  }
  return status;
}

export function avoid_step_chunk(batch: usize, from: u32, to: u32): i32 {
  const status = batch_check_actions(batch, from, to);
  if (status !== 0) return status;
  const isPlanar = load<u32>(batch, AVOID_LEVEL) !== 0;
  let waiting: i32 = -1;
  for (let environment = from; environment < to; environment++) {
    beginChunk(batch, environment);
    if (load<u32>(stateOf(batch, environment), RECORD_ENDED) !== 0) continue;
    if (isPlanar) {
      runPlanar(batch, environment);
    } else if (waiting < 0) {
      waiting = environment;
    } else {
      runPair(batch, from, waiting, environment);
      waiting = -1;
    }
  }
  if (waiting >= 0) runPair(batch, from, waiting, waiting);
  return 0;
}

/** Clears what a call reports of one environment. */
function beginChunk(batch: usize, environment: u32): void {
  const chunk = load<u32>(batch, BATCH_CHUNK);
  store<f32>(wordOf(batch, BATCH_REWARDS, environment), 0);
  store<u32>(wordOf(batch, BATCH_TERMINATED, environment), 0);
  store<u32>(wordOf(batch, BATCH_TRUNCATED, environment), 0);
  store<u32>(wordOf(batch, BATCH_STEPS, environment), 0);
  memory.fill(stepWordOf(batch, BATCH_STEP_REWARDS, environment, 0), 0, <usize>chunk * 4);
  memory.fill(stepWordOf(batch, BATCH_STEP_FLAGS, environment, 0), 0, <usize>chunk * 4);
  store<f64>(stateOf(batch, environment), 0, RECORD_CHUNK_REWARD);
  trace(batch, environment, 0);
}

function runPlanar(batch: usize, environment: u32): void {
  const record = stateOf(batch, environment);
  const chunk = load<u32>(batch, BATCH_CHUNK), obstacles = load<u32>(batch, AVOID_OBSTACLES);
  for (let step: u32 = 0; step < chunk && load<u32>(record, RECORD_ENDED) === 0; step++) {
    act(batch, environment, step);
    const planar = record + RECORD_PLANAR;
    const touched = stepPlanar(planar, load<f64>(record, RECORD_DESIRED), load<f64>(record, RECORD_DESIRED + 8), obstacles);
    store<f64>(record, planarX(planar), RECORD_ACTUAL);
    store<f64>(record, planarY(planar), RECORD_ACTUAL + 8);
    store<f64>(record, touched, RECORD_TOUCHED);
    settleStep(batch, environment, step);
  }
  endChunk(batch, environment);
}

/** Runs the chunk of environments `first` and `second`; the same one twice where there is no other. */
function runPair(batch: usize, from: u32, first: u32, second: u32): void {
  const at = stateOf(batch, from) + RECORD_PAIR;
  const record0 = stateOf(batch, first), record1 = stateOf(batch, second);
  const chunk = load<u32>(batch, BATCH_CHUNK), obstacles = load<u32>(batch, AVOID_OBSTACLES);
  gather(at, 0, record0);
  gather(at, 8, record1);
  v128.store(at, lanes(load<f64>(batch, AVOID_HEIGHT)), GOAL_HEIGHT);
  for (let step: u32 = 0; step < chunk; step++) {
    const is0 = load<u32>(record0, RECORD_ENDED) === 0;
    const is1 = first !== second && load<u32>(record1, RECORD_ENDED) === 0;
    if (!is0 && !is1) break;
    if (is0) act(batch, first, step);
    if (is1) act(batch, second, step);
    store<f64>(at, load<f64>(record0, RECORD_DESIRED), GOAL);
    store<f64>(at, load<f64>(record0, RECORD_DESIRED + 8), GOAL + 16);
    store<f64>(at, load<f64>(record1, RECORD_DESIRED), GOAL + 8);
    store<f64>(at, load<f64>(record1, RECORD_DESIRED + 8), GOAL + 24);
    beginInterval(at);
    for (let k = 1; k < SUBSTEPS; k++) stepArm(at, obstacles);
    locateTool(at);
    stepArm(at, obstacles);
    if (is0) {
      scatter(at, 0, record0);
      settleStep(batch, first, step);
    }
    if (is1) {
      scatter(at, 8, record1);
      settleStep(batch, second, step);
    }
  }
  endChunk(batch, first);
  if (first !== second) endChunk(batch, second);
}

/** One record into a lane (byte 0 or 8) of the pair. */
function gather(at: usize, lane: usize, record: usize): void {
  for (let i: usize = 0; i < 7; i++) {
    const to = at + (i << 4) + lane, from = record + (i << 3);
    store<f64>(to, load<f64>(from, RECORD_Q), Q);
    store<f64>(to, load<f64>(from, RECORD_QD), QD);
    store<f64>(to, load<f64>(from, RECORD_REF), REF);
    store<f64>(to, load<f64>(from, RECORD_BIAS), BIAS);
  }
}

/** A lane of the pair into its record. */
function scatter(at: usize, lane: usize, record: usize): void {
  for (let i: usize = 0; i < 7; i++) {
    const from = at + (i << 4) + lane, to = record + (i << 3);
    store<f64>(to, load<f64>(from, Q), RECORD_Q);
    store<f64>(to, load<f64>(from, QD), RECORD_QD);
    store<f64>(to, load<f64>(from, REF), RECORD_REF);
    store<f64>(to, load<f64>(from, BIAS), RECORD_BIAS);
  }
  for (let i: usize = 0; i < 3; i++) {
    store<f64>(record + (i << 3), load<f64>(at + (i << 4) + lane, TCP), RECORD_ACTUAL);
    store<f64>(record + (i << 3), load<f64>(at + (i << 4) + lane, AXIS), RECORD_AXIS);
  }
  store<f64>(record, load<f64>(at + lane, TOUCHED), RECORD_TOUCHED);
  store<f64>(record, load<f64>(at + lane, ON_TABLE), RECORD_ON_TABLE);
}

/** Everything of an env step that precedes its physics: reward, delayed observation, the new set-point. */
function act(batch: usize, environment: u32, step: u32): void {
  const record = stateOf(batch, environment);
  const x = load<f64>(record, RECORD_ACTUAL), y = load<f64>(record, RECORD_ACTUAL + 8);
  const running = episodeOf(batch, BATCH_RUNNING, environment);
  const touched = load<f64>(record, RECORD_TOUCHED);
  if (touched >= 0 && load<u32>(record, RECORD_COLLIDED) === 0) {
    store<u32>(record, 1, RECORD_COLLIDED);
    store<f64>(running, 1, AVOID_EPISODE_COLLIDED);
    store<f64>(running, touched, AVOID_EPISODE_OBSTACLE);
  }
  const flag = load<u32>(batch, AVOID_REWARD_FLAG);
  const isBeyond = y > 0.4;
  const isMode = flag === 0 || (load<u32>(record, RECORD_MODE) >> flag & 1) !== 0;
  const isBad = load<u32>(record, RECORD_COLLIDED) !== 0 || x < 0.2 || x > 0.8;
  let reward: f64 = 0;
  if (load<u32>(batch, AVOID_SPARSE) !== 0) {
    if (!isBad && isBeyond && isMode) reward = 1;
  } else if (isBad) {
    reward = LEAST_REWARD;
  } else {
    if (flag !== 0 && isMode) reward = 1;
    if (isBeyond) reward += 1;
  }
  store<f64>(record, reward, RECORD_REWARD);
  if (load<u32>(batch, AVOID_OBSERVATION_DELAY) !== 0) observe(batch, environment);
  for (let i: u32 = 0; i < 2; i++) {
    const place = record + (<usize>i << 3);
    store<f64>(place, load<f64>(place, RECORD_DESIRED) + actionOf(batch, environment, step, i), RECORD_DESIRED);
  }
}

/** Everything that follows the physics: mode flags, observation, counters, the end of the episode. */
function settleStep(batch: usize, environment: u32, step: u32): void {
  const record = stateOf(batch, environment), running = episodeOf(batch, BATCH_RUNNING, environment);
  const mode = modeFlags(load<u32>(record, RECORD_MODE), load<f64>(record, RECORD_ACTUAL), load<f64>(record, RECORD_ACTUAL + 8));
  store<u32>(record, mode, RECORD_MODE);
  if (load<u32>(batch, AVOID_OBSERVATION_DELAY) === 0) observe(batch, environment);
  const stepObservations = <usize>load<u32>(batch, BATCH_STEP_OBSERVATIONS);
  if (stepObservations !== 0) {
    const newest = windowOf(batch, BATCH_OBSERVATIONS, environment) + <usize>(load<u32>(batch, BATCH_STACKED) - 1) * 16;
    memory.copy(stepObservations + <usize>(environment * load<u32>(batch, BATCH_CHUNK) + step) * 16, newest, 16);
  }
  const reward = load<f64>(record, RECORD_REWARD);
  store<f64>(record, load<f64>(record, RECORD_CHUNK_REWARD) + reward, RECORD_CHUNK_REWARD);
  store<f32>(stepWordOf(batch, BATCH_STEP_REWARDS, environment, step), <f32>reward);
  const isTouching = load<f64>(record, RECORD_TOUCHED) >= 0;
  store<u32>(stepWordOf(batch, BATCH_STEP_FLAGS, environment, step), STEP_EXECUTED | (isTouching ? STEP_IN_CONTACT : 0));
  const length = load<f64>(running, EPISODE_LENGTH) + 1;
  store<f64>(running, load<f64>(running, EPISODE_RETURN) + reward, EPISODE_RETURN);
  store<f64>(running, length, EPISODE_LENGTH);
  store<f64>(running, mode, AVOID_EPISODE_MODE);
  store<f64>(running, load<f64>(running, AVOID_EPISODE_TABLE_STEPS) + load<f64>(record, RECORD_ON_TABLE), AVOID_EPISODE_TABLE_STEPS);
  store<u32>(wordOf(batch, BATCH_STEPS, environment), step + 1);
  trace(batch, environment, step + 1);
  const maxSteps = load<u32>(batch, BATCH_MAX_STEPS);
  if (maxSteps !== 0 && length >= <f64>maxSteps) store<u32>(record, 1, RECORD_ENDED);
}

/** Sums up the chunk; an ended episode is put away and, where that is asked for, the next begins. */
function endChunk(batch: usize, environment: u32): void {
  const record = stateOf(batch, environment), running = episodeOf(batch, BATCH_RUNNING, environment);
  const total = load<f64>(record, RECORD_CHUNK_REWARD);
  store<f32>(wordOf(batch, BATCH_REWARDS, environment), <f32>total);
  const mean = total / <f64>load<u32>(wordOf(batch, BATCH_STEPS, environment));
  if (mean > load<f64>(running, AVOID_EPISODE_BEST_CHUNK)) store<f64>(running, mean, AVOID_EPISODE_BEST_CHUNK);
  const isDouble = load<u32>(batch, AVOID_REWARD_FLAG) !== 0 && load<u32>(batch, AVOID_SPARSE) === 0;
  if (mean >= (isDouble ? 2 : 1)) store<f64>(running, 1, EPISODE_SUCCESS);
  if (load<u32>(record, RECORD_ENDED) === 0) return;
  store<u32>(wordOf(batch, BATCH_TRUNCATED, environment), 1);
  closeEpisode(batch, environment);
  if (load<u32>(batch, BATCH_AUTO_RESET) !== 0) reset(batch, environment);
}

/** Adds to the flags what the position (x, y) sets: at each level one flag, once. */
function modeFlags(mode: u32, x: f64, y: f64): u32 {
  if ((mode & 0x3) === 0 && Math.abs(y + 0.1) <= 0.03) mode |= x < 0.5 ? 1 : x > 0.5 ? 2 : 0;
  if ((mode & 0x1c) === 0 && Math.abs(y - 0.08) <= 0.03) mode |= x < 0.425 ? 4 : x > 0.575 ? 16 : x > 0.425 && x < 0.575 ? 8 : 0;
  if ((mode & 0x1e0) === 0 && y >= 0.26) {
    if (x < 0.35) mode |= 32;
    else if (x > 0.35 && x < 0.5) mode |= 64;
    else if (x > 0.5 && x < 0.65) mode |= 128;
    else if (x > 0.35) mode |= 256;
  }
  return mode;
}

/** Appends (desired, actual) to the window. */
function observe(batch: usize, environment: u32): void {
  const record = stateOf(batch, environment), newest = shiftWindow(batch, environment);
  store<f32>(newest, <f32>load<f64>(record, RECORD_DESIRED));
  store<f32>(newest, <f32>load<f64>(record, RECORD_DESIRED + 8), 4);
  store<f32>(newest, <f32>load<f64>(record, RECORD_ACTUAL), 8);
  store<f32>(newest, <f32>load<f64>(record, RECORD_ACTUAL + 8), 12);
}

function trace(batch: usize, environment: u32, row: u32): void {
  const traces = <usize>load<u32>(batch, BATCH_TRACE);
  if (traces === 0) return;
  const record = stateOf(batch, environment);
  const rowOf = environment * (load<u32>(batch, BATCH_CHUNK) + 1) + row;
  const out = traces + <usize>(rowOf * load<u32>(batch, BATCH_TRACE_SIZE)) * 8;
  memory.copy(out, record + RECORD_Q, 112);
  store<f64>(out, load<f64>(out, 48) + HAND_TURN, 48);
  memory.copy(out + AVOID_TRACE_DESIRED * 8, record + RECORD_DESIRED, 40);
  for (let i: usize = 0; i < 24; i += 8) {
    store<f64>(out + i, load<f64>(record + i, RECORD_ACTUAL) + ROD_END * load<f64>(record + i, RECORD_AXIS), AVOID_TRACE_TIP * 8);
  }
  store<f64>(out, load<f64>(record, RECORD_TOUCHED), AVOID_TRACE_CONTACT * 8);
  store<f64>(out, load<f64>(record, RECORD_ON_TABLE), AVOID_TRACE_ON_TABLE * 8);
  store<f64>(out, load<u32>(record, RECORD_MODE), AVOID_TRACE_MODE * 8);
  store<f64>(out, load<u32>(record, RECORD_COLLIDED), AVOID_TRACE_COLLIDED * 8);
  store<f64>(out, load<f64>(record, RECORD_REWARD), AVOID_TRACE_REWARD * 8);
}

/** Begins an episode. False where the start that was asked for cannot be taken; then the task's own is. */
function reset(batch: usize, environment: u32): bool {
  const record = stateOf(batch, environment), pair = record + RECORD_PAIR;
  const obstacles = load<u32>(batch, AVOID_OBSTACLES);
  let isReached = true;
  const x0 = load<f64>(batch, AVOID_START_X0), x1 = load<f64>(batch, AVOID_START_X1);
  const y0 = load<f64>(batch, AVOID_START_Y0), y1 = load<f64>(batch, AVOID_START_Y1);
  if (load<u32>(batch, BATCH_USE_STARTS) !== 0) {
    const start = startOf(batch, environment);
    isReached = settle(pair, load<f64>(start), load<f64>(start, 8), obstacles);
  } else if (x1 >= x0 && y1 >= y0) {
    const seed = <u64>takeSeed(batch, environment) << 32;
    isReached = false;
    for (let draw = 0; draw < START_DRAWS && !isReached; draw++) {
      const x = x0 + (x1 - x0) * uniform(seed + 2 * draw), y = y0 + (y1 - y0) * uniform(seed + 2 * draw + 1);
      isReached = settle(pair, x, y, obstacles);
    }
  } else {
    placeArm(pair);
  }
  if (!isReached) placeArm(pair);
  restArm(pair, obstacles);
  scatter(pair, 0, record);
  if (load<u32>(batch, BATCH_USE_STARTS) === 0) memory.copy(startOf(batch, environment), record + RECORD_ACTUAL, 16);
  // The desired position starts at the actual one in single precision.
  const x = <f64><f32>load<f64>(record, RECORD_ACTUAL), y = <f64><f32>load<f64>(record, RECORD_ACTUAL + 8);
  store<f64>(record, x, RECORD_DESIRED);
  store<f64>(record, y, RECORD_DESIRED + 8);
  placePlanar(record + RECORD_PLANAR, load<f64>(record, RECORD_ACTUAL), load<f64>(record, RECORD_ACTUAL + 8), x, y);
  store<f64>(record, 0, RECORD_REWARD);
  store<u32>(record, 0, RECORD_MODE);
  store<u32>(record, 0, RECORD_COLLIDED);
  store<u32>(record, 0, RECORD_ENDED);
  const running = episodeOf(batch, BATCH_RUNNING, environment);
  memory.fill(running, 0, BATCH_EPISODE_SIZE * 8);
  store<f64>(running, -1, AVOID_EPISODE_OBSTACLE);
  store<f64>(running, LEAST_REWARD, AVOID_EPISODE_BEST_CHUNK);
  observe(batch, environment);
  fillWindow(batch, environment);
  return isReached;
}

/** Both lanes at the task's start. */
function placeArm(at: usize): void {
  for (let i: usize = 0; i < 7; i++) {
    const q = lanes(load<f64>(START_Q + (i << 3)));
    v128.store(at + (i << 4), q, Q);
    v128.store(at + (i << 4), q, REF);
  }
}

/**
 * Puts the arm where the reference settles for the set-point (x, y), from the task's start. False where it cannot come
 * within the tolerance, or stands in a cylinder there.
 */
function settle(at: usize, x: f64, y: f64, obstacles: u32): bool {
  placeArm(at);
  beginInterval(at);
  v128.store(at, lanes(x), GOAL);
  v128.store(at, lanes(y), GOAL + 16);
  v128.store(at, lanes(TASK_HEIGHT), GOAL_HEIGHT);
  for (let k = 0; k < SETTLE_LIMIT; k++) {
    advanceReference(at);
    let moved: f64 = 0;
    for (let i: usize = 0; i < 112; i += 16) {
      moved = Math.max(moved, Math.abs(load<f64>(at + i, REF) - load<f64>(at + i, REF_OLD)));
    }
    if (moved < 1e-7) break;
  }
  memory.copy(at + Q, at + REF, 112);
  restArm(at, obstacles);
  const dx = load<f64>(at, TCP) - x, dy = load<f64>(at, TCP + 16) - y, dz = load<f64>(at, TCP + 32) - TASK_HEIGHT;
  if (!(dx * dx + dy * dy + dz * dz < START_TOLERANCE * START_TOLERANCE)) return false;
  return load<f64>(at, TOUCHED) < 0;
}

/** Uniform number in [0, 1): SplitMix64 of the counter. */
function uniform(counter: u64): f64 {
  let z = (counter + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return <f64>((z ^ (z >> 31)) >> 11) * 1.1102230246251565e-16;
}

/**
 * Where the hand of one environment is, f64 x 7 at `out`: desired x, y; reported x, y, z; and x, y where the joints as they are
 * now put it, one physics step ahead of the report (the planar model has no such step).
 */
export function avoid_pose(batch: usize, environment: u32, out: usize): void {
  const record = stateOf(batch, environment), pair = record + RECORD_PAIR;
  memory.copy(out, record + RECORD_DESIRED, 40);
  memory.copy(out + 40, record + RECORD_ACTUAL, 16);
  if (load<u32>(batch, AVOID_LEVEL) !== 0) return;
  gather(pair, 0, record);
  gather(pair, 8, record);
  beginInterval(pair);
  locateTool(pair);
  store<f64>(out, load<f64>(pair, TCP), 40);
  store<f64>(out, load<f64>(pair, TCP + 16), 48);
}

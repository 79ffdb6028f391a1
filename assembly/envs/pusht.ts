// Push-T: batches of environments over `physics/planar`. One env step is ten physics steps towards a commanded target.
//
//   push   reward = clip(coverage / threshold, 0, 1), success = coverage > threshold (strict)
//   reach  reward = max(0, 1 - d / 256) for the distance d of the agent from a point, success = d < radius
import { coverage } from "../physics/planar/coverage";
import { DISC_RADIUS, GRAVITY_Y } from "../physics/planar/constants";
import {
  ACTIVE_ARBITERS, ACTIVE_CONTACTS, AGENT_VX, AGENT_VY, AGENT_X, AGENT_Y, BLOCK_ANGLE, BLOCK_COS, BLOCK_SIN, BLOCK_VBX, BLOCK_VBY,
  BLOCK_VX, BLOCK_VY, BLOCK_W, BLOCK_WB, BLOCK_X, BLOCK_Y, CONTACTS, CONTACT_BIAS, CONTACT_FIRST, CONTACT_JBIAS, CONTACT_JN,
  CONTACT_NMASS, CONTACT_NX, CONTACT_NY, CONTACT_ORDER, CONTACT_PAIR, CONTACT_POINTS, CONTACT_R1X, CONTACT_R1Y, CONTACT_R2X,
  CONTACT_R2Y, CONTACT_STRIDE, GROUP_SCENES, ORIGIN_X, ORIGIN_Y, SCENE_BYTES, TARGET_X, TARGET_Y,
  VERTICES,
} from "../physics/planar/memory";
import { useExactSearch } from "../physics/planar/collide";
import { driveGroup, driveScene, resetScene } from "../physics/planar/scene";
import { GROUP } from "../physics/planar/solver";
import { seedTwister, TWISTER_BYTES } from "../physics/mersenne-twister";
import { sineCosine, cosine, sine } from "../physics/libm-trigonometry";
import {
  actionOf, BATCH_AUTO_RESET, BATCH_CHUNK, BATCH_MAX_STEPS, BATCH_OBSERVATION_KIND, BATCH_OBSERVATION_SIZE, BATCH_OPTIONS,
  BATCH_REWARDS, BATCH_RUNNING, BATCH_STEPS, BATCH_STEP_FLAGS, BATCH_STEP_OBSERVATIONS, BATCH_STEP_REWARDS, BATCH_TERMINATED,
  BATCH_TRACE, BATCH_TRACE_SIZE, BATCH_TRUNCATED, BATCH_USE_STARTS, batch_check_actions, closeEpisode, EPISODE_LENGTH,
  EPISODE_RETURN, EPISODE_SUCCESS, episodeOf, fillWindow, KIND_PUSHT, layOutBatch, shiftWindow, startOf, stateOf,
  STEP_EXECUTED, STEP_IN_BOX, STEP_IN_CONTACT, STEP_OVERLAPS_BOX, stepWordOf, takeSeed, wordOf,
} from "./batch";
import { drawStart, drawStartNear } from "./pusht-start";

// Options, from the batch's start
/** f64: coverage beyond which an episode succeeds. */
export const PUSHT_SUCCESS_COVERAGE: u32 = BATCH_OPTIONS;
/** f64 x 4: forbidden rectangle in px; empty where x1 < x0. */
export const PUSHT_BOX_X0: u32 = BATCH_OPTIONS + 8;
export const PUSHT_BOX_Y0: u32 = BATCH_OPTIONS + 16;
export const PUSHT_BOX_X1: u32 = BATCH_OPTIONS + 24;
export const PUSHT_BOX_Y1: u32 = BATCH_OPTIONS + 32;
/** f64 x 3: point of the reach task and the distance that counts as there, px. */
export const PUSHT_REACH_X: u32 = BATCH_OPTIONS + 40;
export const PUSHT_REACH_Y: u32 = BATCH_OPTIONS + 48;
export const PUSHT_REACH_RADIUS: u32 = BATCH_OPTIONS + 56;
/** u32: 0 = position then angle (legacy), 1 = angle then position. */
export const PUSHT_RESET_ORDER: u32 = BATCH_OPTIONS + 64;
/** u32: PUSHT_FAST or PUSHT_EXACT. */
export const PUSHT_COLLISION: u32 = BATCH_OPTIONS + 68;
/** u32: PUSHT_PUSH or PUSHT_REACH. */
export const PUSHT_TASK: u32 = BATCH_OPTIONS + 72;
/** u32: 1 = success ends the episode; 0 = it runs until it is truncated. */
export const PUSHT_END_ON_SUCCESS: u32 = BATCH_OPTIONS + 76;
/** u32: 1 = an episode is truncated when the T's centre of gravity leaves the canvas, 0..511. */
export const PUSHT_TRUNCATE_OUTSIDE: u32 = BATCH_OPTIONS + 80;
/** u32: 0 = an action is the target, 1 = how far the target is from the agent. */
export const PUSHT_ACTION: u32 = BATCH_OPTIONS + 112;
/** u32: how many starts, f64 x 5 each, lie at PUSHT_STARTS; 0 = starts are drawn as the public environments draw them. */
export const PUSHT_START_COUNT: u32 = BATCH_OPTIONS + 84;
export const PUSHT_STARTS: u32 = BATCH_OPTIONS + 88;
/** f64: how far a place of a given start is moved at most, px; how far it is turned, rad. */
export const PUSHT_START_JITTER: u32 = BATCH_OPTIONS + 96;
export const PUSHT_START_TURN: u32 = BATCH_OPTIONS + 104;

export const PUSHT_FAST: u32 = 0;
export const PUSHT_EXACT: u32 = 1;
export const PUSHT_PUSH: u32 = 0;
export const PUSHT_REACH: u32 = 1;

// Observation kinds
/** Agent x, y, block x, y, angle in [0, 2 pi). */
export const PUSHT_STATE: u32 = 0;
/** Nine keypoints of the block, then the agent. */
export const PUSHT_KEYPOINTS: u32 = 1;
/** Eight corners of the block, then the agent. */
export const PUSHT_CORNERS: u32 = 2;

// Columns of the statistics after return, length and success
export const PUSHT_EPISODE_MAX_COVERAGE: u32 = 24;
export const PUSHT_EPISODE_LAST_COVERAGE: u32 = 32;
export const PUSHT_EPISODE_BOX_STEPS: u32 = 40;
export const PUSHT_EPISODE_OVERLAP_STEPS: u32 = 48;
export const PUSHT_EPISODE_CONTACT_STEPS: u32 = 56;

// Record of an environment: the scene, the pose that its coverage belongs to, then the random stream.
const COVERAGE_X: usize = SCENE_BYTES;
const COVERAGE_Y: usize = SCENE_BYTES + 8;
const COVERAGE_ANGLE: usize = SCENE_BYTES + 16;
const COVERAGE: usize = SCENE_BYTES + 24;
const STREAM: usize = SCENE_BYTES + 32;
const STATE_BYTES: usize = STREAM + TWISTER_BYTES;

const ACTION_SIZE: u32 = 2;
const START_SIZE: u32 = 5;
/** Row of a trace: agent x, y, vx, vy; block x, y, angle, vx, vy, w; centre x, y; contact points, coverage, reward, terminated. */
const TRACE_SIZE: u32 = 16;
const PHYSICS_STEPS: i32 = 10;
const TWO_PI: f64 = 6.283185307179586;
const REACH_SCALE: f64 = 256.0;
const CANVAS_EDGE: f64 = 511.0;

/** The nine keypoints in the block's frame. */
const KEYPOINTS: usize = memory.data<f64>([
  9.269786713763871, 90.040973523936188,
  -60.983472364471474, -1.1867297607997276,
  60.912755577277721, -1.3933642242328201,
  -0.2705034390160016, 25.543624991465421,
  -14.064927576212233, 122.81585355412153,
  39.002738500170146, 32.857404276587566,
  -39.966414424694534, 32.729655446429945,
  -16.824344379397441, 62.863178922349888,
  23.54146122024909, -1.7002881094626152,
]);

function observationSize(kind: u32): u32 {
  if (kind === PUSHT_STATE) return 5;
  if (kind === PUSHT_KEYPOINTS) return 20;
  return kind === PUSHT_CORNERS ? 18 : 0;
}

/** Bytes of a batch; 0 where an argument is out of range. */
export function pusht_batch_bytes(count: u32, chunk: u32, stacked: u32, observationKind: u32, record: u32): u32 {
  const size = observationSize(observationKind);
  if (size === 0) return 0;
  return layOutBatch(
    0, KIND_PUSHT, count, chunk, stacked, ACTION_SIZE, observationKind, size, START_SIZE, TRACE_SIZE, <u32>STATE_BYTES, record,
  );
}

/** Lays out the batch in the block at `batch` and sets the default options. */
export function pusht_batch_init(batch: usize, count: u32, chunk: u32, stacked: u32, observationKind: u32, record: u32): void {
  layOutBatch(
    batch, KIND_PUSHT, count, chunk, stacked, ACTION_SIZE, observationKind, observationSize(observationKind), START_SIZE,
    TRACE_SIZE, <u32>STATE_BYTES, record,
  );
  store<u32>(batch, 300, BATCH_MAX_STEPS);
  store<f64>(batch, 0.95, PUSHT_SUCCESS_COVERAGE);
  store<f64>(batch, 0.0, PUSHT_BOX_X0);
  store<f64>(batch, 0.0, PUSHT_BOX_Y0);
  store<f64>(batch, -1.0, PUSHT_BOX_X1);
  store<f64>(batch, -1.0, PUSHT_BOX_Y1);
  store<f64>(batch, 256.0, PUSHT_REACH_X);
  store<f64>(batch, 256.0, PUSHT_REACH_Y);
  store<f64>(batch, 10.0, PUSHT_REACH_RADIUS);
  store<u32>(batch, 1, PUSHT_END_ON_SUCCESS);
}

/** Coverage of a T whose origin lies at (x, y), turned by `angle`. */
export function pusht_coverage(x: f64, y: f64, angle: f64): f64 {
  sineCosine(angle);
  return coverage(x, y, cosine, sine);
}

/** Coverage of the environment's pose; computed again only when the pose has changed. */
function currentCoverage(state: usize): f64 {
  const x = load<f64>(state, BLOCK_X);
  const y = load<f64>(state, BLOCK_Y);
  const angle = load<f64>(state, BLOCK_ANGLE);
  if (x === load<f64>(state, COVERAGE_X) && y === load<f64>(state, COVERAGE_Y) && angle === load<f64>(state, COVERAGE_ANGLE)) {
    return load<f64>(state, COVERAGE);
  }
  const value = coverage(load<f64>(state, ORIGIN_X), load<f64>(state, ORIGIN_Y), load<f64>(state, BLOCK_COS), load<f64>(state, BLOCK_SIN));
  store<f64>(state, x, COVERAGE_X);
  store<f64>(state, y, COVERAGE_Y);
  store<f64>(state, angle, COVERAGE_ANGLE);
  store<f64>(state, value, COVERAGE);
  return value;
}

/** Remainder in [0, 2 pi), as Python's % gives it. */
function wrapAngle(angle: f64): f64 {
  const rest = angle % TWO_PI;
  return rest < 0.0 ? rest + TWO_PI : rest;
}

function writeObservation(batch: usize, state: usize, out: usize): void {
  const kind = load<u32>(batch, BATCH_OBSERVATION_KIND);
  const agentX = <f32>load<f64>(state, AGENT_X);
  const agentY = <f32>load<f64>(state, AGENT_Y);
  const ox = load<f64>(state, ORIGIN_X);
  const oy = load<f64>(state, ORIGIN_Y);
  if (kind === PUSHT_STATE) {
    store<f32>(out, agentX);
    store<f32>(out, agentY, 4);
    store<f32>(out, <f32>ox, 8);
    store<f32>(out, <f32>oy, 12);
    store<f32>(out, <f32>wrapAngle(load<f64>(state, BLOCK_ANGLE)), 16);
    return;
  }
  let points: usize = 8;
  if (kind === PUSHT_KEYPOINTS) {
    points = 9;
    const cs = load<f64>(state, BLOCK_COS);
    const sn = load<f64>(state, BLOCK_SIN);
    for (let i: usize = 0; i < points; i++) {
      const x = load<f64>(KEYPOINTS + (i << 4));
      const y = load<f64>(KEYPOINTS + (i << 4), 8);
      store<f32>(out + (i << 3), <f32>(cs * x - sn * y + ox));
      store<f32>(out + (i << 3), <f32>(sn * x + cs * y + oy), 4);
    }
  } else {
    for (let i: usize = 0; i < 2 * points; i++) store<f32>(out + (i << 2), <f32>load<f64>(state + VERTICES + (i << 3)));
  }
  store<f32>(out + (points << 3), agentX);
  store<f32>(out + (points << 3), agentY, 4);
}

/** The twelve numbers that a trace begins with. */
function writeBodies(state: usize, out: usize): void {
  store<f64>(out, load<f64>(state, AGENT_X));
  store<f64>(out, load<f64>(state, AGENT_Y), 8);
  store<f64>(out, load<f64>(state, AGENT_VX), 16);
  store<f64>(out, load<f64>(state, AGENT_VY), 24);
  store<f64>(out, load<f64>(state, ORIGIN_X), 32);
  store<f64>(out, load<f64>(state, ORIGIN_Y), 40);
  store<f64>(out, load<f64>(state, BLOCK_ANGLE), 48);
  store<f64>(out, load<f64>(state, BLOCK_VX), 56);
  store<f64>(out, load<f64>(state, BLOCK_VY), 64);
  store<f64>(out, load<f64>(state, BLOCK_W), 72);
  // The centre of gravity as the reference tells it: its local point taken to the world, not the number that is integrated.
  const cs = load<f64>(state, BLOCK_COS);
  const sn = load<f64>(state, BLOCK_SIN);
  store<f64>(out, cs * 0.0 + -sn * GRAVITY_Y + load<f64>(state, ORIGIN_X), 80);
  store<f64>(out, sn * 0.0 + cs * GRAVITY_Y + load<f64>(state, ORIGIN_Y), 88);
}

function writeTrace(batch: usize, environment: u32, row: u32, state: usize, reward: f64, terminated: bool): void {
  const size = load<u32>(batch, BATCH_TRACE_SIZE);
  const rows = load<u32>(batch, BATCH_CHUNK) + 1;
  const out = <usize>load<u32>(batch, BATCH_TRACE) + <usize>((environment * rows + row) * size) * 8;
  writeBodies(state, out);
  store<f64>(out, <f64>load<u32>(state, CONTACT_POINTS), 96);
  store<f64>(out, currentCoverage(state), 104);
  store<f64>(out, reward, 112);
  store<f64>(out, terminated ? 1.0 : 0.0, 120);
}

/** Draws the start of a seed into `out`, f64: agent x, y, block x, y, angle. Leaves the stream where the start ends. */
export function sampleStart(batch: usize, stream: usize, seed: u32, out: usize): void {
  seedTwister(stream, seed);
  const count = load<u32>(batch, PUSHT_START_COUNT);
  if (count === 0) {
    drawStart(stream, out);
  } else {
    drawStartNear(stream, <usize>load<u32>(batch, PUSHT_STARTS), count, load<f64>(batch, PUSHT_START_JITTER), load<f64>(batch, PUSHT_START_TURN), out);
  }
}

/** Draws the start of a seed into `out`. Uses the environment's random stream. */
export function pusht_sample_start(batch: usize, environment: u32, seed: u32, out: usize): void {
  sampleStart(batch, stateOf(batch, environment) + STREAM, seed, out);
}

/** Starts the next episode of one environment; its window of observations holds the first one To times. */
function begin(batch: usize, environment: u32): void {
  const state = stateOf(batch, environment);
  const order = load<u32>(batch, PUSHT_RESET_ORDER);
  if (load<u32>(batch, BATCH_USE_STARTS) === 0) {
    // Drawn into the array of starts, where the host finds what an episode began with.
    pusht_sample_start(batch, environment, takeSeed(batch, environment), startOf(batch, environment));
  }
  const start = startOf(batch, environment);
  resetScene(state, order, load<f64>(start), load<f64>(start, 8), load<f64>(start, 16), load<f64>(start, 24), load<f64>(start, 32));
  store<f64>(state, NaN, COVERAGE_X);
  memory.fill(episodeOf(batch, BATCH_RUNNING, environment), 0, 64);
  writeObservation(batch, state, shiftWindow(batch, environment));
  fillWindow(batch, environment);
}

/** Starts episodes in the environments [from, to). */
export function pusht_reset(batch: usize, from: u32, to: u32): i32 {
  useExactSearch(load<u32>(batch, PUSHT_COLLISION) === PUSHT_EXACT);
  for (let environment = from; environment < to; environment++) {
    begin(batch, environment);
    store<u32>(wordOf(batch, BATCH_TERMINATED, environment), 0);
    store<u32>(wordOf(batch, BATCH_TRUNCATED, environment), 0);
    store<f32>(wordOf(batch, BATCH_REWARDS, environment), 0.0);
    store<u32>(wordOf(batch, BATCH_STEPS, environment), 0);
  }
  return 0;
}

/** Where the agent is with respect to the forbidden rectangle, as STEP_ bits. */
function boxFlags(batch: usize, x: f64, y: f64): u32 {
  const x0 = load<f64>(batch, PUSHT_BOX_X0);
  const y0 = load<f64>(batch, PUSHT_BOX_Y0);
  const x1 = load<f64>(batch, PUSHT_BOX_X1);
  const y1 = load<f64>(batch, PUSHT_BOX_Y1);
  if (x1 < x0 || y1 < y0) return 0;
  const dx = x - Math.min(Math.max(x, x0), x1);
  const dy = y - Math.min(Math.max(y, y0), y1);
  const square = dx * dx + dy * dy;
  if (square >= DISC_RADIUS * DISC_RADIUS) return 0;
  return square === 0.0 ? STEP_IN_BOX | STEP_OVERLAPS_BOX : STEP_OVERLAPS_BOX;
}

/** The walls are thin: an agent can press the T through them. */
function isOutside(state: usize): bool {
  const x = load<f64>(state, BLOCK_X);
  const y = load<f64>(state, BLOCK_Y);
  return x < 0.0 || x > CANVAS_EDGE || y < 0.0 || y > CANVAS_EDGE;
}

// @ts-ignore: decorator
@inline
function addTo(place: usize, amount: f64): void {
  store<f64>(place, load<f64>(place) + amount);
}

/** What follows the physics of env step `index`: reward, flags, statistics, observation, and whether the episode is over. */
function judge(batch: usize, environment: u32, index: u32): void {
  const state = stateOf(batch, environment);
  const x = load<f64>(state, AGENT_X);
  const y = load<f64>(state, AGENT_Y);
  const covered = currentCoverage(state);
  let reward: f64;
  let succeeded: bool;
  if (load<u32>(batch, PUSHT_TASK) === PUSHT_REACH) {
    const dx = x - load<f64>(batch, PUSHT_REACH_X);
    const dy = y - load<f64>(batch, PUSHT_REACH_Y);
    const away = Math.sqrt(dx * dx + dy * dy);
    reward = Math.max(0.0, 1.0 - away / REACH_SCALE);
    succeeded = away < load<f64>(batch, PUSHT_REACH_RADIUS);
  } else {
    const threshold = load<f64>(batch, PUSHT_SUCCESS_COVERAGE);
    reward = Math.min(Math.max(covered / threshold, 0.0), 1.0);
    succeeded = covered > threshold;
  }

  let flags = STEP_EXECUTED | boxFlags(batch, x, y);
  if (load<u32>(state, CONTACT_POINTS) > 0) flags |= STEP_IN_CONTACT;
  const running = episodeOf(batch, BATCH_RUNNING, environment);
  addTo(running + EPISODE_RETURN, reward);
  addTo(running + EPISODE_LENGTH, 1.0);
  if (succeeded) store<f64>(running, 1.0, EPISODE_SUCCESS);
  if (covered > load<f64>(running, PUSHT_EPISODE_MAX_COVERAGE)) store<f64>(running, covered, PUSHT_EPISODE_MAX_COVERAGE);
  store<f64>(running, covered, PUSHT_EPISODE_LAST_COVERAGE);
  if ((flags & STEP_IN_BOX) !== 0) addTo(running + PUSHT_EPISODE_BOX_STEPS, 1.0);
  if ((flags & STEP_OVERLAPS_BOX) !== 0) addTo(running + PUSHT_EPISODE_OVERLAP_STEPS, 1.0);
  if ((flags & STEP_IN_CONTACT) !== 0) addTo(running + PUSHT_EPISODE_CONTACT_STEPS, 1.0);

  const total = wordOf(batch, BATCH_REWARDS, environment);
  store<f32>(total, load<f32>(total) + <f32>reward);
  store<f32>(stepWordOf(batch, BATCH_STEP_REWARDS, environment, index), <f32>reward);
  store<u32>(stepWordOf(batch, BATCH_STEP_FLAGS, environment, index), flags);
  const newest = shiftWindow(batch, environment);
  writeObservation(batch, state, newest);
  if (load<u32>(batch, BATCH_STEP_OBSERVATIONS) !== 0) {
    const size = load<u32>(batch, BATCH_OBSERVATION_SIZE);
    const row = <usize>((environment * load<u32>(batch, BATCH_CHUNK) + index) * size) * 4;
    memory.copy(<usize>load<u32>(batch, BATCH_STEP_OBSERVATIONS) + row, newest, <usize>size * 4);
  }
  if (load<u32>(batch, BATCH_TRACE) !== 0) writeTrace(batch, environment, index + 1, state, reward, succeeded);

  store<u32>(wordOf(batch, BATCH_STEPS, environment), index + 1);
  const limit = load<u32>(batch, BATCH_MAX_STEPS);
  if (succeeded && load<u32>(batch, PUSHT_END_ON_SUCCESS) !== 0) {
    store<u32>(wordOf(batch, BATCH_TERMINATED, environment), 1);
  } else if (
    (limit !== 0 && load<f64>(running, EPISODE_LENGTH) >= <f64>limit)
    || (load<u32>(batch, PUSHT_TRUNCATE_OUTSIDE) !== 0 && isOutside(state))
  ) {
    store<u32>(wordOf(batch, BATCH_TRUNCATED, environment), 1);
  } else {
    return;
  }
  closeEpisode(batch, environment);
}

// @ts-ignore: decorator
@inline
function hasEnded(batch: usize, environment: u32): bool {
  return (load<u32>(wordOf(batch, BATCH_TERMINATED, environment)) | load<u32>(wordOf(batch, BATCH_TRUNCATED, environment))) !== 0;
}

/** Runs the chunk of the environments [from, to), at most GROUP, side by side: the solver works on their contacts at once. */
function stepGroup(batch: usize, from: u32, to: u32): void {
  const chunk = load<u32>(batch, BATCH_CHUNK);
  const scenes = stateOf(batch, from) + GROUP_SCENES;
  const isOffset = load<u32>(batch, PUSHT_ACTION) !== 0;
  for (let index: u32 = 0; index < chunk; index++) {
    let running: u32 = 0;
    for (let environment = from; environment < to; environment++) {
      if (hasEnded(batch, environment)) continue;
      const state = stateOf(batch, environment);
      const x = actionOf(batch, environment, index, 0);
      const y = actionOf(batch, environment, index, 1);
      store<f64>(state, isOffset ? load<f64>(state, AGENT_X) + x : x, TARGET_X);
      store<f64>(state, isOffset ? load<f64>(state, AGENT_Y) + y : y, TARGET_Y);
      store<u32>(scenes + (<usize>running << 2), <u32>state);
      running++;
    }
    if (running === 0) return;
    driveGroup(scenes, running, PHYSICS_STEPS);
    for (let environment = from; environment < to; environment++) if (!hasEnded(batch, environment)) judge(batch, environment, index);
  }
}

/** Runs the chunk of actions of the environments [from, to); see `batch.ts` for what it writes. */
export function pusht_step_chunk(batch: usize, from: u32, to: u32): i32 {
  const fault = batch_check_actions(batch, from, to);
  if (fault !== 0) return fault;
  useExactSearch(load<u32>(batch, PUSHT_COLLISION) === PUSHT_EXACT);
  const chunk = load<u32>(batch, BATCH_CHUNK);
  const isAutomatic = load<u32>(batch, BATCH_AUTO_RESET) !== 0;
  for (let environment = from; environment < to; environment++) {
    store<f32>(wordOf(batch, BATCH_REWARDS, environment), 0.0);
    store<u32>(wordOf(batch, BATCH_STEPS, environment), 0);
    if (isAutomatic) {
      store<u32>(wordOf(batch, BATCH_TERMINATED, environment), 0);
      store<u32>(wordOf(batch, BATCH_TRUNCATED, environment), 0);
    }
    if (load<u32>(batch, BATCH_TRACE) !== 0) writeTrace(batch, environment, 0, stateOf(batch, environment), 0.0, false);
  }
  for (let environment = from; environment < to; environment += GROUP) stepGroup(batch, environment, min(environment + GROUP, to));
  for (let environment = from; environment < to; environment++) {
    for (let index = load<u32>(wordOf(batch, BATCH_STEPS, environment)); index < chunk; index++) {
      store<f32>(stepWordOf(batch, BATCH_STEP_REWARDS, environment, index), 0.0);
      store<u32>(stepWordOf(batch, BATCH_STEP_FLAGS, environment, index), 0);
    }
    if (isAutomatic && hasEnded(batch, environment)) begin(batch, environment);
  }
  return 0;
}

/** The bodies, the bias velocities and the counts of the last physics step; returns the contacts. */
function writeSolverState(state: usize, out: usize): u32 {
  writeBodies(state, out);
  store<f64>(out, load<f64>(state, BLOCK_VBX), 96);
  store<f64>(out, load<f64>(state, BLOCK_VBY), 104);
  store<f64>(out, load<f64>(state, BLOCK_WB), 112);
  store<f64>(out, <f64>load<u32>(state, ACTIVE_ARBITERS), 120);
  const contacts = load<u32>(state, ACTIVE_CONTACTS);
  store<f64>(out, <f64>contacts, 128);
  return contacts;
}

/** The state of one environment at `out`, f64: the first 17 numbers of `pusht_substep`, then the coverage. */
export function pusht_read_state(batch: usize, environment: u32, out: usize): void {
  const state = stateOf(batch, environment);
  writeSolverState(state, out);
  store<f64>(out, currentCoverage(state), SUBSTEP_STATE_BYTES);
}

/** Contacts that `pusht_substep` tells about. */
export const PUSHT_SUBSTEP_CONTACTS: u32 = 8;
const SUBSTEP_STATE_BYTES: usize = 17 * 8;
const SUBSTEP_CONTACT_BYTES: usize = 13 * 8;

/**
 * One physics step of one environment towards (x, y), told in full at `out`, f64: agent x, y, vx, vy; block x, y, angle, vx, vy, w;
 * centre x, y; bias velocities vx, vy, w; arbiters, contacts; then for each contact in solver order: pair (10 * first shape +
 * second), place of its arbiter, 1 if newly touching, n, r1, r2, accumulated impulse, bias impulse, bias, nMass. For tests.
 */
export function pusht_substep(batch: usize, environment: u32, x: f64, y: f64, out: usize): void {
  useExactSearch(load<u32>(batch, PUSHT_COLLISION) === PUSHT_EXACT);
  const state = stateOf(batch, environment);
  driveScene(state, x, y, 1);
  const contacts = writeSolverState(state, out);
  memory.fill(out + SUBSTEP_STATE_BYTES, 0, <usize>PUSHT_SUBSTEP_CONTACTS * SUBSTEP_CONTACT_BYTES);
  for (let i: u32 = 0; i < contacts && i < PUSHT_SUBSTEP_CONTACTS; i++) {
    const contact = state + CONTACTS + <usize>i * CONTACT_STRIDE;
    const row = out + SUBSTEP_STATE_BYTES + <usize>i * SUBSTEP_CONTACT_BYTES;
    store<f64>(row, <f64>load<u32>(contact, CONTACT_PAIR));
    store<f64>(row, <f64>load<u32>(contact, CONTACT_ORDER), 8);
    store<f64>(row, <f64>load<u32>(contact, CONTACT_FIRST), 16);
    store<f64>(row, load<f64>(contact, CONTACT_NX), 24);
    store<f64>(row, load<f64>(contact, CONTACT_NY), 32);
    store<f64>(row, load<f64>(contact, CONTACT_R1X), 40);
    store<f64>(row, load<f64>(contact, CONTACT_R1Y), 48);
    store<f64>(row, load<f64>(contact, CONTACT_R2X), 56);
    store<f64>(row, load<f64>(contact, CONTACT_R2Y), 64);
    store<f64>(row, load<f64>(contact, CONTACT_JN), 72);
    store<f64>(row, load<f64>(contact, CONTACT_JBIAS), 80);
    store<f64>(row, load<f64>(contact, CONTACT_BIAS), 88);
    store<f64>(row, load<f64>(contact, CONTACT_NMASS), 96);
  }
}

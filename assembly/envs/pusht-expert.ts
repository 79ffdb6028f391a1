// Demonstrator of Push-T: plans pushes on the physics itself and records the targets that a hand would give.
//
// A push is a straight line towards a place on the T's outline, at an angle to the face, of some length. A decision looks three
// pushes ahead: from the T as it lies, pushes are drawn at random and rolled out, eight scenes side by side, each with the disc
// put straight before the T; every step of a roll-out is a place to stop, and the best stop of each push is a node. The best
// nodes of a level are where the next level starts. The worth of a node (less is better):
//   steps so far (approach, push, settling) + PRICE_PER_PX d + PRICE_OF_A_PUSH min(1, d / NEAR_PX)
//   d^2 = (distance of the centres of gravity)^2 + (RADIUS_OF_GYRATION * angle)^2 to the goal
// The first push of the best chain is then carried out for real, way around the T included, in eight lengths, then in eight
// closer ones; the best is kept, and the next decision starts from where it ended. So the record is what the physics answered,
// not a prediction.
import { coverage, GOAL_ANGLE, GOAL_X, GOAL_Y } from "../physics/planar/coverage";
import {
  BAR_BOTTOM, BAR_LEFT, BAR_RIGHT, BAR_TOP, GRAVITY_Y, STEM_BOTTOM, STEM_LEFT, STEM_RIGHT, STEM_TOP,
} from "../physics/planar/constants";
import {
  AGENT_VX, AGENT_VY, AGENT_X, AGENT_Y, BLOCK_ANGLE, BLOCK_COS, BLOCK_SIN, BLOCK_X, BLOCK_Y, CONTACTS, ORIGIN_X, ORIGIN_Y,
  SCENE_BYTES, TARGET_X, TARGET_Y,
} from "../physics/planar/memory";
import { useExactSearch } from "../physics/planar/collide";
import { driveGroup, resetScene } from "../physics/planar/scene";
import { drawNormal, drawUniform, seedTwister, TWISTER_BYTES } from "../physics/mersenne-twister";
import { BATCH_MAX_STEPS } from "./batch";
import { PUSHT_BOX_X0, PUSHT_BOX_X1, PUSHT_BOX_Y0, PUSHT_BOX_Y1, PUSHT_RESET_ORDER, PUSHT_SUCCESS_COVERAGE, sampleStart } from "./pusht";
import {
  between, clamp, CLEARANCE, isInsideGrown, isKeptOut, isOnCanvas, keepOut, prepareWays, wayLength, wayPoints, WAYS_BYTES, writeWay,
} from "./pusht-way";

const LANES: u32 = 8;
const PHYSICS_STEPS: i32 = 10;
/** What a scene must keep from one step to the next; contacts are found anew. */
const KEPT_BYTES: usize = CONTACTS;

// Speeds of the hand, px per env step (0.1 s); people move the disc at 8 in the middle, below 19 nine times in ten.
const FREE_SPEED: f64 = 19.0;
const ACCELERATION: f64 = 5.0;
const PUSH_SPEED: f64 = 9.0;
const SLOWEST_PUSH: f64 = 3.0;
/** Near the goal roll-outs creep, so that their stops lie close together. */
const SLOWEST_ROLLOUT: f64 = 1.0;
/** Steps that the disc is given to come to its last target before the hand moves on. */
const SETTLE_STEPS: i32 = 3;
/** The disc follows a moving target 0.2 s behind. */
const LAG_STEPS: f64 = 2.0;

// Search
const LEVELS: u32 = 3;
const BEAM: u32 = 6;
const FIRST_SAMPLES: u32 = 48;
const NEXT_SAMPLES: u32 = 16;
const ROLLOUT_STEPS: i32 = 14;
/** Sine of the angle between a push and the face: standard deviation and limit. */
const TILT: f64 = 0.35;
const LARGEST_TILT: f64 = 0.8;
/** A push that moves the T by less is none. */
const SMALLEST_PUSH: f64 = 0.2;

const RADIUS_OF_GYRATION: f64 = 54.772255750516614;
/** Far above what a px costs: where steps are dear beside it, the best thing to do is nothing. */
const PRICE_PER_PX: f64 = 5.0;
const PRICE_OF_A_PUSH: f64 = 14.0;
const NEAR_PX: f64 = 8.0;
/** A roll-out must beat the threshold by this much to count as a success before it has been carried out. */
const ROLLOUT_MARGIN: f64 = 0.006;

// Work block
const SCENE_STRIDE: usize = (SCENE_BYTES + 63) & ~63;
const MAIN: usize = 0;
const LANE_SCENES: usize = SCENE_STRIDE;
const GROUP_LIST: usize = LANE_SCENES + <usize>LANES * SCENE_STRIDE;
const STREAM: usize = GROUP_LIST + 64;
/** By which the hand shakes. */
const SHAKE_STREAM: usize = STREAM + ((TWISTER_BYTES + 63) & ~63);
const START: usize = SHAKE_STREAM + ((TWISTER_BYTES + 63) & ~63);
/** The last target given, f64 x 2. */
const LAST_TARGET: usize = START + 64;
const WAYS: usize = LAST_TARGET + 64;
const ROOT: usize = WAYS + WAYS_BYTES;

// Node: the scene, then what led to it
const NODE_VALUE: usize = KEPT_BYTES;
const NODE_STEPS: usize = KEPT_BYTES + 8;
/** First push of the chain: where the disc is put, its direction, its length, its speed. */
const NODE_X: usize = KEPT_BYTES + 16;
const NODE_Y: usize = KEPT_BYTES + 24;
const NODE_DX: usize = KEPT_BYTES + 32;
const NODE_DY: usize = KEPT_BYTES + 40;
const NODE_LENGTH: usize = KEPT_BYTES + 48;
const NODE_SPEED: usize = KEPT_BYTES + 56;
/** Pose of the T after the first push. */
const NODE_POSE: usize = KEPT_BYTES + 64;
/** 1: the T covers the goal. */
const NODE_IS_DONE: usize = KEPT_BYTES + 88;
const NODE_STRIDE: usize = (KEPT_BYTES + 96 + 63) & ~63;

const NODES: usize = ROOT + NODE_STRIDE;
/** Nodes kept on each level, u32. */
const NODE_COUNTS: usize = NODES + <usize>(LEVELS * BEAM) * NODE_STRIDE;
const LANE_NODES: usize = NODE_COUNTS + 64;

// Lanes of roll-outs: start, direction, approach in steps; lanes of trials: length of the list, steps to success
const LANE_DATA: usize = LANE_NODES + <usize>LANES * NODE_STRIDE;
const LANE_X: usize = 0;
const LANE_Y: usize = 8;
const LANE_DX: usize = 16;
const LANE_DY: usize = 24;
const LANE_APPROACH: usize = 32;
const LANE_LENGTH: usize = 40;
const LANE_COUNT: usize = 48;
const LANE_VALUE: usize = 56;
const LANE_STRIDE: usize = 64;
/** Targets of each lane of a trial, f32 x 2. */
const LISTS: usize = LANE_DATA + <usize>LANES * LANE_STRIDE;
const LIST_LIMIT: i32 = 160;
const LIST_STRIDE: usize = <usize>LIST_LIMIT * 8;
const BEST_LIST: usize = LISTS + <usize>LANES * LIST_STRIDE;
const BEST_SCENE: usize = BEST_LIST + LIST_STRIDE;
const WORK_BYTES: usize = BEST_SCENE + KEPT_BYTES;

// Of the episode now being planned
let work: usize = 0;
let threshold: f64 = 0.0;
let isConsistent: bool = false;
/** Ways keep this far away from the box, px ... */
const BOX_MARGIN: f64 = 24.0;
/** ... and the disc, which cuts corners and is moved by a hand that shakes, half as far. */
const BOX_SLACK: f64 = 12.0;

/** Bytes of the block that `pusht_expert` works in. */
export function pusht_expert_bytes(): u32 {
  return <u32>WORK_BYTES;
}

// @ts-ignore: decorator
@inline
function laneScene(lane: u32): usize {
  return work + LANE_SCENES + <usize>lane * SCENE_STRIDE;
}

// @ts-ignore: decorator
@inline
function laneData(lane: u32): usize {
  return work + LANE_DATA + <usize>lane * LANE_STRIDE;
}

/** Keeps the hand out of the batch's forbidden box, if it has one. */
function keepOutOfBox(batch: usize): void {
  const x0 = load<f64>(batch, PUSHT_BOX_X0);
  const y0 = load<f64>(batch, PUSHT_BOX_Y0);
  const x1 = load<f64>(batch, PUSHT_BOX_X1);
  const y1 = load<f64>(batch, PUSHT_BOX_Y1);
  if (x0 < x1 && y0 < y1) keepOut(x0 - BOX_MARGIN, x1 + BOX_MARGIN, y0 - BOX_MARGIN, y1 + BOX_MARGIN);
  else keepOut(0.0, 0.0, 0.0, 0.0);
}

// --- Estimates

/** Angle from the goal, in (-pi, pi]. */
function angleError(angle: f64): f64 {
  const error = (angle - GOAL_ANGLE) % (2.0 * Math.PI);
  if (error > Math.PI) return error - 2.0 * Math.PI;
  return error <= -Math.PI ? error + 2.0 * Math.PI : error;
}

/** Distance to the goal in the metric of the T's mass. */
function goalDistance(scene: usize): f64 {
  const half = GRAVITY_Y * Math.SQRT1_2;
  const dx = load<f64>(scene, BLOCK_X) - (GOAL_X - half);
  const dy = load<f64>(scene, BLOCK_Y) - (GOAL_Y + half);
  const turn = RADIUS_OF_GYRATION * angleError(load<f64>(scene, BLOCK_ANGLE));
  return Math.sqrt(dx * dx + dy * dy + turn * turn);
}

function covered(scene: usize): f64 {
  return coverage(load<f64>(scene, ORIGIN_X), load<f64>(scene, ORIGIN_Y), load<f64>(scene, BLOCK_COS), load<f64>(scene, BLOCK_SIN));
}

/** Env steps that the T is away from its goal. */
function estimate(scene: usize): f64 {
  const distance = goalDistance(scene);
  return PRICE_PER_PX * distance + PRICE_OF_A_PUSH * Math.min(1.0, distance / NEAR_PX);
}

// --- Roll-outs

// The push drawn last, in the world: where the disc is put and its direction.
let pushX: f64 = 0.0;
let pushY: f64 = 0.0;
let pushDx: f64 = 0.0;
let pushDy: f64 = 0.0;

/** Draws a place on the T's outline and an angle; false where the disc cannot be put before it. */
function drawPush(scene: usize): bool {
  const stream = work + STREAM;
  let place = drawUniform(stream) * 480.0;
  const tilt = clamp(TILT * drawNormal(stream), -LARGEST_TILT, LARGEST_TILT);
  // Faces in turn: top of the bar, its ends, its underside left and right of the stem, the stem's sides, its tip.
  let x: f64;
  let y: f64;
  let nx = 0.0;
  let ny = 0.0;
  if (place < 120.0) {
    x = BAR_LEFT + place;
    y = BAR_TOP;
    ny = 1.0;
  } else if (place < 180.0) {
    place -= 120.0;
    const isRight = place < 30.0;
    x = isRight ? BAR_RIGHT : BAR_LEFT;
    y = isRight ? place : place - 30.0;
    nx = isRight ? -1.0 : 1.0;
  } else if (place < 270.0) {
    place -= 180.0;
    x = place < 45.0 ? STEM_RIGHT + place : BAR_LEFT + (place - 45.0);
    y = BAR_BOTTOM;
    ny = -1.0;
  } else if (place < 450.0) {
    place -= 270.0;
    const isRight = place < 90.0;
    x = isRight ? STEM_RIGHT : STEM_LEFT;
    y = STEM_TOP + (isRight ? place : place - 90.0);
    nx = isRight ? -1.0 : 1.0;
  } else {
    x = STEM_LEFT + (place - 450.0);
    y = STEM_BOTTOM;
    ny = -1.0;
  }
  const c = Math.sqrt(1.0 - tilt * tilt);
  const dx = nx * c - ny * tilt;
  const dy = ny * c + nx * tilt;
  const back = CLEARANCE / c;
  const startX = x - dx * back;
  const startY = y - dy * back;
  if (isInsideGrown(startX, startY)) return false;
  const cs = load<f64>(scene, BLOCK_COS);
  const sn = load<f64>(scene, BLOCK_SIN);
  pushX = cs * startX - sn * startY + load<f64>(scene, ORIGIN_X);
  pushY = sn * startX + cs * startY + load<f64>(scene, ORIGIN_Y);
  pushDx = cs * dx - sn * dy;
  pushDy = sn * dx + cs * dy;
  return isOnCanvas(pushX, pushY);
}

/** Rolls out `samples` pushes from node `parent` and enters the best stop of each into the beam of `level`. */
function expandNode(parent: usize, level: u32, samples: u32): void {
  const distance = goalDistance(parent);
  const speed = clamp(distance / 6.0, SLOWEST_ROLLOUT, PUSH_SPEED);
  for (let drawn: u32 = 0; drawn < samples; drawn += LANES) {
    let lanes: u32 = 0;
    for (let tries: u32 = 0; tries < 4 * LANES && lanes < LANES; tries++) {
      if (!drawPush(parent)) continue;
      const way = wayLength(parent, load<f64>(parent, AGENT_X), load<f64>(parent, AGENT_Y), pushX, pushY);
      if (way === Infinity) continue;
      const lane = laneData(lanes);
      store<f64>(lane, pushX, LANE_X);
      store<f64>(lane, pushY, LANE_Y);
      store<f64>(lane, pushDx, LANE_DX);
      store<f64>(lane, pushDy, LANE_DY);
      store<f64>(lane, way / FREE_SPEED + LAG_STEPS, LANE_APPROACH);
      store<f64>(lane, Infinity, LANE_VALUE);
      const scene = laneScene(lanes);
      memory.copy(scene, parent, KEPT_BYTES);
      store<f64>(scene, pushX, AGENT_X);
      store<f64>(scene, pushY, AGENT_Y);
      // The disc arrives at the speed of the push, 0.1 s a step.
      store<f64>(scene, pushDx * speed * 10.0, AGENT_VX);
      store<f64>(scene, pushDy * speed * 10.0, AGENT_VY);
      lanes++;
    }
    if (lanes === 0) return;
    rollOut(parent, level, lanes, speed);
  }
}

function rollOut(parent: usize, level: u32, lanes: u32, speed: f64): void {
  const group = work + GROUP_LIST;
  for (let step = 0; step < ROLLOUT_STEPS; step++) {
    for (let i: u32 = 0; i < lanes; i++) {
      const lane = laneData(i);
      const scene = laneScene(i);
      const ahead = speed * (<f64>step + 0.5 + LAG_STEPS);
      store<f64>(scene, load<f64>(lane, LANE_X) + load<f64>(lane, LANE_DX) * ahead, TARGET_X);
      store<f64>(scene, load<f64>(lane, LANE_Y) + load<f64>(lane, LANE_DY) * ahead, TARGET_Y);
      store<u32>(group + (<usize>i << 2), <u32>scene);
    }
    driveGroup(group, lanes, PHYSICS_STEPS);
    for (let i: u32 = 0; i < lanes; i++) keepBestStop(parent, level, i, speed);
  }
  for (let i: u32 = 0; i < lanes; i++) {
    const node = work + LANE_NODES + <usize>i * NODE_STRIDE;
    if (load<f64>(laneData(i), LANE_VALUE) < Infinity) enterBeam(level, node);
  }
}

/** Takes the lane's scene as its node if stopping here is worth more than at any stop before. */
function keepBestStop(parent: usize, level: u32, index: u32, speed: f64): void {
  const lane = laneData(index);
  const scene = laneScene(index);
  const x = load<f64>(scene, AGENT_X);
  const y = load<f64>(scene, AGENT_Y);
  // Once in the box, no later stop counts either.
  if (isKeptOut(x, y, BOX_SLACK)) store<f64>(lane, Infinity, LANE_APPROACH);
  // A push that has not moved the T is none: standing still must never look like the best thing to do.
  if (!isOnCanvas(x, y) || poseDistance(scene, parent + BLOCK_X) < SMALLEST_PUSH) return;
  const startX = load<f64>(lane, LANE_X);
  const startY = load<f64>(lane, LANE_Y);
  const length = (x - startX) * load<f64>(lane, LANE_DX) + (y - startY) * load<f64>(lane, LANE_DY);
  const steps = load<f64>(parent, NODE_STEPS) + load<f64>(lane, LANE_APPROACH) + length / Math.max(speed, SLOWEST_PUSH) + <f64>SETTLE_STEPS;
  const isDone = covered(scene) > threshold + ROLLOUT_MARGIN;
  const value = isDone ? steps : steps + estimate(scene);
  if (value >= load<f64>(lane, LANE_VALUE)) return;
  store<f64>(lane, value, LANE_VALUE);
  const node = work + LANE_NODES + <usize>index * NODE_STRIDE;
  memory.copy(node, scene, KEPT_BYTES);
  store<f64>(node, value, NODE_VALUE);
  store<f64>(node, steps, NODE_STEPS);
  store<u32>(node, isDone ? 1 : 0, NODE_IS_DONE);
  if (level > 0) {
    memory.copy(node + NODE_X, parent + NODE_X, NODE_IS_DONE - NODE_X);
    return;
  }
  store<f64>(node, startX, NODE_X);
  store<f64>(node, startY, NODE_Y);
  store<f64>(node, load<f64>(lane, LANE_DX), NODE_DX);
  store<f64>(node, load<f64>(lane, LANE_DY), NODE_DY);
  store<f64>(node, length, NODE_LENGTH);
  store<f64>(node, Math.max(speed, SLOWEST_PUSH), NODE_SPEED);
  memory.copy(node + NODE_POSE, scene + BLOCK_X, 24);
}

/** Enters a node into the beam of a level, best first. */
function enterBeam(level: u32, node: usize): void {
  const beam = work + NODES + <usize>(level * BEAM) * NODE_STRIDE;
  const counter = work + NODE_COUNTS + (<usize>level << 2);
  let count = load<u32>(counter);
  const value = load<f64>(node, NODE_VALUE);
  if (count === BEAM) {
    if (load<f64>(beam + <usize>(BEAM - 1) * NODE_STRIDE, NODE_VALUE) <= value) return;
    count--;
  }
  let place = count;
  while (place > 0 && load<f64>(beam + <usize>(place - 1) * NODE_STRIDE, NODE_VALUE) > value) {
    memory.copy(beam + <usize>place * NODE_STRIDE, beam + <usize>(place - 1) * NODE_STRIDE, NODE_STRIDE);
    place--;
  }
  memory.copy(beam + <usize>place * NODE_STRIDE, node, NODE_STRIDE);
  store<u32>(counter, count + 1);
}

/** Looks LEVELS pushes ahead from the scene as it is; returns the best node, or 0 where no push was found. */
function search(): usize {
  if (isConsistent) seedTwister(work + STREAM, 0);
  const root = work + ROOT;
  memory.copy(root, work + MAIN, KEPT_BYTES);
  store<f64>(root, 0.0, NODE_STEPS);
  for (let level: u32 = 0; level < LEVELS; level++) store<u32>(work + NODE_COUNTS + (<usize>level << 2), 0);
  expandNode(root, 0, FIRST_SAMPLES);
  for (let level: u32 = 1; level < LEVELS; level++) {
    const parents = load<u32>(work + NODE_COUNTS + (<usize>(level - 1) << 2));
    for (let i: u32 = 0; i < parents; i++) {
      const parent = work + NODES + <usize>((level - 1) * BEAM + i) * NODE_STRIDE;
      if (load<u32>(parent, NODE_IS_DONE) === 0) expandNode(parent, level, NEXT_SAMPLES);
    }
  }
  let best: usize = 0;
  for (let level: u32 = 0; level < LEVELS; level++) {
    if (load<u32>(work + NODE_COUNTS + (<usize>level << 2)) === 0) continue;
    const node = work + NODES + <usize>(level * BEAM) * NODE_STRIDE;
    if (best === 0 || load<f64>(node, NODE_VALUE) < load<f64>(best, NODE_VALUE)) best = node;
  }
  return best;
}

// --- Trials: pushes carried out from where the hand is

/** Distance between the T of a scene and a pose, in the metric of the T's mass. */
function poseDistance(scene: usize, pose: usize): f64 {
  const dx = load<f64>(scene, BLOCK_X) - load<f64>(pose);
  const dy = load<f64>(scene, BLOCK_Y) - load<f64>(pose, 8);
  const turn = RADIUS_OF_GYRATION * (load<f64>(scene, BLOCK_ANGLE) - load<f64>(pose, 16));
  return Math.sqrt(dx * dx + dy * dy + turn * turn);
}

/**
 * Writes the targets of a lane: along the way last written (`points` points, the last where the push begins), then `length` along
 * the push, then still while the disc settles. The hand speeds up by ACCELERATION a step and slows down before the push.
 */
function writeTargets(lane: u32, points: u32, node: usize, length: f64): void {
  const list = work + LISTS + <usize>lane * LIST_STRIDE;
  const path = wayPoints();
  const pushSpeed = load<f64>(node, NODE_SPEED);
  let way = 0.0;
  for (let i: u32 = 1; i < points; i++) {
    const point = path + (<usize>i << 4);
    way += between(load<f64>(point - 16), load<f64>(point - 8), load<f64>(point), load<f64>(point, 8));
  }
  let count = 0;
  let speed = 0.0;
  let travelled = 0.0;
  const total = way + length;
  while (travelled < total && count < LIST_LIMIT - SETTLE_STEPS) {
    const toPush = way - travelled;
    const limit = toPush > 0.0 ? Math.min(FREE_SPEED, pushSpeed + 0.35 * toPush) : pushSpeed;
    speed = Math.min(speed + ACCELERATION, limit);
    travelled = Math.min(travelled + speed, total);
    writeTarget(list + (<usize>count << 3), path, points, node, travelled, way);
    count++;
  }
  for (let i = 0; i < SETTLE_STEPS; i++, count++) store<u64>(list + (<usize>count << 3), load<u64>(list + (<usize>(count - 1) << 3)));
  store<i32>(laneData(lane), count, LANE_COUNT);
}

/** The point at `travelled` px of the way and the push, as f32. */
function writeTarget(out: usize, path: usize, points: u32, node: usize, travelled: f64, way: f64): void {
  if (travelled >= way) {
    const along = travelled - way;
    store<f32>(out, <f32>(load<f64>(node, NODE_X) + along * load<f64>(node, NODE_DX)));
    store<f32>(out, <f32>(load<f64>(node, NODE_Y) + along * load<f64>(node, NODE_DY)), 4);
    return;
  }
  let rest = travelled;
  for (let i: u32 = 1; i < points; i++) {
    const point = path + (<usize>i << 4);
    const x0 = load<f64>(point - 16);
    const y0 = load<f64>(point - 8);
    const x1 = load<f64>(point);
    const y1 = load<f64>(point, 8);
    const length = between(x0, y0, x1, y1);
    if (rest > length && i + 1 < points) {
      rest -= length;
      continue;
    }
    const share = length > 0.0 ? rest / length : 0.0;
    store<f32>(out, <f32>(x0 + (x1 - x0) * share));
    store<f32>(out, <f32>(y0 + (y1 - y0) * share), 4);
    return;
  }
}

/** Value of the best trial of this push; its targets and its last scene are at BEST_LIST and BEST_SCENE. */
let bestValue: f64 = 0.0;
let bestCount: i32 = 0;
let bestLength: f64 = 0.0;
let bestIsDone: bool = false;
/** What reaching the goal is worth, and what a trial that does not move the T costs. */
const DONE_BONUS: f64 = 1000.0;
/** Worth of ending where the roll-out ended, for each px. */
const PRICE_OF_DEVIATION: f64 = 0.3;

/** Carries out the lists of all lanes from the scene as it is and keeps the best. */
function runTrials(node: usize): void {
  const group = work + GROUP_LIST;
  const startsInBox = isKeptOut(load<f64>(work + MAIN, AGENT_X), load<f64>(work + MAIN, AGENT_Y), BOX_SLACK);
  let longest = 0;
  for (let i: u32 = 0; i < LANES; i++) {
    memory.copy(laneScene(i), work + MAIN, KEPT_BYTES);
    longest = max(longest, load<i32>(laneData(i), LANE_COUNT));
  }
  for (let step = 0; step < longest; step++) {
    let running: u32 = 0;
    for (let i: u32 = 0; i < LANES; i++) {
      if (step >= load<i32>(laneData(i), LANE_COUNT)) continue;
      const scene = laneScene(i);
      const target = work + LISTS + <usize>i * LIST_STRIDE + (<usize>step << 3);
      store<f64>(scene, <f64>load<f32>(target), TARGET_X);
      store<f64>(scene, <f64>load<f32>(target, 4), TARGET_Y);
      store<u32>(group + (<usize>running << 2), <u32>scene);
      running++;
    }
    driveGroup(group, running, PHYSICS_STEPS);
    for (let i: u32 = 0; i < LANES; i++) {
      const lane = laneData(i);
      const count = load<i32>(lane, LANE_COUNT);
      if (step >= count) continue;
      const scene = laneScene(i);
      if (isKeptOut(load<f64>(scene, AGENT_X), load<f64>(scene, AGENT_Y), BOX_SLACK) && !startsInBox) {
        store<i32>(lane, 0, LANE_COUNT);
        continue;
      }
      const isDone = covered(scene) > threshold;
      if (!isDone && step + 1 < count) continue;
      const steps = <f64>(step + 1);
      let value = steps + estimate(scene) + PRICE_OF_DEVIATION * poseDistance(scene, node + NODE_POSE);
      if (isDone) value = steps - DONE_BONUS;
      else if (poseDistance(scene, work + MAIN + BLOCK_X) < SMALLEST_PUSH) value += DONE_BONUS;
      store<i32>(lane, 0, LANE_COUNT);
      if (value >= bestValue) continue;
      bestValue = value;
      bestCount = step + 1;
      bestLength = load<f64>(lane, LANE_LENGTH);
      bestIsDone = isDone;
      memory.copy(work + BEST_LIST, work + LISTS + <usize>i * LIST_STRIDE, <usize>(step + 1) << 3);
      memory.copy(work + BEST_SCENE, scene, KEPT_BYTES);
    }
  }
}

/** Carries out the first push that leads to `node`: eight lengths around the planned one, then eight closer ones. */
function carryOut(node: usize): void {
  const main = work + MAIN;
  const x = load<f64>(work + LAST_TARGET);
  const y = load<f64>(work + LAST_TARGET, 8);
  const startX = load<f64>(node, NODE_X);
  const startY = load<f64>(node, NODE_Y);
  wayLength(main, x, y, startX, startY);
  const points = writeWay(x, y, startX, startY);
  bestValue = Infinity;
  bestLength = load<f64>(node, NODE_LENGTH);
  let spread = Math.max(2.0, 0.1 * bestLength);
  for (let round = 0; round < 2; round++) {
    const middle = bestLength;
    for (let i: u32 = 0; i < LANES; i++) {
      const length = Math.max(1.0, middle + spread * (<f64>i - 3.0) / 4.0);
      store<f64>(laneData(i), length, LANE_LENGTH);
      writeTargets(i, points, node, length);
    }
    runTrials(node);
    spread *= 0.25;
  }
}

/** The hand shakes by no more than this many standard deviations. */
const LARGEST_SHAKE: f64 = 3.0;

/**
 * Carries out the first `count` targets of the best trial by a shaking hand: each is missed by a normal number of deviation `shake`,
 * px, both ways. Writes what was aimed at and what was given, f32 x 2 a step, leaves the scene at MAIN and returns the steps
 * done: fewer where the T came to cover the goal, which `bestIsDone` then tells.
 */
function carryOutShaking(count: i32, shake: f64, aimed: usize, given: usize): i32 {
  const main = work + MAIN;
  const stream = work + SHAKE_STREAM;
  const group = work + GROUP_LIST;
  store<u32>(group, <u32>main);
  bestIsDone = false;
  for (let step = 0; step < count; step++) {
    const place = <usize>step << 3;
    for (let axis: usize = 0; axis < 8; axis += 4) {
      const target = load<f32>(work + BEST_LIST + place + axis);
      store<f32>(aimed + place + axis, target);
      store<f32>(given + place + axis, <f32>(<f64>target + shake * clamp(drawNormal(stream), -LARGEST_SHAKE, LARGEST_SHAKE)));
    }
    store<f64>(main, <f64>load<f32>(given + place), TARGET_X);
    store<f64>(main, <f64>load<f32>(given + place, 4), TARGET_Y);
    driveGroup(group, 1, PHYSICS_STEPS);
    if (covered(main) > threshold) {
      bestIsDone = true;
      return step + 1;
    }
  }
  return count;
}

/**
 * Demonstrates the episode that `seed` gives under the options of `batch`: writes the targets of its env steps at `aimed`, f32 x 2 for
 * each of up to the batch's MAX_STEPS, and returns their number, negative where the T did not come to cover the batch's SUCCESS_COVERAGE.
 * With `shake` above 0 the hand misses each target by as much, and what it gave instead is written at `given`. No push is chosen that
 * leads through the batch's forbidden box. `block` has
 * `pusht_expert_bytes` bytes.
 */
export function pusht_expert(block: usize, batch: usize, seed: u32, consistent: u32, shake: f64, aimed: usize, given: usize): i32 {
  useExactSearch(false);
  work = block;
  isConsistent = consistent !== 0;
  threshold = load<f64>(batch, PUSHT_SUCCESS_COVERAGE);
  keepOutOfBox(batch);
  const maxSteps = load<i32>(batch, BATCH_MAX_STEPS);
  const start = block + START;
  const main = block + MAIN;
  sampleStart(batch, block + STREAM, seed, start);
  seedTwister(block + SHAKE_STREAM, seed);
  resetScene(
    main, load<u32>(batch, PUSHT_RESET_ORDER), load<f64>(start), load<f64>(start, 8), load<f64>(start, 16), load<f64>(start, 24), load<f64>(start, 32),
  );
  store<f64>(block + LAST_TARGET, load<f64>(start));
  store<f64>(block + LAST_TARGET, load<f64>(start, 8), 8);
  prepareWays(block + WAYS);
  let steps = 0;
  while (steps < maxSteps) {
    const node = search();
    if (node === 0) break;
    carryOut(node);
    if (bestValue === Infinity) break;
    let count = min(bestCount, maxSteps - steps);
    const place = <usize>steps << 3;
    if (shake > 0.0) {
      count = carryOutShaking(count, shake, aimed + place, given + place);
    } else {
      memory.copy(aimed + place, block + BEST_LIST, <usize>count << 3);
      memory.copy(main, block + BEST_SCENE, KEPT_BYTES);
      bestIsDone = bestIsDone && count === bestCount;
    }
    steps += count;
    const last = aimed + (<usize>(steps - 1) << 3);
    store<f64>(block + LAST_TARGET, <f64>load<f32>(last));
    store<f64>(block + LAST_TARGET, <f64>load<f32>(last, 4), 8);
    if (bestIsDone) return steps;
  }
  return -steps;
}

// One Push-T scene: construction, reset to a pose, and control steps of ten physics steps.
//
// Physics step: positions move with the velocities of the last step; shapes and broad phase follow; contacts are found and
// solved. So a contact is resolved one step after the motion that caused it, and a T that nothing touches stops dead.
import { GAIN_POSITION, GAIN_VELOCITY, TIME_STEP } from "./constants";
import {
  ACTIVE_ARBITERS, ACTIVE_CONTACTS, AGENT_VX, AGENT_X, AGENT_Y, ARBITERS, ARBITER_STAMP, ARBITER_STRIDE,
  BLOCK_ANGLE, BLOCK_VBX, BLOCK_VBY, BLOCK_VX, BLOCK_VY, BLOCK_W, BLOCK_WB, BLOCK_X, BLOCK_Y, CONTACT_POINTS, GROUP_LIST,
  GROUP_SCENES, GROUP_TOUCHING, SCENE_BYTES, STAMP, TARGET_X, TARGET_Y,
} from "./memory";
import { placeOrigin, placeShapes, setBlockAngle, setBlockPosition, turnBlock } from "./body";
import { rest, solve, warmStart } from "./solver";
import { buildTree, findPairs } from "./tree";

/** Poses at which the shapes are inserted into the broad phase, before any reset pose is known. */
const CONSTRUCTION_AGENT_X: f64 = 256.0;
const CONSTRUCTION_AGENT_Y: f64 = 400.0;
const CONSTRUCTION_BLOCK_X: f64 = 256.0;
const CONSTRUCTION_BLOCK_Y: f64 = 300.0;

const PAIRS: usize = 10;
/** A stamp so old that the pair counts as new. */
const NEVER: i32 = -1_000_000;

/** A reset writes the position of the T, then its angle (legacy); any other order is angle, then position. */
const POSITION_FIRST: u32 = 0;

/** Builds the scene and runs the reset step. The angle's turn is about the centre of gravity, so the order matters. */
export function resetScene(scene: usize, order: u32, agentX: f64, agentY: f64, blockX: f64, blockY: f64, angle: f64): void {
  memory.fill(scene, 0, SCENE_BYTES);
  for (let pair: usize = 0; pair < PAIRS; pair++) {
    store<i32>(scene + ARBITERS + pair * ARBITER_STRIDE, NEVER, ARBITER_STAMP);
  }
  setBlockAngle(scene, 0.0);
  setBlockPosition(scene, CONSTRUCTION_BLOCK_X, CONSTRUCTION_BLOCK_Y);
  placeShapes(scene);
  buildTree(scene, CONSTRUCTION_AGENT_X, CONSTRUCTION_AGENT_Y);

  store<f64>(scene, agentX, AGENT_X);
  store<f64>(scene, agentY, AGENT_Y);
  if (order === POSITION_FIRST) {
    setBlockPosition(scene, blockX, blockY);
    setBlockAngle(scene, angle);
  } else {
    setBlockAngle(scene, angle);
    setBlockPosition(scene, blockX, blockY);
  }
  placeShapes(scene);
  if (advance(scene, true)) {
    store<u32>(scene, <u32>scene, GROUP_TOUCHING);
    solve(scene + GROUP_TOUCHING, 1, scene + GROUP_LIST);
  }
  store<u32>(scene, 0, CONTACT_POINTS);
}

/** Runs `steps` physics steps (ten make a control step) of one scene towards the target (x, y). */
export function driveScene(scene: usize, targetX: f64, targetY: f64, steps: i32): void {
  store<f64>(scene, targetX, TARGET_X);
  store<f64>(scene, targetY, TARGET_Y);
  store<u32>(scene + GROUP_SCENES, <u32>scene);
  driveGroup(scene + GROUP_SCENES, 1, steps);
}

/**
 * Runs `steps` physics steps of up to GROUP scenes in step. Their addresses stand at `scenes`, u32, each with its target; the
 * scratch of the first is used.
 */
export function driveGroup(scenes: usize, count: u32, steps: i32): void {
  const first = <usize>load<u32>(scenes);
  const touching = first + GROUP_TOUCHING;
  for (let i: u32 = 0; i < count; i++) store<u32>(<usize>load<u32>(scenes + (<usize>i << 2)), 0, CONTACT_POINTS);
  for (let step = 0; step < steps; step++) {
    let touchingCount: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const scene = <usize>load<u32>(scenes + (<usize>i << 2));
      steerAgent(scene);
      if (!advance(scene, false)) continue;
      store<u32>(touching + (<usize>touchingCount << 2), <u32>scene);
      touchingCount++;
    }
    if (touchingCount > 0) solve(touching, touchingCount, first + GROUP_LIST);
  }
}

/** PD control, once per physics step: v += (kp (u - p) + kv (0 - v)) dt, x and y in two lanes. */
// @ts-ignore: decorator
@inline
function steerAgent(scene: usize): void {
  const velocity = v128.load(scene, AGENT_VX);
  const pull = f64x2.mul(f64x2.splat(GAIN_POSITION), f64x2.sub(v128.load(scene, TARGET_X), v128.load(scene, AGENT_X)));
  const drag = f64x2.mul(f64x2.splat(GAIN_VELOCITY), f64x2.sub(f64x2.splat(0.0), velocity));
  v128.store(scene, f64x2.add(velocity, f64x2.mul(f64x2.add(pull, drag), f64x2.splat(TIME_STEP))), AGENT_VX);
}

/** Moves the T with the velocities of the last step; true if its pose changed. */
function moveBlock(scene: usize): bool {
  const dx = load<f64>(scene, BLOCK_VX) + load<f64>(scene, BLOCK_VBX);
  const dy = load<f64>(scene, BLOCK_VY) + load<f64>(scene, BLOCK_VBY);
  const da = load<f64>(scene, BLOCK_W) + load<f64>(scene, BLOCK_WB);
  if (dx === 0.0 && dy === 0.0 && da === 0.0) return false;
  store<f64>(scene, load<f64>(scene, BLOCK_X) + dx * TIME_STEP, BLOCK_X);
  store<f64>(scene, load<f64>(scene, BLOCK_Y) + dy * TIME_STEP, BLOCK_Y);
  if (da !== 0.0) {
    store<f64>(scene, load<f64>(scene, BLOCK_ANGLE) + da * TIME_STEP, BLOCK_ANGLE);
    turnBlock(scene);
  }
  placeOrigin(scene);
  placeShapes(scene);
  return true;
}

/**
 * The physics step up to the solver: motion, shapes, broad and narrow phase, warm starts. True if there is something to solve.
 * `isReset`: the shapes were just placed by hand, so the broad phase has to look at all of them.
 */
function advance(scene: usize, isReset: bool): bool {
  store<i32>(scene, load<i32>(scene, STAMP) + 1, STAMP);
  v128.store(scene, f64x2.add(v128.load(scene, AGENT_X), f64x2.mul(v128.load(scene, AGENT_VX), f64x2.splat(TIME_STEP))), AGENT_X);
  const moved = moveBlock(scene);

  store<u32>(scene, 0, ACTIVE_CONTACTS);
  store<u32>(scene, 0, ACTIVE_ARBITERS);
  findPairs(scene, moved || isReset);

  const contacts = load<u32>(scene, ACTIVE_CONTACTS);
  if (contacts === 0) {
    rest(scene);
    return false;
  }
  store<u32>(scene, load<u32>(scene, CONTACT_POINTS) + contacts, CONTACT_POINTS);
  warmStart(scene);
  return true;
}

// One Push-T scene: construction, reset to a pose, and control steps of ten physics steps.
//
// Physics step: positions move with the velocities of the last step; shapes and broad phase follow; contacts are found and
// solved. So a contact is resolved one step after the motion that caused it, and a T that nothing touches stops dead.
import { DISC_RADIUS, GAIN_POSITION, GAIN_VELOCITY, TIME_STEP } from "./constants";
import {
  ACTIVE_ARBITERS, ACTIVE_CONTACTS, AGENT_VX, AGENT_VY, AGENT_X, AGENT_Y, ARBITERS, ARBITER_STAMP, ARBITER_STRIDE,
  BLOCK_ANGLE, BLOCK_VBX, BLOCK_VBY, BLOCK_VX, BLOCK_VY, BLOCK_W, BLOCK_WB, BLOCK_X, BLOCK_Y, CONTACT_POINTS, SCENE_BYTES, STAMP,
} from "./memory";
import { placeOrigin, placeShapes, setBlockAngle, setBlockPosition, turnBlock } from "./body";
import { solve } from "./solver";
import { buildTree, findPairs } from "./tree";

/** Poses at which the shapes are inserted into the broad phase, before any reset pose is known. */
const CONSTRUCTION_AGENT_X: f64 = 256.0;
const CONSTRUCTION_AGENT_Y: f64 = 400.0;
const CONSTRUCTION_BLOCK_X: f64 = 256.0;
const CONSTRUCTION_BLOCK_Y: f64 = 300.0;

const PAIRS: usize = 10;
/** A stamp so old that the pair counts as new. */
const NEVER: i32 = -1_000_000;

/** Order in which a reset writes the pose of the T: position then angle (legacy), or angle then position. */
export const POSITION_FIRST: u32 = 0;
export const ANGLE_FIRST: u32 = 1;

/** Builds the scene and runs the reset step. The angle's turn is about the centre of gravity, so the order matters. */
export function resetScene(scene: usize, order: u32, agentX: f64, agentY: f64, blockX: f64, blockY: f64, angle: f64): void {
  memory.fill(scene, 0, SCENE_BYTES);
  for (let pair: usize = 0; pair < PAIRS; pair++) {
    store<i32>(scene + ARBITERS + pair * ARBITER_STRIDE, NEVER, ARBITER_STAMP);
  }
  setBlockAngle(scene, 0.0);
  setBlockPosition(scene, CONSTRUCTION_BLOCK_X, CONSTRUCTION_BLOCK_Y);
  placeShapes(scene);
  buildTree(scene, CONSTRUCTION_AGENT_X, CONSTRUCTION_AGENT_Y, DISC_RADIUS);

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
  physicsStep(scene, true);
  store<u32>(scene, 0, CONTACT_POINTS);
}

/** Runs `steps` physics steps (ten make a control step) towards the target (x, y). */
export function driveScene(scene: usize, targetX: f64, targetY: f64, steps: i32): void {
  store<u32>(scene, 0, CONTACT_POINTS);
  for (let step = 0; step < steps; step++) {
    const vx = load<f64>(scene, AGENT_VX);
    const vy = load<f64>(scene, AGENT_VY);
    const ax = GAIN_POSITION * (targetX - load<f64>(scene, AGENT_X)) + GAIN_VELOCITY * (0.0 - vx);
    const ay = GAIN_POSITION * (targetY - load<f64>(scene, AGENT_Y)) + GAIN_VELOCITY * (0.0 - vy);
    store<f64>(scene, vx + ax * TIME_STEP, AGENT_VX);
    store<f64>(scene, vy + ay * TIME_STEP, AGENT_VY);
    physicsStep(scene, false);
  }
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

/** `isReset`: the shapes were just placed by hand, so the broad phase has to look at all of them. */
function physicsStep(scene: usize, isReset: bool): void {
  store<i32>(scene, load<i32>(scene, STAMP) + 1, STAMP);
  const vx = load<f64>(scene, AGENT_VX);
  const vy = load<f64>(scene, AGENT_VY);
  const x = load<f64>(scene, AGENT_X) + vx * TIME_STEP;
  const y = load<f64>(scene, AGENT_Y) + vy * TIME_STEP;
  store<f64>(scene, x, AGENT_X);
  store<f64>(scene, y, AGENT_Y);
  const moved = moveBlock(scene);

  store<u32>(scene, 0, ACTIVE_CONTACTS);
  store<u32>(scene, 0, ACTIVE_ARBITERS);
  findPairs(scene, moved || isReset, x, y, vx, vy, DISC_RADIUS);

  const contacts = load<u32>(scene, ACTIVE_CONTACTS);
  store<u32>(scene, load<u32>(scene, CONTACT_POINTS) + contacts, CONTACT_POINTS);
  if (contacts > 0) {
    solve(scene);
  } else {
    store<f64>(scene, load<f64>(scene, BLOCK_VX) * 0.0, BLOCK_VX);
    store<f64>(scene, load<f64>(scene, BLOCK_VY) * 0.0, BLOCK_VY);
    store<f64>(scene, load<f64>(scene, BLOCK_W) * 0.0, BLOCK_W);
    store<f64>(scene, 0.0, BLOCK_VBX);
    store<f64>(scene, 0.0, BLOCK_VBY);
    store<f64>(scene, 0.0, BLOCK_WB);
  }
}

// Numbers of the Push-T scene. Lengths in px of a 512 x 512 canvas, y down, angles from +x towards +y in radians.

export const TIME_STEP: f64 = 0.01;
export const SOLVER_PASSES: i32 = 10;
/** Penetration left alone, and fattening of the broad-phase boxes: 0.1 as a 32-bit float, widened. */
export const COLLISION_SLOP: f64 = 0.10000000149011612;
/** 1 - (0.9^60)^0.01 with 0.9 a 32-bit float: share of the penetration removed in a step. */
export const BIAS_COEFFICIENT: f64 = 0.061259621561307376;
/** Steps for which the impulses of a separated pair are remembered. */
export const COLLISION_PERSISTENCE: i32 = 3;
/** Every quotient of lengths is guarded by the smallest normal double. */
export const TINY: f64 = 2.2250738585072014e-308;

// PD control of the disc
export const GAIN_POSITION: f64 = 100.0;
export const GAIN_VELOCITY: f64 = 20.0;

export const DISC_RADIUS: f64 = 15.0;
export const WALL_RADIUS: f64 = 2.0;
/** Walls 0 to 3: end 0 (x, y), end 1 (x, y), then the box grown by the radius (left, bottom, right, top). */
export const WALLS: usize = memory.data<f64>([
  5.0, 506.0, 5.0, 5.0, 3.0, 3.0, 7.0, 508.0,
  5.0, 5.0, 506.0, 5.0, 3.0, 3.0, 508.0, 7.0,
  506.0, 5.0, 506.0, 506.0, 504.0, 3.0, 508.0, 508.0,
  5.0, 506.0, 506.0, 506.0, 3.0, 504.0, 508.0, 508.0,
]);
export const WALL_STRIDE: usize = 64;
export const WALL_BOX: usize = 32;

// The T in its own frame: bar, then stem. Face i runs from vertex i - 1 to vertex i; the outward normals of both are
// (-1,0), (0,-1), (1,0), (0,1).
export const BAR_LEFT: f64 = -60.0;
export const BAR_RIGHT: f64 = 60.0;
export const BAR_TOP: f64 = 0.0;
export const BAR_BOTTOM: f64 = 30.0;
export const STEM_LEFT: f64 = -15.0;
export const STEM_RIGHT: f64 = 15.0;
export const STEM_TOP: f64 = 30.0;
export const STEM_BOTTOM: f64 = 120.0;
/** Centre of gravity (0, 45). */
export const GRAVITY_Y: f64 = 45.0;
/** Mass is 1; the moment of inertia is 3000, as the published scene has it. */
export const INVERSE_MOMENT: f64 = 1.0 / 3000.0;
/** Distance from the centre of gravity to the farthest corner of the T, rounded up. */
export const BLOCK_REACH: f64 = 77.0;

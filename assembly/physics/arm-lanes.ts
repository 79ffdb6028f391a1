// Memory map of two arms side by side: every quantity is one v128 (16 bytes), lane k the arm of environment k.
// Seven joints stand 16 bytes apart. The angle of joint 7 is kept turned by -pi/4, the fixed turn from flange to hand,
// so that frame 7 is the frame of the hand.

/** Joint angles, their velocities, sines and cosines. */
export const Q: usize = 0;
export const QD: usize = 112;
export const SIN: usize = 224;
export const COS: usize = 336;
/** Reference of the IK: angles q*, the ones one millisecond earlier, sines and cosines. */
export const REF: usize = 448;
export const REF_OLD: usize = 560;
export const REF_SIN: usize = 672;
export const REF_COS: usize = 784;
/** Gravity and Coriolis torques of the previous step's start. */
export const BIAS: usize = 896;
/** How far the smallest singular value of the reference's Jacobian surely is above 0.1, see arm-reference.ts. */
export const SLACK: usize = 1008;
/** Distance that no point of the rod can have travelled into the nearest surface, see arm-contact.ts. */
export const CLEARANCE: usize = 1024;
/** Set-point x, y. */
export const GOAL: usize = 1040;
/** Joint velocities that one IK iteration asks for. */
export const WANTED: usize = 1072;
/** Task velocity (linear, angular; world axes) of one IK iteration. */
export const TASK: usize = 1184;
/** Tool centre point (3), rod axis pointing away from the hand (3), world axes. */
export const TCP: usize = 1280;
export const AXIS: usize = 1328;
/** Joint accelerations. */
export const QDD: usize = 1376;
/** Factors of M = L^T D L: L below the diagonal by rows (l21 l31 l32 ...), then 1/D. */
export const FACTOR: usize = 1488;
export const INVERSE_D: usize = 1824;
/** Obstacle touched (0 to 5), or -1; f64 per lane. */
export const TOUCHED: usize = 1936;
/** 1 where the rod touches the table; f64 per lane. */
export const ON_TABLE: usize = 1952;
/** Height of the set-point. */
export const GOAL_HEIGHT: usize = 1968;
/** Eigenvector of the least eigenvalue last clipped, 6 f64 of lane 0, then 6 of lane 1; zero where there is none. */
export const LOWEST: usize = 1984;
/** TASK in elbow axes about the wrist: angular, then linear. */
export const WRIST_TASK: usize = 2080;
/** Force and torque (F, N) of links 2 to 7. */
export const WRENCH: usize = 2176;
/** The mass matrix by rows below and on the diagonal (M11 M21 M22 ...), and its rows less those below, see arm-dynamics.ts. */
export const MASS: usize = 2752;
export const ROWS: usize = 3200;
/** Gravity and Coriolis torques of this step's start. */
export const BIAS_NOW: usize = 3648;
/** Scratch of the scalar paths, f64. */
export const SCRATCH: usize = 3760;
/** Bytes of two arms: the map above and 256 numbers of scratch. */
export const ARM_BYTES: usize = 3760 + 2048;

/** pi/4, by which the stored angle of joint 7 is less than the joint's own. */
export const HAND_TURN: f64 = 0.7853981633974483;

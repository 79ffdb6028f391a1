// Memory map of one planar scene: a T of two rectangles, a driven disc and four walls. Byte offsets from the record's
// start; f64 unless said otherwise. The record holds everything that the next step depends on, so copying SCENE_BYTES
// saves or restores a scene.

// Shapes are numbered as they enter the scene: walls 0 to 3, disc 4, bar 5, stem 6.
export const DISC: u32 = 4;
export const BAR: u32 = 5;
export const STEM: u32 = 6;

// Driven disc
export const AGENT_X: usize = 0;
export const AGENT_Y: usize = 8;
export const AGENT_VX: usize = 16;
export const AGENT_VY: usize = 24;
/** Where it is driven to. */
export const TARGET_X: usize = 480;
export const TARGET_Y: usize = 488;

// T: centre of gravity, raw angle
export const BLOCK_X: usize = 32;
export const BLOCK_Y: usize = 40;
export const BLOCK_ANGLE: usize = 48;
// Velocities; each is a v128 with the bias velocity of the step (vbx, vby, wb), which the solver works on together
export const BLOCK_VBX: usize = 64;
export const BLOCK_VX: usize = 72;
export const BLOCK_VBY: usize = 80;
export const BLOCK_VY: usize = 88;
export const BLOCK_WB: usize = 96;
export const BLOCK_W: usize = 104;
// Derived from the pose whenever it changes
export const BLOCK_COS: usize = 112;
export const BLOCK_SIN: usize = 120;
export const ORIGIN_X: usize = 128;
export const ORIGIN_Y: usize = 136;
/** Eight world vertices x, y: bar then stem. */
export const VERTICES: usize = 144;
export const POLYGON_VERTICES_STRIDE: usize = 64;
/** Tight boxes left, bottom, right, top of bar and stem. */
export const BOXES: usize = 272;
export const BOX_STRIDE: usize = 32;
/** Grown boxes of disc, bar and stem as the broad phase keeps them. */
export const FAT_BOXES: usize = 336;

// Whole numbers, 4 bytes each
export const STAMP: usize = 436;
/** Contacts of the last physics step. */
export const ACTIVE_CONTACTS: usize = 440;
/** Arbiters of the last physics step. */
export const ACTIVE_ARBITERS: usize = 444;
/** Contact points summed over the physics steps of the last control step. */
export const CONTACT_POINTS: usize = 448;
/** Leaves of the dynamic tree in depth-first order, a byte each. */
export const TREE_LEAVES: usize = 452;
/** 0: the tree is ((leaf 0, leaf 1), leaf 2); 1: (leaf 0, (leaf 1, leaf 2)). */
export const TREE_SIDE: usize = 455;
/** For disc, bar and stem: the shapes that come first in a pair with it, latest pair in the lowest four bits, as id + 1. */
export const PAIR_LISTS: usize = 456;

// Arbiters: one for each of {wall 0..3, disc} x {bar, stem}
export const ARBITERS: usize = 496;
export const ARBITER_STRIDE: usize = 32;
/** i32: stamp of the last step in which the pair touched. */
export const ARBITER_STAMP: usize = 0;
/** i32: how many contacts are kept. */
export const ARBITER_COUNT: usize = 4;
/** u32 x 2: identity of each kept contact. */
export const ARBITER_IDS: usize = 8;
/** f64 x 2: accumulated normal impulse of each kept contact. */
export const ARBITER_JN: usize = 16;

// Contacts of the current step, in solver order: at most 18, four walls x two rectangles x two, and the disc with both rectangles
export const CONTACTS: usize = 832;
export const CONTACT_STRIDE: usize = 176;
/** v128: accumulated bias impulse, accumulated normal impulse. */
export const CONTACT_JBIAS: usize = 0;
export const CONTACT_JN: usize = 8;
/** v128: bias speed, 0. */
export const CONTACT_BIAS: usize = 16;
/** v128: 0, velocity of the other shape. */
export const CONTACT_OTHER_VX: usize = 32;
export const CONTACT_OTHER_VY: usize = 48;
export const CONTACT_NX: usize = 64;
export const CONTACT_NY: usize = 72;
export const CONTACT_R2X: usize = 80;
export const CONTACT_R2Y: usize = 88;
export const CONTACT_NMASS: usize = 96;
export const CONTACT_R1X: usize = 104;
export const CONTACT_R1Y: usize = 112;
/** Surface points on the other shape and on the T, for drawing. */
export const CONTACT_P1X: usize = 120;
export const CONTACT_P1Y: usize = 128;
export const CONTACT_P2X: usize = 136;
export const CONTACT_P2Y: usize = 144;
/** u32: byte offset in the scene where the arbiter keeps this contact's impulse. */
export const CONTACT_JN_HOME: usize = 152;
/** u32: 10 * first shape + second shape. */
export const CONTACT_PAIR: usize = 156;
/** u32: place of the arbiter in the solver order. */
export const CONTACT_ORDER: usize = 160;
/** u32: 1 = newly touching, not warm-started. */
export const CONTACT_FIRST: usize = 164;

// Scratch of the distance search: two hulls of vertex pairs, a byte each
export const HULL: usize = 4000;
export const NEXT_HULL: usize = 4064;

// Scratch of a group of scenes, in the first of them: addresses of all, of those in contact, and the solver's list
export const GROUP_SCENES: usize = 4128;
export const GROUP_TOUCHING: usize = 4192;
export const GROUP_LIST: usize = 4256;

export const SCENE_BYTES: usize = 6592;

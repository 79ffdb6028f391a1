// Constants of the arm, as places in memory: loading one into both lanes is a single instruction, where a literal takes three.
//
// Inertial constants are regrouped.
// A link enters the equations of motion only through its mass m, first moment h = m c and pseudo-inertia
// J = sum of r r^T dm about its frame's origin. The part (m, h_z, J_zz) looks the same however the link turns about its
// own axis z, so it belongs as well to the link before:
//   h' = R h + m p,   J' = R J R^T + h p^T + p h^T + m p p^T   (R, p: the frame of the link in that of the one before).
// Moved from link 7 down to link 1 it leaves m = h_z = J_zz = 0 for links 2 to 7, and of link 1, which only turns about
// z, nothing but J_xx + J_yy: torques and inertias are unchanged, most of the arithmetic is gone. Frame 7 here is the
// hand's (turned by -pi/4). test/physics/arm.test.ts derives the numbers below again from the published links.

/** Link 2: first moment, kg m; pseudo-inertia, kg m^2. */
export const H2X: usize = memory.data<f64>([-3.688920936e-5]);
export const H2Y: usize = memory.data<f64>([-3.3500861283207435]);
export const J2XX: usize = memory.data<f64>([0.0022423858429710414]);
export const J2YY: usize = memory.data<f64>([1.0039281831985345]);
export const J2XY: usize = memory.data<f64>([4.4864133900406995e-6]);
export const J2XZ: usize = memory.data<f64>([-4.936416590841347e-7]);
export const J2YZ: usize = memory.data<f64>([-0.002880505585720954]);
/** Link 3: first moment, kg m; pseudo-inertia, kg m^2. */
export const H3X: usize = memory.data<f64>([0.7627169427585296]);
export const H3Y: usize = memory.data<f64>([-0.0005838960850000005]);
export const J3XX: usize = memory.data<f64>([0.0634482885575143]);
export const J3YY: usize = memory.data<f64>([0.008218814214712307]);
export const J3XY: usize = memory.data<f64>([-0.0007598468890194559]);
export const J3XZ: usize = memory.data<f64>([-0.0013575252397752557]);
export const J3YZ: usize = memory.data<f64>([-0.0008126163721231944]);
/** Link 4: first moment, kg m; pseudo-inertia, kg m^2. */
export const H4X: usize = memory.data<f64>([-0.5713791404305296]);
export const H4Y: usize = memory.data<f64>([2.001976901099993]);
export const J4XX: usize = memory.data<f64>([0.04767418935462658]);
export const J4YY: usize = memory.data<f64>([0.6699955837031084]);
export const J4XY: usize = memory.data<f64>([-0.16372264352682905]);
export const J4XZ: usize = memory.data<f64>([-0.0007300333016044532]);
export const J4YZ: usize = memory.data<f64>([0.0008613462989009791]);
/** Link 5: first moment, kg m; pseudo-inertia, kg m^2. */
export const H5X: usize = memory.data<f64>([-0.00020347858691999998]);
export const H5Y: usize = memory.data<f64>([0.11436982106610001]);
export const J5XX: usize = memory.data<f64>([0.002345426313296839]);
export const J5YY: usize = memory.data<f64>([0.010376741961486509]);
export const J5XY: usize = memory.data<f64>([8.537955995241872e-7]);
export const J5XZ: usize = memory.data<f64>([5.9588042543045454e-5]);
export const J5YZ: usize = memory.data<f64>([-0.00801591394618308]);
/** Link 6: first moment, kg m; pseudo-inertia, kg m^2. */
export const H6X: usize = memory.data<f64>([0.18806889704649826]);
export const H6Y: usize = memory.data<f64>([-0.15337715512312258]);
export const J6XX: usize = memory.data<f64>([0.016607150673520973]);
export const J6YY: usize = memory.data<f64>([0.08405262985857612]);
export const J6XY: usize = memory.data<f64>([-0.013691161529149634]);
export const J6XZ: usize = memory.data<f64>([0.00014870546454882742]);
export const J6YZ: usize = memory.data<f64>([3.048260957388415e-5]);
/** Link 7: first moment, kg m; pseudo-inertia, kg m^2. */
export const H7X: usize = memory.data<f64>([-1.3238327625272032e-6]);
export const H7Y: usize = memory.data<f64>([0.005702075884921185]);
export const J7XX: usize = memory.data<f64>([0.060318997901297876]);
export const J7YY: usize = memory.data<f64>([0.06264068171245543]);
export const J7XY: usize = memory.data<f64>([2.1152975002329323e-7]);
export const J7XZ: usize = memory.data<f64>([-3.2317857319344393e-7]);
export const J7YZ: usize = memory.data<f64>([0.0004901509759554853]);
/** Moment of inertia of link 1 about its axis, kg m^2. */
export const I1ZZ: usize = memory.data<f64>([0.016529878821277696]);
/** m/s^2 */
export const GRAVITY: usize = memory.data<f64>([9.81]);

// Lengths of the arm, m: from the base to the shoulder, from the shoulder to the elbow, the elbow's two offsets, from the
// elbow to the wrist, from the wrist to axis 7, and along it to the tool centre point.
export const SHOULDER_HEIGHT: usize = memory.data<f64>([0.333]);
export const UPPER_ARM: usize = memory.data<f64>([0.316]);
export const ELBOW: usize = memory.data<f64>([0.0825]);
export const FOREARM: usize = memory.data<f64>([0.384]);
export const WRIST: usize = memory.data<f64>([0.088]);
export const TOOL: usize = memory.data<f64>([0.212]);
export const TWICE_UPPER_ARM: usize = memory.data<f64>([0.632]);
export const TWICE_ELBOW: usize = memory.data<f64>([0.165]);
export const TWICE_FOREARM: usize = memory.data<f64>([0.768]);
export const TWICE_WRIST: usize = memory.data<f64>([0.176]);

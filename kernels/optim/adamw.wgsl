// adamw — m = b1 m + (1 - b1) g', v = b2 v + (1 - b2) g'^2, p = p' - rate c1 m / (sqrt(v) c2 + eps); nothing where state says inactive
//         decoupled: g' = s g, p' = p (1 - rate decay); else g' = s g + decay p, p' = p
// shapes  g [P] f32; state [6] f32 of adam_advance, c1 = state[1], c2 = state[2], s = state[3], active = state[4]; p, m, v [P] f32, read and written
// owns    invocation: one element; workgroup: 256 elements
// grid    ceil(P / 256)  workgroup [256, 1, 1]
// order   no sums
// alias   none
// limits  0 bytes, 256 invocations, 5 storage buffers
// test    test/kernels/optim.test.ts  rtol 2e-6  at 1, 3, 31, 33, 1023, 1025, 2500

struct Params { count: u32, rate: f32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32, weightDecay: f32, decoupled: u32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> state: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = invocation_number(group, groups, lane, 256u);
  if (i >= params.count || state[4] == 0.0) { return; }
  var weight = p[i];
  var gradient = state[3] * g[i];
  if (params.decoupled != 0u) {
    weight *= 1.0 - params.rate * params.weightDecay;
  } else {
    gradient += params.weightDecay * weight;
  }
  let first = params.beta1 * m[i] + params.rest1 * gradient;
  let second = params.beta2 * v[i] + params.rest2 * gradient * gradient;
  m[i] = first;
  v[i] = second;
  p[i] = weight - params.rate * state[1] * first / (sqrt(second) * state[2] + params.epsilon);
}

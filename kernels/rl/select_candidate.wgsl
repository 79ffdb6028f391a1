// select_candidate — selected[e] = e M + m, s_m = min(first[e, m], second[e, m]); greedy: m the first of largest s_m
//         else m the first with w_0 + .. + w_m > u[e] (w_0 + .. + w_{M-1}), w_m = expectile where s_m > values[e], else 1 - expectile; the last one if none
// shapes  first, second [E, M] f32; values, u [E] f32; selected [E] u32
// owns    invocation: one row; workgroup: 64 rows
// grid    ceil(E / 64)  workgroup [64, 1, 1]
// order   f32: candidates in order
// alias   none
// limits  0 bytes, 64 invocations, 5 storage buffers
// test    test/kernels/select-candidate.test.ts  equal bits  at 1 to 257 rows of 1 to 33

struct Params { rows: u32, candidates: u32, isGreedy: u32, expectile: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> u: array<f32>;
@group(0) @binding(5) var<storage, read_write> selected: array<u32>;

fn weight_of(n: u32, value: f32) -> f32 {
  return select(1.0 - params.expectile, params.expectile, min(first[n], second[n]) > value);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let e = invocation_number(group, groups, lane, 64u);
  if (e >= params.rows) { return; }
  let base = e * params.candidates;
  var chosen = 0u;
  if (params.isGreedy != 0u) {
    for (var m = 1u; m < params.candidates; m++) {
      if (min(first[base + m], second[base + m]) > min(first[base + chosen], second[base + chosen])) { chosen = m; }
    }
  } else {
    var total = 0.0;
    for (var m = 0u; m < params.candidates; m++) { total += weight_of(base + m, values[e]); }
    let wanted = u[e] * total;
    var sum = weight_of(base, values[e]);
    while (chosen + 1u < params.candidates && sum <= wanted) {
      chosen++;
      sum += weight_of(base + chosen, values[e]);
    }
  }
  selected[e] = base + chosen;
}

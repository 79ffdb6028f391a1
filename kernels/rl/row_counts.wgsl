// row_counts — counts[s] = number of i = 0 .. R - 1 with floor(index[offset + i] / divisor) = s
// shapes  index [.., R] u32; counts [S] f32
// owns    invocation: one count; workgroup: 256 counts
// grid    ceil(S / 256)  workgroup [256, 1, 1]
// order   whole numbers
// alias   none
// limits  1024 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/row-counts.test.ts  equal bits  at 1 to 700 indices of 1 to 300 rows

struct Params { rows: u32, count: u32, offset: u32, divisor: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<f32>;

var<workgroup> named: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let s = invocation_number(group, groups, lane, 256u);
  var found = 0u;
  // 256 indices at a time: floor(index[offset + start + lane] / divisor)
  for (var start = 0u; start < params.count; start += 256u) {
    let i = start + lane;
    named[lane] = 0xffffffffu;
    if (i < params.count) { named[lane] = index[params.offset + i] / params.divisor; }
    workgroupBarrier();
    for (var other = 0u; other < 256u; other++) {
      if (named[other] == s) { found++; }
    }
    workgroupBarrier();
  }
  if (s < params.rows) { counts[s] = f32(found); }
}

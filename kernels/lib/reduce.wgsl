// reduce — sum and maximum over a workgroup of 256 invocations, in tree order
//
// Halving tree over 256 slots: slot i takes slot i + 128, then i + 64, ... The order is fixed, so the bits are the same
// on every run of one device. Every invocation of the workgroup must call these, and gets the result.

var<workgroup> reduce_slots: array<f32, 256>;

fn workgroup_sum(lane: u32, value: f32) -> f32 {
  reduce_slots[lane] = value;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half = half >> 1u) {
    if (lane < half) { reduce_slots[lane] = reduce_slots[lane] + reduce_slots[lane + half]; }
    workgroupBarrier();
  }
  let total = reduce_slots[0];
  workgroupBarrier();
  return total;
}

fn workgroup_max(lane: u32, value: f32) -> f32 {
  reduce_slots[lane] = value;
  workgroupBarrier();
  for (var half = 128u; half > 0u; half = half >> 1u) {
    if (lane < half) { reduce_slots[lane] = max(reduce_slots[lane], reduce_slots[lane + half]); }
    workgroupBarrier();
  }
  let largest = reduce_slots[0];
  workgroupBarrier();
  return largest;
}

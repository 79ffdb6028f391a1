// index — position of an invocation in a one-dimensional launch, undoing the fold of the engine
//
// The engine folds x workgroup counts above 65,535 into y (src/engine/webgpu/webgpu-device.ts, gridOf).

// Number of the workgroup: group.x + group.y * groups.x.
fn workgroup_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
  return group.x + group.y * groups.x;
}

// Number of the invocation in workgroups of `size` invocations.
fn invocation_number(group: vec3<u32>, groups: vec3<u32>, lane: u32, size: u32) -> u32 {
  return workgroup_number(group, groups) * size + lane;
}

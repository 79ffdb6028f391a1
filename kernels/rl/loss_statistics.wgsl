// loss_statistics — statistics[at + c] = sum_b partials[c,b] / divisor, c < columns; stop = 1 where statistics[at + watched] > limit; nothing where stop is set
// shapes  partials [columns, blocks] f32; statistics [at + columns or more] f32, those columns written; stop [1] u32, optional, read and written
// owns    invocation: every 256th block; workgroup: all
// grid    1  workgroup [256, 1, 1]
// order   f32: blocks b = lane + 256 k in order of k, then the tree of lib/reduce
// alias   none
// limits  1024 bytes, 256 invocations, 3 storage buffers
// test    test/kernels/ppo-loss.test.ts  rtol 2e-6  at 1, 3, 257, 600 blocks

struct Params { columns: u32, blocks: u32, divisor: f32, at: u32, watched: u32, limit: f32, hasStop: u32, pad0: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<f32>;
@group(0) @binding(3) var<storage, read_write> stop: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var isStopped = false;
  if (params.hasStop != 0u) { isStopped = stop[0] != 0u; }
  for (var c = 0u; c < params.columns; c++) {
    var sum = 0.0;
    for (var b = lane; b < params.blocks; b += 256u) { sum += partials[c * params.blocks + b]; }
    let mean = workgroup_sum(lane, sum) / params.divisor;
    if (lane == 0u && !isStopped) {
      statistics[params.at + c] = mean;
      if (params.hasStop != 0u && c == params.watched && mean > params.limit) { stop[0] = 1u; }
    }
  }
}

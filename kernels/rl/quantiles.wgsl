// quantiles — statistics[2 + s] = x_(k_s) + share_s (x_(k_s + 1) - x_(k_s)), s = 0, 1; x_(k) the k-th smallest of x, from 0
// shapes  x [N] f32, read as its bits; statistics [4] f32, the last two written
// owns    invocation: every 256th element; workgroup: one quantile
// grid    2  workgroup [256, 1, 1]
// order   exact: radix selection of 8 bits at a time on keys whose order as u32 is the order of the numbers
// alias   none
// limits  1040 bytes, 256 invocations, 2 storage buffers
// test    test/kernels/advantages.test.ts  rtol 2e-7  at 1, 2, 3, 31, 257, 5000

struct Params { count: u32, lowRank: u32, highRank: u32, lowShare: f32, highShare: f32, pad0: u32, pad1: u32, pad2: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> statistics: array<f32>;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> chosen: u32;
var<workgroup> rankLeft: u32;
var<workgroup> equalCount: u32;
var<workgroup> next: atomic<u32>;

// Negative numbers have all bits turned over, others the sign bit alone: order of keys = order of numbers.
fn key(bits: u32) -> u32 {
  return bits ^ select(0x80000000u, 0xffffffffu, (bits & 0x80000000u) != 0u);
}

fn number(k: u32) -> f32 {
  return bitcast<f32>(k ^ select(0xffffffffu, 0x80000000u, (k & 0x80000000u) != 0u));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let isHigh = group.x == 1u;
  let rank = select(params.lowRank, params.highRank, isHigh);
  if (lane == 0u) {
    chosen = 0u;
    rankLeft = rank;
    atomicStore(&next, 0xffffffffu);
  }
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    atomicStore(&histogram[lane], 0u);
    workgroupBarrier();
    // Keys that share the bytes chosen so far, by their next byte.
    let prefix = chosen;
    for (var i = lane; i < params.count; i += 256u) {
      let k = key(x[i]);
      if (turn == 0u || (k >> (shift + 8u)) == prefix) { atomicAdd(&histogram[(k >> shift) & 255u], 1u); }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var left = rankLeft;
      var byte = 0u;
      while (byte < 255u && left >= atomicLoad(&histogram[byte])) {
        left -= atomicLoad(&histogram[byte]);
        byte++;
      }
      rankLeft = left;
      equalCount = atomicLoad(&histogram[byte]);
      chosen = (prefix << 8u) | byte;
    }
    workgroupBarrier();
  }
  // The next in order: the same number again where it occurs often enough, else the least key above.
  let found = chosen;
  for (var i = lane; i < params.count; i += 256u) {
    let k = key(x[i]);
    if (k > found) { atomicMin(&next, k); }
  }
  workgroupBarrier();
  if (lane != 0u) { return; }
  let value = number(found);
  let share = select(params.lowShare, params.highShare, isHigh);
  var above = value;
  if (share > 0.0 && rankLeft + 1u >= equalCount) { above = number(atomicLoad(&next)); }
  statistics[2u + group.x] = value + share * (above - value);
}

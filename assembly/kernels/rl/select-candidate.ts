// select_candidate — selected[e] = e M + m, s_m = min(first[e, m], second[e, m]); greedy: m the first of largest s_m
//         else m the first with w_0 + .. + w_m > u[e] (w_0 + .. + w_{M-1}), w_m = expectile where s_m > values[e], else 1 - expectile; the last one if none
// shapes  first, second [E, M] f32; values, u [E] f32; selected [E] u32
// owns    unit: one row
// split   rows
// order   f32: candidates in order
// alias   none
// test    test/kernels/select-candidate.test.ts  equal bits  at 1 to 257 rows of 1 to 33

// @ts-ignore: decorator
@inline
function score(first: usize, second: usize, n: u32): f32 {
  return min<f32>(load<f32>(first + (<usize>n << 2)), load<f32>(second + (<usize>n << 2)));
}

/** args: rows, candidates, isGreedy, expectile; first, second, values, u, selected */
export function selectCandidate(args: usize, from: u32, to: u32): void {
  const candidates = load<u32>(args, 4);
  const isGreedy = load<u32>(args, 8) != 0;
  const above = load<f32>(args, 12);
  const below: f32 = 1 - above;
  const first = <usize>load<u32>(args, 16);
  const second = <usize>load<u32>(args, 20);
  const values = <usize>load<u32>(args, 24);
  const u = <usize>load<u32>(args, 28);
  const selected = <usize>load<u32>(args, 32);
  for (let e = from; e < to; e++) {
    const base = e * candidates;
    let chosen: u32 = 0;
    if (isGreedy) {
      for (let m: u32 = 1; m < candidates; m++) {
        if (score(first, second, base + m) > score(first, second, base + chosen)) chosen = m;
      }
    } else {
      const value = load<f32>(values + (<usize>e << 2));
      let total: f32 = 0;
      for (let m: u32 = 0; m < candidates; m++) total += score(first, second, base + m) > value ? above : below;
      const wanted = load<f32>(u + (<usize>e << 2)) * total;
      let sum = score(first, second, base) > value ? above : below;
      while (chosen + 1 < candidates && sum <= wanted) {
        chosen++;
        sum += score(first, second, base + chosen) > value ? above : below;
      }
    }
    store<u32>(selected + (<usize>e << 2), base + chosen);
  }
}

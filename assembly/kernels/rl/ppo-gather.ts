// ppo_gather — q = permutation[offset + r] (step) or permutation[offset + r / K'] K' + r mod K' (chain)
//         rows[r] = q / K', transitions[r] = q mod K', flat[r] = q, steps[r] = firstStep + transitions[r]
// shapes  permutation [offset + R or R / K' or more] u32; rows, transitions, flat (optional), steps (optional) [R] u32
// owns    unit: 256 entries
// split   units
// order   no sums
// alias   none
// test    test/kernels/ppo-gather.test.ts  exact  at 1, 3, 33, 257, 625

const BLOCK: u32 = 256;

/** args: count, offset, tunedSteps, wholeChains, firstStep, hasFlat, hasSteps; permutation, rows, transitions, flat, steps */
export function ppoGather(args: usize, from: u32, to: u32): void {
  const count = load<u32>(args);
  const tunedSteps = load<u32>(args, 8);
  const wholeChains = load<u32>(args, 12) != 0;
  const firstStep = load<u32>(args, 16);
  const hasFlat = load<u32>(args, 20) != 0;
  const hasSteps = load<u32>(args, 24) != 0;
  const permutation = <usize>load<u32>(args, 28) + (<usize>load<u32>(args, 4) << 2);
  const rows = <usize>load<u32>(args, 32);
  const transitions = <usize>load<u32>(args, 36);
  const flat = <usize>load<u32>(args, 40);
  const steps = <usize>load<u32>(args, 44);
  const end = min(count, to * BLOCK);
  for (let r = from * BLOCK; r < end; r++) {
    const place = wholeChains ? r / tunedSteps : r;
    const q = load<u32>(permutation + (<usize>place << 2));
    const row = wholeChains ? q : q / tunedSteps;
    const j = wholeChains ? r - place * tunedSteps : q - row * tunedSteps;
    const at = <usize>r << 2;
    store<u32>(rows + at, row);
    store<u32>(transitions + at, j);
    if (hasFlat) store<u32>(flat + at, row * tunedSteps + j);
    if (hasSteps) store<u32>(steps + at, firstStep + j);
  }
}

/** Mean and 1 / sqrt(variance + epsilon) of the channels of one group over all positions of a sample. */
import { madd, splat } from "./math";
import { sumLanes } from "./sum";
import { firstLanes, loadPart } from "./tail";

// What `takeMoments` found; globals belong to one thread.
export let groupMean: f32 = 0;
export let groupRstd: f32 = 1;

/** Sets `groupMean` and `groupRstd` for `width` channels of `length` positions `stride` bytes apart, the variance after the mean. */
export function takeMoments(x: usize, length: u32, width: u32, stride: usize, epsilon: f32): void {
  const size = <f32>(length * width);
  let sum = splat(0);
  for (let l: u32 = 0, row = x; l < length; l++, row += stride) {
    for (let c: u32 = 0; c < width; c += 4) sum = f32x4.add(sum, loadPart(row + (<usize>c << 2), width - c));
  }
  const mean = sumLanes(sum) / size;
  const mean4 = splat(mean);
  let squares = splat(0);
  for (let l: u32 = 0, row = x; l < length; l++, row += stride) {
    for (let c: u32 = 0; c < width; c += 4) {
      let d = f32x4.sub(loadPart(row + (<usize>c << 2), width - c), mean4);
      if (width - c < 4) d = v128.and(d, firstLanes(width - c));
      squares = madd(d, d, squares);
    }
  }
  groupMean = mean;
  groupRstd = <f32>1 / sqrt<f32>(sumLanes(squares) / size + epsilon);
}

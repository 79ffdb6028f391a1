// MT19937 with the draws of numpy's legacy generator (`numpy.random.RandomState(seed)`), so that a seed gives the start that it
// gives there. State: 624 words and the place of the next one, 4 bytes each.
//
// Words are twisted when they are drawn, not 624 at a time: a reset draws about a dozen. The twist of word i reads words
// i + 1 and i + 397 (mod 624), which at that moment are exactly what the reference's full pass would read.

const WORDS: u32 = 624;
const SHIFT: u32 = 397;
const NEXT: usize = 2496;
export const TWISTER_BYTES: usize = 2504;

/** k[0] = seed, k[i] = 1812433253 (k[i-1] ^ k[i-1] >> 30) + i, all mod 2^32. */
export function seedTwister(state: usize, seed: u32): void {
  let word = seed;
  store<u32>(state, word);
  for (let i: u32 = 1; i < WORDS; i++) {
    word = 1812433253 * (word ^ word >> 30) + i;
    store<u32>(state + (<usize>i << 2), word);
  }
  store<u32>(state, 0, NEXT);
}

function drawWord(state: usize): u32 {
  const i = load<u32>(state, NEXT);
  const following = i + 1 === WORDS ? 0 : i + 1;
  const distant = i + SHIFT >= WORDS ? i + SHIFT - WORDS : i + SHIFT;
  const place = state + (<usize>i << 2);
  const mixed = (load<u32>(place) & 0x80000000) | (load<u32>(state + (<usize>following << 2)) & 0x7fffffff);
  let word = load<u32>(state + (<usize>distant << 2)) ^ mixed >> 1 ^ ((mixed & 1) !== 0 ? 0x9908b0df : 0);
  store<u32>(place, word);
  store<u32>(state, following, NEXT);
  word ^= word >> 11;
  word ^= word << 7 & 0x9d2c5680;
  word ^= word << 15 & 0xefc60000;
  return word ^ word >> 18;
}

/** Whole number in [low, high): words masked to the next power of two, those beyond the range rejected. */
export function drawInteger(state: usize, low: i32, high: i32): i32 {
  const range = <u32>(high - 1 - low);
  if (range === 0) return low;
  const mask = 0xffffffff >> clz(range);
  let word = drawWord(state) & mask;
  while (word > range) word = drawWord(state) & mask;
  return low + <i32>word;
}

/** 53-bit uniform number in [0, 1). */
export function drawUniform(state: usize): f64 {
  const high = drawWord(state) >> 5;
  const low = drawWord(state) >> 6;
  return (<f64>high * 67108864.0 + <f64>low) / 9007199254740992.0;
}

/** Standard normal number by the polar method, the second coordinate of the pair. */
export function drawNormal(state: usize): f64 {
  let x: f64;
  let y: f64;
  let square: f64;
  do {
    x = 2.0 * drawUniform(state) - 1.0;
    y = 2.0 * drawUniform(state) - 1.0;
    square = x * x + y * y;
  } while (square >= 1.0 || square === 0.0);
  return Math.sqrt(-2.0 * Math.log(square) / square) * y;
}

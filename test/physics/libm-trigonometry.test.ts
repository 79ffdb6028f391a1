import { all, create, type BigNumber } from "mathjs";
import { beforeAll, expect, test } from "vitest";
import { compileFile, type CompiledFile } from "./compile.ts";

let module: CompiledFile;
const precise = create(all!, { number: "BigNumber", precision: 80 });

beforeAll(async () => {
  module = await compileFile("physics/libm-trigonometry.ts");
});

/** The number that a double stands for; its shortest decimal form would be another one. */
function exactly(x: number): BigNumber {
  let scale = 0;
  let whole = x;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    scale++;
  }
  return precise.bignumber(String(whole)).div(precise.bignumber(2).pow(scale));
}

/** Distance in units of the last place of the true value. */
function unitsInLastPlace(got: number, exact: BigNumber): number {
  const magnitude = Math.abs(exact.toNumber());
  const unit = 2 ** (Math.max(Math.floor(Math.log2(magnitude)), -1022) - 52);
  return Math.abs(exactly(got).minus(exact).div(unit).toNumber());
}

/** All ways of reducing the argument, their borders, and a spread over what an angle can grow to. */
function* angles(): Generator<number> {
  yield* [1e-300, 1e-9, 0.126, 0.1259999, 0.855469, 0.8554689, 2.426265, 2.4262651, Math.PI / 4, Math.PI / 2, Math.PI, 22, 710 / 226];
  for (let k = 1; k < 40; k++) yield (k * Math.PI) / 4;
  let state = 1;
  for (let k = 0; k < 40; k++) {
    state = (state * 48271) % 2147483647;
    const share = state / 2147483647;
    yield 3 * share;
    yield 40 * share;
    yield 1e5 * share;
  }
}

test("sine and cosine are within 0.55 units of the last place, for both signs", () => {
  let worst = 0;
  for (const angle of angles()) {
    for (const x of [angle, -angle]) {
      module.call("sineCosine", x);
      worst = Math.max(worst, unitsInLastPlace(module.read("sine"), precise.sin<BigNumber>(exactly(x))));
      worst = Math.max(worst, unitsInLastPlace(module.read("cosine"), precise.cos<BigNumber>(exactly(x))));
    }
  }
  expect(worst).toBeLessThan(0.55);
  expect(worst).toBeGreaterThan(0.4);
});

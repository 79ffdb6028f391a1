import fc from "fast-check";
import { all, create } from "mathjs/number";
import { describe, expect, test } from "vitest";
import { compileExpression, compileFeatures } from "../../src/preference/expression.js";

const columns = ["x", "y", "angle"];

describe("an expression", () => {
  test("means what mathjs means by it", async () => {
    const math = create({ ...all });
    const texts = [
      "x > 330 and y > 300 ? -1 : 0", "2 + 3 * x ^ 2 ^ 0.5", "-x ^ 2", "not (x > y) or y > 400", "x > 100 xor y > 100", "0 < x < 400", "x mod 7", "-x mod 7",
      "hypot(x - 250, y - 1)", "min(x, y, 3) + max(x, y, 1, 2)", "atan2(y, x) * 2 / pi", "abs(-x) + sign(-y) + sqrt(x) + cbrt(y)", "exp(-x / 100) + log(x) + log2(x) + log10(y)",
      "sin(angle) ^ 2 + cos(angle) ^ 2", "tanh(x / 512) - sinh(0.1) + cosh(0.2) + tan(0.3)", "asin(0.5) + acos(0.1) + atan(x)", "floor(x / 3) + ceil(y / 7)",
      "x == 12 ? 1 : y != 12 ? 2 : 3", "x >= 12 and y <= 12", "true ? tau : e", "square(x) - x * x", "(((x)))", "1e3 + .5 + 2.", "+x - -y",
    ];
    for (const text of texts) {
      const mine = await compileExpression(text, columns);
      for (const [x, y, angle] of [[400, 310, 0.3], [12, 500, -2], [330.5, 12, 9]] as const) {
        expect(mine.evaluate([x, y, angle]), `${text} at ${x}, ${y}`).toBeCloseTo(Number(math.evaluate(text, { x, y, angle })), 9);
      }
    }
  });

  test("reads its columns in any row of a table, and says which", async () => {
    const { evaluate, columns: used } = await compileExpression("angle - x", columns);
    expect(used).toEqual(["x", "angle"]);
    expect(evaluate(Float32Array.of(1, 2, 3, 10, 20, 35), 1)).toBe(25);
    expect(() => evaluate([1, 2, 3], 1)).toThrow(/Row 1/);
  });

  test("a column wins over a constant of the same name; names of Object's own are none", async () => {
    expect((await compileExpression("e + pi", ["e"])).evaluate([2])).toBe(2 + Math.PI);
    expect((await compileExpression("constructor + toString", ["constructor", "toString"])).evaluate([1, 2])).toBe(3);
  });

  test("clamp keeps within its bounds; round goes to the nearest", async () => {
    expect((await compileExpression("clamp(x, -1, 1) * 10 + round(y)", columns)).evaluate([7, 2.4, 0])).toBe(12);
  });

  test("a value that is not finite is an error with its row", async () => {
    const { evaluate } = await compileExpression("1 / x", columns);
    expect(() => evaluate([1, 0, 0, 0, 0, 0], 1)).toThrow(expect.objectContaining({ code: "DIVERGENCE", index: 1 }) as Error);
  });

  test("features are one expression each", async () => {
    const { compute, names } = await compileFeatures(["x / 256 - 1", "y / 256 - 1"], columns);
    expect(names).toHaveLength(2);
    expect([...compute([0, 256, 9, 512, 384, 9])]).toEqual([-1, 0, 1, 0.5]);
    expect(() => compute([1, 2])).toThrow(/no states of 3/);
    await expect(compileFeatures([], columns)).rejects.toMatchObject({ code: "OPTION" });
  });
});

/** What somebody might try, or mistype. Every one is refused before anything runs. */
const hostile = [
  "", "   ", "x +", "(x", "x)", "x y", "2x", "z", "X", "x # y", "x; y", "x\ny", "x = 3", "f(x) = x", "f(a) = f(a)", "x.constructor", "x[0]", "x[1:2]", "[1, 2]", "[x]",
  "{a: 1}", "{}", "\"text\"", "'x'", "`x`", "x'", "x!", "5%", "3 cm", "x to cm", "1:10", "1:1e9", "null", "undefined", "NaN", "Infinity", "1e999", "-1e400", "i", "end",
  "import(\"fs\")", "import({a: 1})", "config({})", "parse(\"1\")", "evaluate(\"1\")", "compile(\"1\")", "simplify(x)", "derivative(x, x)", "createUnit(\"a\")", "typed(x)",
  "constructor", "constructor(x)", "__proto__", "__proto__(x)", "toString()", "valueOf()", "hasOwnProperty(x)", "process", "globalThis", "require(\"fs\")", "Function(x)", "eval(x)",
  "cos.constructor(\"return 1\")()", "cos.apply(x)", "x?.y", "x ?? y", "(x)(y)", "sin", "sin + 1", "sin()", "sin(x, y)", "atan2(x)", "clamp(x)", "min()", "random()", "factorial(170)",
  "gamma(5)", "range(1, 1e9)", "zeros(1e9)", "ones(1e5, 1e5)", "combinations(1e9, 5e8)", "nthRoot(x, 3)", "x << 2", "x & y", "x | y", "~x", "x .* y", "x ./ y", "x .^ y", "x && y", "x || y", "!x",
  "x === y", "x := y", "\\u0078", "ｘ", "x\u0000", "x\u202ey", "π", "$x", "@x", "0x", "1..2", "1e", "x,y", ",", "()", "? :", "x ? y", "x ? y :", "and", "x and", "not",
  "(".repeat(500) + "x" + ")".repeat(500), "(".repeat(41) + "x" + ")".repeat(41), "-".repeat(999) + "x", "not ".repeat(240) + "x", "x^".repeat(490) + "x", "x?".repeat(300) + "1" + ":1".repeat(300).slice(0, 99),
  "x+".repeat(499) + "x", "x".repeat(1001), "1+".repeat(100_000) + "1", `min(${"x,".repeat(40)}x)`, "sin(".repeat(100) + "x" + ")".repeat(100),
];

describe("refuses", () => {
  test.each(hostile.map((text) => [text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text, text]))("%j", async (_, text) => {
    const before = performance.now();
    await expect(compileExpression(text, columns)).rejects.toMatchObject({ name: "DifftuneError", code: "OPTION" });
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  test("what is no text", async () => {
    for (const value of [undefined, null, 3, {}, { toString: () => "x" }, ["x"]]) {
      await expect(compileExpression(value as string, columns)).rejects.toMatchObject({ code: "OPTION" });
    }
  });

  test("or compiles whatever text it is given, and throws nothing else", async () => {
    const piece = fc.constantFrom("x", "y", "(", ")", "+", "-", "*", "/", "^", "<", ">=", "==", "and", "not", "?", ":", "1", "2.5", "sin(", "min(", ",", ".", "[", "=", "mod", " ", "!");
    await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      try {
        const { evaluate } = await compileExpression(pieces.join(""), columns);
        expect(Number.isFinite(evaluate([0.5, 2, 3]))).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ name: "DifftuneError" });
      }
    }), { numRuns: 400 });
  });
});

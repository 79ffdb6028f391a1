import type { MathNode } from "mathjs/number";
import { DifftuneError } from "../core/errors.js";

/** A compiled expression of the columns of a row. */
export interface Expression {
  /** As it was written. */
  readonly text: string;
  /** The columns that it reads, in the order of the row. */
  readonly columns: readonly string[];
  /** Its value on one row; `row` of a table is at `row * width`. Refuses a value that is not finite. */
  readonly evaluate: (table: ArrayLike<number>, row?: number) => number;
}

/** Longest text of an expression, in characters. */
const mostExpressionLength = 1000;
/** Most operators, functions, numbers and names of one. */
const mostNodes = 400;
/** Deepest nesting. Checked before the parser, which calls itself for every bracket. */
const mostDepth = 40;

/** A compiled node: its value on the row that starts at `at`. */
type Evaluate = (table: ArrayLike<number>, at: number) => number;

const truth = (condition: boolean): number => (condition ? 1 : 0);

/** Operators by the names that the parser gives them, with the number of their operands. */
const operators: ReadonlyMap<string, { readonly operands: number; readonly compute: (a: number, b: number) => number }> = new Map([
  ["add", { operands: 2, compute: (a: number, b: number) => a + b }],
  ["subtract", { operands: 2, compute: (a: number, b: number) => a - b }],
  ["multiply", { operands: 2, compute: (a: number, b: number) => a * b }],
  ["divide", { operands: 2, compute: (a: number, b: number) => a / b }],
  ["pow", { operands: 2, compute: (a: number, b: number) => a ** b }],
  // The remainder has the sign of the divisor, as in mathjs.
  ["mod", { operands: 2, compute: (a: number, b: number) => a - b * Math.floor(a / b) }],
  ["unaryMinus", { operands: 1, compute: (a: number) => -a }],
  ["unaryPlus", { operands: 1, compute: (a: number) => a }],
  ["not", { operands: 1, compute: (a: number) => truth(a === 0) }],
  ["xor", { operands: 2, compute: (a: number, b: number) => truth((a !== 0) !== (b !== 0)) }],
]);

/** Comparisons: of the numbers as they are, without the tolerance that mathjs has by default. */
const comparisons: ReadonlyMap<string, (a: number, b: number) => boolean> = new Map([
  ["smaller", (a: number, b: number) => a < b],
  ["smallerEq", (a: number, b: number) => a <= b],
  ["larger", (a: number, b: number) => a > b],
  ["largerEq", (a: number, b: number) => a >= b],
  ["equal", (a: number, b: number) => a === b],
  ["unequal", (a: number, b: number) => a !== b],
]);

interface AllowedFunction {
  /** Fewest and most arguments. */
  readonly least: number;
  readonly most: number;
  readonly compute: (...values: number[]) => number;
}

const of = (least: number, most: number, compute: (...values: number[]) => number): AllowedFunction => ({ least, most, compute });

/** All functions of an expression. */
const functions: ReadonlyMap<string, AllowedFunction> = new Map([
  ["abs", of(1, 1, Math.abs)], ["sign", of(1, 1, Math.sign)], ["sqrt", of(1, 1, Math.sqrt)], ["cbrt", of(1, 1, Math.cbrt)],
  ["square", of(1, 1, (a = 0) => a * a)], ["exp", of(1, 1, Math.exp)],
  ["log", of(1, 1, Math.log)], ["log2", of(1, 1, Math.log2)], ["log10", of(1, 1, Math.log10)],
  ["sin", of(1, 1, Math.sin)], ["cos", of(1, 1, Math.cos)], ["tan", of(1, 1, Math.tan)],
  ["asin", of(1, 1, Math.asin)], ["acos", of(1, 1, Math.acos)], ["atan", of(1, 1, Math.atan)], ["atan2", of(2, 2, Math.atan2)],
  ["sinh", of(1, 1, Math.sinh)], ["cosh", of(1, 1, Math.cosh)], ["tanh", of(1, 1, Math.tanh)],
  ["floor", of(1, 1, Math.floor)], ["ceil", of(1, 1, Math.ceil)], ["round", of(1, 1, Math.round)],
  ["min", of(1, 32, Math.min)], ["max", of(1, 32, Math.max)], ["hypot", of(1, 32, Math.hypot)],
  ["clamp", of(3, 3, (a = 0, low = 0, high = 0) => Math.min(Math.max(a, low), high))],
]);

const constants: ReadonlyMap<string, number> = new Map([["pi", Math.PI], ["tau", 2 * Math.PI], ["e", Math.E]]);

/**
 * Compiles an arithmetic expression of named columns: a task feature, or a score that a scripted annotator prefers by. Truth
 * is 1, falsehood 0. The parser is that of mathjs, loaded when it is first needed; nothing of it evaluates. What the parser
 * gives is checked against the closed lists of this file (numbers, names of columns, arithmetic, comparisons, `and`, `or`,
 * `not`, `xor`, `? :`, and the functions named in the error), and compiled to closures: no loop, no assignment, no property, no
 * access to anything but the row. Whatever else is written is refused as `OPTION` before anything runs.
 *
 * @param columns names of the columns of a row; they win over the constants `pi`, `tau` and `e`
 * @example
 * const score = await compileExpression("agentX > 330 and agentY > 300 ? -1 : 0", ["agentX", "agentY"]);
 * score.evaluate([400, 310]) // -1
 */
export async function compileExpression(text: string, columns: readonly string[]): Promise<Expression> {
  checkText(text);
  const parse = await loadParser();
  let root: MathNode;
  try {
    root = parse(text);
  } catch (cause) {
    throw refused(text, `is no expression: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  const compiler = new Compiler(text, columns);
  const compute = compiler.compile(root, 0);
  const width = columns.length;
  return Object.freeze({
    text,
    columns: Object.freeze(columns.filter((name) => compiler.used.has(name))),
    evaluate: (table: ArrayLike<number>, row = 0): number => {
      const at = row * width;
      if (!(at >= 0 && at + width <= table.length)) {
        throw new DifftuneError("SHAPE", `Row ${row} of ${width} columns does not lie in ${table.length} numbers.`, { index: row, got: table.length });
      }
      const value = compute(table, at);
      if (!Number.isFinite(value)) {
        throw new DifftuneError("DIVERGENCE", `Expression "${text}" is ${value} on row ${row}.`, {
          hint: "Guard it, as in \"d > 0 ? 1 / d : 0\".", index: row, got: value,
        });
      }
      return value;
    },
  });
}

/** Several expressions as one map from rows to rows: the reward features of a task. */
export interface FeatureMap {
  /** The expressions, which name the features. */
  readonly names: readonly string[];
  /** Features [rows, D] of a table of states [rows, S]. */
  readonly compute: (states: ArrayLike<number>) => Float32Array;
}

/** Compiles the reward features of a task, one expression for each; see {@link compileExpression}. */
export async function compileFeatures(texts: readonly string[], columns: readonly string[]): Promise<FeatureMap> {
  if (texts.length === 0 || texts.length > 1024) {
    throw new DifftuneError("OPTION", `There are ${texts.length} features; there must be 1 to 1024.`, { path: "features", got: texts.length });
  }
  const expressions = await Promise.all(texts.map((text) => compileExpression(text, columns)));
  const width = expressions.length;
  return Object.freeze({
    names: Object.freeze([...texts]),
    compute: (states: ArrayLike<number>): Float32Array => {
      if (states.length % columns.length !== 0) {
        throw new DifftuneError("SHAPE", `${states.length} numbers are no states of ${columns.length} columns.`, { expected: columns.length, got: states.length });
      }
      const features = new Float32Array((states.length / columns.length) * width);
      for (let at = 0; at < features.length; at++) features[at] = expressions[at % width]!.evaluate(states, Math.floor(at / width));
      return features;
    },
  });
}

/** Size and nesting, before the parser sees the text. */
function checkText(text: string): void {
  if (typeof text !== "string") throw new DifftuneError("OPTION", "An expression is text.", { got: typeof text });
  if (text.trim() === "") throw new DifftuneError("OPTION", "The expression is empty.", { got: text });
  if (text.length > mostExpressionLength) {
    throw new DifftuneError("OPTION", `The expression has ${text.length} characters; it may have ${mostExpressionLength}.`, { got: text.length });
  }
  const foreign = /[^\t\x20-\x7e]|["'`#;=&|\\[\]{}$@~]/.exec(text.replace(/[=!<>]=/g, "<"));
  if (foreign !== null) throw refused(text, `contains ${JSON.stringify(foreign[0])}`);
  let depth = 0;
  for (const character of text) {
    if (character === "(") depth += 1;
    if (character === ")") depth -= 1;
    if (depth > mostDepth) throw refused(text, `is nested deeper than ${mostDepth} brackets`);
  }
}

let parser: Promise<(text: string) => MathNode> | undefined;

/** The parser alone, of the build that knows numbers only. */
function loadParser(): Promise<(text: string) => MathNode> {
  parser ??= import("mathjs/number").then(({ create, parseDependencies }) => {
    const { parse } = create({ ...parseDependencies });
    return (text) => parse(text);
  });
  return parser;
}

function refused(text: string, what: string, cause?: unknown): DifftuneError {
  return new DifftuneError("OPTION", `Expression ${JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)} ${what}.`, {
    hint: `It may hold numbers, column names, + - * / ^ mod, comparisons, and, or, not, xor, "? :", brackets, and the functions ${[...functions.keys()].join(", ")}.`,
    path: "expression", got: text, cause,
  });
}

/** Turns the tree of the parser into closures, node by node, and refuses what is not on the lists. */
class Compiler {
  readonly used = new Set<string>();
  readonly #text: string;
  readonly #places: ReadonlyMap<string, number>;
  #nodes = 0;

  constructor(text: string, columns: readonly string[]) {
    this.#text = text;
    this.#places = new Map(columns.map((name, place) => [name, place]));
  }

  compile(node: unknown, depth: number): Evaluate {
    this.#nodes += 1;
    if (this.#nodes > mostNodes) throw this.#refuse(`has more than ${mostNodes} parts`);
    if (depth > 2 * mostDepth) throw this.#refuse("is nested too deeply");
    const part = node as Readonly<Record<string, unknown>>;
    const next = (child: unknown): Evaluate => this.compile(child, depth + 1);
    switch (part.type) {
      case "ConstantNode": return this.#constant(part.value);
      case "SymbolNode": return this.#symbol(String(part.name));
      case "ParenthesisNode": return next(part.content);
      case "ConditionalNode": {
        const [condition, whenTrue, whenFalse] = [part.condition, part.trueExpr, part.falseExpr].map(next) as [Evaluate, Evaluate, Evaluate];
        return (table, at) => (condition(table, at) !== 0 ? whenTrue(table, at) : whenFalse(table, at));
      }
      case "RelationalNode": return this.#relation(part.conditionals as readonly string[], (part.params as readonly unknown[]).map(next));
      case "OperatorNode": return this.#operator(part, next);
      case "FunctionNode": return this.#function(part, next);
      default: throw this.#refuse(`contains ${describe(part.type)}`);
    }
  }

  #constant(value: unknown): Evaluate {
    if (typeof value === "boolean") return () => truth(value);
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.#refuse(`contains ${String(value)}, which is no finite number`);
    return () => value;
  }

  #symbol(name: string): Evaluate {
    const place = this.#places.get(name);
    if (place !== undefined) {
      this.used.add(name);
      return (table, at) => table[at + place]!;
    }
    const value = constants.get(name);
    if (value !== undefined) return () => value;
    throw new DifftuneError("OPTION", `Expression ${JSON.stringify(this.#text)} names "${name}", which is no column.`, {
      hint: `The columns are ${[...this.#places.keys()].join(", ")}.`, path: "expression", expected: [...this.#places.keys()], got: name,
    });
  }

  #operator(part: Readonly<Record<string, unknown>>, next: (child: unknown) => Evaluate): Evaluate {
    const name = String(part.fn);
    const args = part.args as readonly unknown[];
    if (part.implicit === true) throw this.#refuse('multiplies without a sign; write "*"');
    if (part.isPercentage === true) throw this.#refuse("contains a percentage");
    const compare = comparisons.get(name);
    if (compare !== undefined && args.length === 2) return this.#relation([name], args.map(next));
    const [a, b] = args.map(next);
    if ((name === "and" || name === "or") && a !== undefined && b !== undefined) {
      return name === "and"
        ? (table, at) => truth(a(table, at) !== 0 && b(table, at) !== 0)
        : (table, at) => truth(a(table, at) !== 0 || b(table, at) !== 0);
    }
    const operator = operators.get(name);
    if (operator?.operands !== args.length || a === undefined) throw this.#refuse(`contains the operator "${String(part.op)}"`);
    const { compute } = operator;
    return b === undefined ? (table, at) => compute(a(table, at), 0) : (table, at) => compute(a(table, at), b(table, at));
  }

  /** a < b <= c: every neighbouring pair must hold. */
  #relation(names: readonly string[], parts: readonly Evaluate[]): Evaluate {
    const tests = names.map((name) => {
      const compare = comparisons.get(name);
      if (compare === undefined) throw this.#refuse(`compares by "${name}"`);
      return compare;
    });
    return (table, at) => {
      let left = parts[0]!(table, at);
      for (const [place, holds] of tests.entries()) {
        const right = parts[place + 1]!(table, at);
        if (!holds(left, right)) return 0;
        left = right;
      }
      return 1;
    };
  }

  #function(part: Readonly<Record<string, unknown>>, next: (child: unknown) => Evaluate): Evaluate {
    const called = part.fn as Readonly<Record<string, unknown>>;
    const name = called.type === "SymbolNode" ? String(called.name) : undefined;
    const known = name === undefined ? undefined : functions.get(name);
    if (known === undefined) throw this.#refuse(name === undefined ? "calls what is no function's name" : `calls "${name}"`);
    const args = (part.args as readonly unknown[]).map(next);
    if (args.length < known.least || args.length > known.most) {
      throw this.#refuse(`gives ${args.length} arguments to ${name}, which takes ${known.least}${known.most > known.least ? ` to ${known.most}` : ""}`);
    }
    const { compute } = known;
    const [a, b] = args as [Evaluate, Evaluate?];
    if (b === undefined) return (table, at) => compute(a(table, at));
    if (args.length === 2) return (table, at) => compute(a(table, at), b(table, at));
    return (table, at) => compute(...args.map((arg) => arg(table, at)));
  }

  #refuse(what: string): DifftuneError {
    return refused(this.#text, what);
  }
}

/** `FunctionAssignmentNode` as "a function assignment". */
function describe(type: unknown): string {
  const words = String(type).replace(/Node$/, "").replace(/(?!^)([A-Z])/g, " $1").toLowerCase();
  return `${/^[aeiou]/.test(words) ? "an" : "a"} ${words}`;
}

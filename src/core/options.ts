import * as v from "valibot";
import { DifftuneError } from "./errors.js";

/** A strict object schema: what {@link parseOptions} takes, so that unknown options are always errors. */
export type OptionsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>
  | v.SchemaWithPipe<readonly [v.StrictObjectSchema<v.ObjectEntries, undefined>, ...v.PipeItem<unknown, unknown, v.BaseIssue<unknown>>[]]>;

/** Number of single-letter edits (insert, delete, replace, swap of neighbours) between two words. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let best = Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (before[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The name of `known` that a user most likely meant by `name`, or undefined if none is near.
 *
 * @example nearestName("thread", ["threads", "seed"]) // "threads"
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Freezes what a schema has built: plain objects and arrays. What the caller gave, and instances of classes, stay as they are. */
function freezeDeep(value: unknown, given: unknown): void {
  if (value === given || value === null || typeof value !== "object") return;
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return;
  const source: Readonly<Record<string, unknown>> = typeof given === "object" && given !== null ? { ...given } : {};
  for (const [name, item] of Object.entries(value)) freezeDeep(item, source[name]);
  Object.freeze(value);
}

/** The names of the options at the place in the schema that an issue points to. */
function namesAt(schema: v.GenericSchema, path: readonly PropertyKey[]): readonly string[] {
  let at: unknown = schema;
  for (const key of path) {
    at = unwrap(at);
    if (typeof at !== "object" || at === null) return [];
    if ("entries" in at) at = (at.entries as Record<PropertyKey, unknown>)[key];
    else if ("item" in at) at = at.item;
    else return [];
  }
  at = unwrap(at);
  if (typeof at !== "object" || at === null) return [];
  if ("entries" in at) return Object.keys(at.entries as object);
  // A choice between several sets of options, told apart by their kind.
  return "options" in at && Array.isArray(at.options) ? [...new Set(at.options.flatMap((option) => namesAt(option as v.GenericSchema, [])))] : [];
}

function unwrap(schema: unknown): unknown {
  let at = schema;
  while (typeof at === "object" && at !== null && "wrapped" in at) at = at.wrapped;
  return at;
}

/**
 * Checks `given` against a strict schema once, at the edge, and returns the resolved options, frozen.
 * Throws `OPTION` for the first fault: which option, what it must be, what it was, and for an unknown name the nearest known one.
 *
 * @param owner who takes the options, as the message shall name it: `createPushT`
 */
export function parseOptions<const Schema extends OptionsSchema>(
  schema: Schema,
  given: unknown,
  owner: string,
): Readonly<v.InferOutput<Schema>> {
  const result = v.safeParse(schema, given ?? {}, { abortPipeEarly: true });
  if (result.success) {
    freezeDeep(result.output, given);
    return result.output;
  }
  // A misspelt name explains more than the missing one beside it.
  const issue = result.issues.find(isUnknownName) ?? result.issues[0];
  const keys = (issue.path ?? []).map((item) => item.key as PropertyKey);
  const name = keys.map(String).join(".");
  if (isUnknownName(issue)) {
    const known = namesAt(schema, keys.slice(0, -1));
    const nearest = nearestName(String(keys.at(-1)), known);
    throw new DifftuneError("OPTION", `${owner} has no option "${name}".`, {
      hint: nearest === undefined ? `The options are ${known.join(", ")}.` : `Did you mean "${nearest}"?`,
      path: name,
      expected: known,
      got: keys.at(-1),
    });
  }
  if (keys.length === 0) {
    throw new DifftuneError("OPTION", `${owner}: ${issue.message}`, { expected: issue.expected, got: issue.input, cause: result.issues });
  }
  if (issue.input === undefined) {
    throw new DifftuneError("OPTION", `${owner}: option "${name}" is missing.`, { path: name, expected: issue.expected, cause: result.issues });
  }
  throw new DifftuneError("OPTION", `${owner}: option "${name}" is ${display(issue.input)}. ${issue.message}`, {
    path: name,
    expected: issue.expected ?? issue.message,
    got: issue.input,
    cause: result.issues,
  });
}

function isUnknownName(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

function display(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? `an array of ${value.length}` : "an object";
  return String(value);
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number) {
  const text = `It must be a whole number from ${least} to ${most}.`;
  return v.pipe(v.number(text), v.safeInteger(text), v.minValue(least, text), v.maxValue(most, text));
}

/** A finite number from `least` to `most`. */
export function finiteNumber(least: number, most: number) {
  const text = `It must be a finite number from ${least} to ${most}.`;
  return v.pipe(v.number(text), v.finite(text), v.minValue(least, text), v.maxValue(most, text));
}

/** A finite number above 0. */
export function positiveNumber() {
  const text = "It must be a finite number above 0.";
  return v.pipe(v.number(text), v.finite(text), v.gtValue(0, text));
}

/** One of a few words; a wrong one is answered by the list. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return v.picklist(words, `It must be one of ${words.map((word) => `"${word}"`).join(", ")}.`);
}

import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import type { OptionsSchema } from "../core/options.js";

/** One option of a schema as a flag of the command line. */
export interface SchemaFlag {
  /** Where the value goes: `["clip", "last"]`. */
  readonly path: readonly string[];
  /** Its name without the dashes: `clip.last`. */
  readonly name: string;
  /** Its variable: `DIFFTUNE_CLIP_LAST`. */
  readonly variable: string;
  /** Whether it is a switch: `--name` and `--no-name`. */
  readonly isSwitch: boolean;
  /** What a value looks like, for people: `NUMBER`, `ddpm|ddim`. */
  readonly shape: string;
  readonly description: string;
  /** What holds without it, as it would be written; undefined where there is none. */
  readonly defaultText: string | undefined;
  /** Whether the schema cannot do without it. */
  readonly isRequired: boolean;
  /** The schema of its value; several where it belongs to several kinds of one choice. */
  readonly schemas: readonly unknown[];
}

/** The names of the command line: `minSamplingStd` is `min-sampling-std`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The part of a schema called `name`; schemas are plain objects that carry what they were made from. */
function part(schema: unknown, name: string): unknown {
  return typeof schema === "object" && schema !== null && name in schema ? (schema as Readonly<Record<string, unknown>>)[name] : undefined;
}

function entriesOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const entries = part(schema, "entries");
  return typeof entries === "object" && entries !== null ? (entries as Readonly<Record<string, unknown>>) : undefined;
}

/** A schema without what makes it optional or nullable, and what these have said of it. */
interface Unwrapped {
  readonly schema: unknown;
  readonly description: string;
  readonly isOptional: boolean;
  readonly isNullable: boolean;
  readonly fallback: unknown;
}

function unwrap(schema: unknown): Unwrapped {
  let at = schema;
  let [description, isOptional, isNullable] = ["", false, false];
  let fallback: unknown;
  for (;;) {
    description ||= v.getDescription(at as v.GenericSchema) ?? "";
    const wrapped = part(at, "wrapped");
    if (wrapped === undefined) return { schema: at, description, isOptional, isNullable, fallback };
    const type = String(part(at, "type"));
    isOptional ||= /optional|nullish|undefinedable/.test(type);
    isNullable ||= /nullable|nullish/.test(type);
    if (fallback === undefined) fallback = part(at, "default");
    at = wrapped;
  }
}

/** The alternatives of a choice; undefined for what is none. */
function alternativesOf(schema: unknown): readonly unknown[] | undefined {
  const type = part(schema, "type");
  const options = part(schema, "options");
  return (type === "union" || type === "variant") && Array.isArray(options) ? options : undefined;
}

/** Whether a text can give a value; none can give functions, signals, memories, bytes. */
export function isWritable(schema: unknown): boolean {
  const type = part(unwrap(schema).schema, "type");
  return type !== "instance" && type !== "custom" && type !== "function";
}

/** What a value of the schema looks like; empty for a switch. */
function shapeOf(schema: unknown): string {
  const { schema: inner, isNullable } = unwrap(schema);
  const shape = innerShape(inner);
  return isNullable && shape !== "" ? `${shape}|none` : shape;
}

function innerShape(schema: unknown): string {
  const alternatives = alternativesOf(schema);
  if (alternatives !== undefined) return [...new Set(alternatives.map(shapeOf))].join("|");
  const options = part(schema, "options");
  switch (part(schema, "type")) {
    case "boolean": return "";
    case "number": return "NUMBER";
    case "literal": return String(part(schema, "literal"));
    case "picklist": {
      const words = Array.isArray(options) ? options.map(String) : [];
      return words.length <= 8 ? words.join("|") : "WORD";
    }
    case "array": return `${shapeOf(part(schema, "item"))},...`;
    case "tuple":
    case "strict_tuple": return (part(schema, "items") as readonly unknown[]).map(shapeOf).join(",");
    // A title is a better word than TEXT, such as PATH.
    case "string": return v.getTitle(schema as v.GenericSchema) ?? "TEXT";
    default: return "JSON";
  }
}

/** A value as it would be written on the command line. */
export function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value === null) return "none";
  if (Array.isArray(value)) return value.map(textOf).join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** All flags of a schema, nested ones with dotted names, in its order. What cannot be written as text is left out. */
export function flagsOf(schema: OptionsSchema, prefix?: string): readonly SchemaFlag[] {
  return flagsBelow(schema, prefix === undefined ? [] : [prefix], true);
}

function flagsBelow(schema: unknown, path: readonly string[], isRequired: boolean): SchemaFlag[] {
  return Object.entries(entriesOf(schema) ?? {}).flatMap(([name, entry]) => flagsOfEntry([...path, name], [entry], isRequired));
}

/** What is said of a set of options as a whole stands beside those of them that say nothing themselves. */
function describedBy(text: string, flags: readonly SchemaFlag[]): SchemaFlag[] {
  return flags.map((flag) => ({ ...flag, description: flag.description || text }));
}

function flagsOfEntry(path: readonly string[], entries: readonly unknown[], isParentRequired: boolean): SchemaFlag[] {
  const [entry] = entries;
  if (!isWritable(entry)) return [];
  const { schema, description, isOptional, fallback } = unwrap(entry);
  const isRequired = isParentRequired && !isOptional;
  if (entriesOf(schema) !== undefined && entries.length === 1) return describedBy(description, flagsBelow(schema, path, isRequired));
  const alternatives = alternativesOf(schema);
  if (alternatives?.every((option) => entriesOf(option) !== undefined) === true) return describedBy(description || "Which kind; each has options of its own.", flagsOfChoice(path, alternatives, isRequired));
  const name = path.map(kebabCase).join(".");
  const shape = [...new Set(entries.map(shapeOf))].join("|");
  return [{
    path,
    name,
    variable: `DIFFTUNE_${name.replace(/[.-]/g, "_").toUpperCase()}`,
    isSwitch: shape === "",
    shape,
    description,
    defaultText: textOf(typeof fallback === "function" ? undefined : fallback),
    isRequired,
    schemas: entries,
  }];
}

/** The flags of a choice between sets of options: each name once, with the kinds that have it where not all do. */
function flagsOfChoice(path: readonly string[], alternatives: readonly unknown[], isRequired: boolean): SchemaFlag[] {
  const kindOf = (option: unknown): string => Object.values(entriesOf(option) ?? {}).map((entry) => part(entry, "literal")).find((literal) => typeof literal === "string") ?? "";
  const names = [...new Set(alternatives.flatMap((option) => Object.keys(entriesOf(option) ?? {})))];
  return names.flatMap((name) => {
    const having = alternatives.filter((option) => entriesOf(option)?.[name] !== undefined);
    // Kinds that share a set of options share its flags.
    const entries = [...new Set(having.map((option) => entriesOf(option)?.[name]))];
    const flags = flagsOfEntry([...path, name], entries, isRequired);
    if (having.length === alternatives.length) return flags;
    return flags.map((flag) => ({ ...flag, isRequired: false, description: `${flag.description} (${having.map(kindOf).join(", ")})`.trimStart() }));
  });
}

/** What a text means to a schema. A text that means nothing to it stays a text, and the schema will say what it wanted. */
function readText(schemas: readonly unknown[], text: string): unknown {
  const values = schemas.map((schema) => readOne(schema, text));
  const place = schemas.findIndex((schema, index) => v.safeParse(schema as v.GenericSchema, values[index]).success);
  return values[Math.max(0, place)];
}

function readOne(entry: unknown, text: string): unknown {
  const { schema, isNullable } = unwrap(entry);
  if (isNullable && (text === "none" || text === "null")) return null;
  const alternatives = alternativesOf(schema);
  if (alternatives !== undefined) return readText(alternatives, text);
  const options = part(schema, "options");
  switch (part(schema, "type")) {
    case "boolean": return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
    case "number": return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
    case "literal": return String(part(schema, "literal")) === text ? part(schema, "literal") : text;
    case "picklist": return (Array.isArray(options) ? (options as unknown[]) : []).find((option) => String(option) === text) ?? text;
    // A list of lists cannot be told by commas.
    case "array": return text.startsWith("[") ? readJson(text) ?? text : text === "" ? [] : text.split(",").map((item) => readOne(part(schema, "item"), item));
    case "tuple":
    case "strict_tuple": {
      const items = part(schema, "items") as readonly unknown[];
      return text.split(",").map((item, index) => readOne(items[Math.min(index, items.length - 1)], item));
    }
    case "string": return text;
    default: return readJson(text) ?? text;
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Options as they were given, not checked yet. */
export type GivenOptions = Record<string, unknown>;

function isPlain(value: unknown): value is GivenOptions {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Options with one more value. Another kind begins a set of options anew: those of the kind before mean nothing to it. */
function withValue(target: GivenOptions, [name = "", ...rest]: readonly string[], value: unknown): GivenOptions {
  if (rest.length > 0) return { ...target, [name]: withValue(isPlain(target[name]) ? target[name] : {}, rest, value) };
  return name === "kind" && target.kind !== value ? { kind: value } : { ...target, [name]: value };
}

/** Where options come from. */
export interface OptionSources {
  /** What holds where nothing else is said: of a preset, or of the run that is taken up again. */
  readonly base?: GivenOptions | undefined;
  /** Text of a JSON file and its path. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Values by the name of the flag: a text, or true and false of a switch. */
  readonly words: Readonly<Record<string, unknown>>;
}

/** Lays options over others, sets within sets. */
function overlay(under: GivenOptions, over: GivenOptions): GivenOptions {
  if ("kind" in over && over.kind !== under.kind) return over;
  const result: GivenOptions = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const below = result[name];
    result[name] = isPlain(value) && isPlain(below) ? overlay(below, value) : value;
  }
  return result;
}

/** Puts together what was given: over the base the file, over it variables of the environment, over all words of the command line. */
export function gatherOptions(flags: readonly SchemaFlag[], { base = {}, file, variables, words }: OptionSources): GivenOptions {
  let given = file === undefined ? base : overlay(base, readOptionsFile(file));
  for (const values of [(flag: SchemaFlag) => variables[flag.variable], (flag: SchemaFlag) => words[flag.name]]) {
    for (const flag of flags) {
      const value = values(flag);
      if (value === undefined) continue;
      given = withValue(given, flag.path, typeof value === "string" ? readText(flag.schemas, value) : value);
    }
  }
  return given;
}

function readOptionsFile({ path, text }: { readonly path: string; readonly text: string }): GivenOptions {
  const value = readJson(text);
  if (!isPlain(value)) {
    throw new DifftuneError("FORMAT", `${path} holds no JSON object of options.`, { path, hint: 'Write {"iterations": 51, "rate": 1e-4}.' });
  }
  return value;
}

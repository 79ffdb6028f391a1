import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { nearestName, parseOptions, type OptionsSchema } from "../core/options.js";
import { isWritable, type GivenOptions } from "./schema-arguments.js";

/** How a command ended, as the shell sees it. */
export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** A set of options of a command: one strict schema, from which flags, variables, help and checks come. */
export interface OptionSection {
  /** Heading in the help. */
  readonly title: string;
  /** What their names start with: `env` makes `--env.max-steps`. */
  readonly prefix?: string;
  readonly schema: OptionsSchema;
  /** What the help says below them, in two columns: values that need more than a word. */
  readonly notes?: readonly (readonly [name: string, text: string])[];
}

/** An example of the help: what it does, and the words after `difftune`. */
export interface CommandExample {
  readonly what: string;
  readonly words: string;
}

/** What a command may need to know of how it was called. */
export interface CommandContext {
  /** The command line, ready to be pasted. */
  readonly commandLine: string;
}

/** A command: its options by schema, and what it does with them. */
export interface Command {
  readonly name: string;
  readonly description: string;
  readonly examples: readonly CommandExample[];
  /** The option that bare words are the value of. */
  readonly word?: { readonly option: string; readonly isList?: boolean };
  /** Options that decide which others there are; {@link sections} gets their texts. */
  readonly choices?: readonly string[];
  /** All options, given what was chosen: a method, an environment, a run. */
  sections(chosen: Readonly<Record<string, string | undefined>>): readonly OptionSection[] | Promise<readonly OptionSection[]>;
  /** What holds where nothing else is said, given what was chosen: a preset, or the options of a run that is taken up again. */
  base?(chosen: Readonly<Record<string, string | undefined>>): GivenOptions | Promise<GivenOptions>;
  /** Returns the exit code. */
  execute(options: CommandOptions, context: CommandContext): Promise<number>;
}

/** Options of algorithms that only a program can give. */
type HostOption = "signal" | "resume";

/** What was given to a command: each of its schemas takes its share, checked and with defaults. */
export class CommandOptions {
  readonly #command: string;
  readonly #given: GivenOptions;

  constructor(command: string, sections: readonly OptionSection[], given: GivenOptions) {
    this.#command = command;
    this.#given = given;
    const known = sections.flatMap(({ prefix, schema }) => (prefix === undefined ? Object.keys(schema.entries) : [prefix]));
    for (const name of Object.keys(given)) {
      if (known.includes(name)) continue;
      const nearest = nearestName(name, known);
      throw new DifftuneError("OPTION", `${command} has no option "${name}".`, {
        hint: nearest === undefined ? `The options are ${known.join(", ")}.` : `Did you mean "${nearest}"?`,
        path: name,
        expected: known,
        got: name,
      });
    }
  }

  /** The options of one of the command's schemas that has no prefix. */
  read<const Schema extends OptionsSchema>(schema: Schema): Readonly<v.InferOutput<Schema>> {
    // A command may have a name of its own for what only a program can give to an algorithm, such as `resume`.
    const names = Object.entries(schema.entries).filter(([name, entry]) => name in this.#given && isWritable(entry));
    return parseOptions(schema, Object.fromEntries(names.map(([name]) => [name, this.#given[name]])), this.#command);
  }

  /** The options of an algorithm, but for those that only a program can give it. */
  readRecipe<const Schema extends OptionsSchema>(schema: Schema): Omit<Readonly<v.InferOutput<Schema>>, HostOption> {
    return this.read(schema);
  }

  /** The options below a prefix, with defaults. */
  readBelow<const Schema extends OptionsSchema>(prefix: string, schema: Schema): Readonly<v.InferOutput<Schema>> {
    const below = parseOptions(v.strictObject({ [prefix]: schema }), { [prefix]: this.#given[prefix] ?? {} }, this.#command);
    return below[prefix] as Readonly<v.InferOutput<Schema>>;
  }

  /** The options below a prefix that were given, checked, without defaults: those are of whoever gets them. */
  readGiven(prefix: string, schema: OptionsSchema): Readonly<Record<string, unknown>> {
    const below = this.readBelow(prefix, schema);
    return Object.fromEntries(Object.entries(below).filter(([name]) => name in ((this.#given[prefix] ?? {}) as GivenOptions)));
  }
}

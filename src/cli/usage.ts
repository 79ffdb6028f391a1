import { styleText } from "node:util";
import type { Command, OptionSection } from "./command.js";
import { flagsOf, textOf, type GivenOptions, type SchemaFlag } from "./schema-arguments.js";

/** Flags longer than this have their description on the next line. */
const flagColumn = 34;
const widest = 120;

/** Breaks a text into lines of `width` characters, between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function row(first: string, text: string, width: number): string {
  const lines = wrap(text, Math.max(30, width - flagColumn - 2));
  const indent = " ".repeat(flagColumn + 2);
  if (first.length + 2 > flagColumn) return [`  ${first}`, ...lines.map((line) => indent + line)].join("\n");
  return [`  ${first.padEnd(flagColumn)}${lines[0] ?? ""}`, ...lines.slice(1).map((line) => indent + line)].join("\n");
}

/** What holds for a flag where nothing is said: of the base, such as a preset, before the schema. */
function defaultOf({ path, defaultText }: SchemaFlag, base: GivenOptions): string | undefined {
  let value: unknown = base;
  for (const name of path) value = typeof value === "object" && value !== null ? (value as GivenOptions)[name] : undefined;
  return textOf(value) ?? defaultText;
}

function flagRow(flag: SchemaFlag, base: GivenOptions, width: number): string {
  const { name, isSwitch, shape, description } = flag;
  const defaultText = defaultOf(flag, base);
  const isRequired = flag.isRequired && defaultText === undefined;
  const saysItself = defaultText === flag.defaultText && /default/i.test(description);
  const facts = [
    description,
    isRequired ? "Required." : "",
    // Many descriptions say it themselves, with the reason; what a base sets in its place is said after.
    defaultText === undefined || saysItself ? "" : `Default: ${isSwitch ? (defaultText === "true" ? "yes" : "no") : defaultText}.`,
  ].filter((fact) => fact !== "");
  const isNegatable = isSwitch && defaultText === "true";
  return row(isSwitch ? `--${isNegatable ? "[no-]" : ""}${name}` : `--${name} ${shape.length > 40 ? "VALUE" : shape}`, shape.length > 40 ? `${facts.join(" ")} One of ${shape.replaceAll("|", ", ")}.` : facts.join(" "), width);
}

function heading(text: string): string {
  return process.stdout.isTTY ? styleText("bold", text) : text;
}

/** The help of one command. */
export function renderCommandUsage(command: Command, sections: readonly OptionSection[], base: GivenOptions): string {
  const width = Math.min(widest, process.stdout.columns || widest);
  const word = command.word === undefined ? "" : ` [${command.word.option.toUpperCase()}${command.word.isList === true ? "..." : ""}]`;
  const options = sections.map(({ title, prefix, schema, notes = [] }) => [
    heading(title), ...flagsOf(schema, prefix).map((flag) => flagRow(flag, base, width)), ...notes.map(([name, text]) => row(`  ${name}`, text, width)),
  ].join("\n"));
  return [
    wrap(command.description, width).join("\n"),
    `${heading("Usage")}\n  difftune ${command.name}${word} [options]`,
    [heading("Examples"), ...command.examples.flatMap(({ what, words }) => [`  # ${what}`, `  difftune ${words}`])].join("\n"),
    ...options,
    [
      heading("Everywhere"),
      row("--options FILE", "A JSON file of options, by their names in camelCase, nested ones as objects: {\"seed\": 1, \"env\": {\"maxSteps\": 50}}.", width),
      row("DIFFTUNE_<NAME>=VALUE", "An option from the environment: DIFFTUNE_SEED for --seed. It wins over the file, and a flag over both.", width),
      row("--help", "This text.", width),
    ].join("\n"),
  ].join("\n\n");
}

/** The help of the program. */
export function renderProgramUsage(commands: readonly Command[], version: string): string {
  const width = Math.min(widest, process.stdout.columns || widest);
  const name = Math.max(...commands.map((command) => command.name.length)) + 2;
  return [
    `difftune ${version}: fine-tune robot diffusion policies with reinforcement learning.`,
    `${heading("Usage")}\n  difftune COMMAND [options]`,
    [heading("Commands"), ...commands.map((command) => {
      const [first = "", ...more] = wrap(command.description, width - name - 2);
      return [`  ${command.name.padEnd(name)}${first}`, ...more.map((line) => `  ${" ".repeat(name)}${line}`)].join("\n");
    })].join("\n"),
    "difftune COMMAND --help shows the options of a command, with examples.",
  ].join("\n\n");
}

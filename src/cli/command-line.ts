import { readFile } from "node:fs/promises";
import { parseArgs } from "citty";
import { DifftuneError } from "../core/errors.js";
import { nearestName } from "../core/options.js";
import { version } from "../core/version.js";
import { benchCommand } from "./bench.js";
import { CommandOptions, exitCodes, type Command } from "./command.js";
import { convert } from "./convert.js";
import { demos } from "./demos.js";
import { doctor } from "./doctor.js";
import { evalCommand } from "./eval.js";
import { exportCommand } from "./export.js";
import { fileError } from "./files.js";
import { finetuneCommand } from "./finetune.js";
import { labelCommand } from "./label.js";
import { finetuneMethods } from "./methods.js";
import { pretrainCommand } from "./pretrain.js";
import { quickstartCommand } from "./quickstart.js";
import { renderCommand } from "./render.js";
import { reportCommand } from "./report-command.js";
import { rewardCommand } from "./reward.js";
import { flagsOf, gatherOptions, kebabCase, type SchemaFlag } from "./schema-arguments.js";
import { printError, printLine } from "./terminal.js";
import { renderCommandUsage, renderProgramUsage } from "./usage.js";

const commands: readonly Command[] = [
  quickstartCommand((words) => runCommandLine(words)),
  demos, convert, pretrainCommand, labelCommand, rewardCommand, finetuneCommand(finetuneMethods), evalCommand, renderCommand, reportCommand, exportCommand, benchCommand, doctor,
];

/** Runs one command and returns the exit code. Whatever is thrown becomes one message on the error stream. */
export async function runCommandLine(words: readonly string[], known: readonly Command[] = commands): Promise<number> {
  const [name, ...rest] = words;
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      printLine(renderProgramUsage(known, version));
      return name === undefined ? exitCodes.usage : exitCodes.done;
    }
    if (name === "--version" || name === "-v") {
      printLine(version);
      return exitCodes.done;
    }
    const command = known.find((candidate) => candidate.name === name);
    if (command === undefined) throw unknown("command", name, known.map((candidate) => candidate.name));
    return await runCommand(command, rest);
  } catch (error) {
    return report(error);
  }
}

async function runCommand(command: Command, words: readonly string[]): Promise<number> {
  const variables = process.env;
  const file = await readOptionsFile(rawValue(words, "options") ?? variables.DIFFTUNE_OPTIONS);
  const chosen = Object.fromEntries((command.choices ?? []).map((name) => {
    const flag = kebabCase(name);
    const fromFile = file === undefined ? undefined : fileValue(file.text, name);
    const bare = name === command.word?.option && words[0]?.startsWith("-") === false ? words[0] : undefined;
    return [name, bare ?? rawValue(words, flag) ?? variables[`DIFFTUNE_${flag.replaceAll("-", "_").toUpperCase()}`] ?? fromFile];
  }));
  if (words.includes("--help") || words.includes("-h")) {
    printLine(renderCommandUsage(command, await command.sections(chosen), (await command.base?.(chosen)) ?? {}));
    return exitCodes.done;
  }
  const sections = await command.sections(chosen);
  const flags = sections.flatMap(({ schema, prefix }) => flagsOf(schema, prefix));
  const bare = refuseUnknown(command, flags, words);
  const named = gatherOptions(flags, { base: await command.base?.(chosen), file, variables, words: readWords(flags, words) });
  const given = command.word === undefined || bare.length === 0 ? named : { ...named, [command.word.option]: command.word.isList === true ? bare : bare[0] };
  return command.execute(new CommandOptions(command.name, sections, given), { commandLine: commandLine(command.name, words) });
}

/** The value of a flag before the flags are known: `--name value` or `--name=value`. */
function rawValue(words: readonly string[], name: string): string | undefined {
  const at = words.findLastIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  const word = words[at];
  return word === undefined ? undefined : word.includes("=") ? word.slice(word.indexOf("=") + 1) : words[at + 1];
}

async function readOptionsFile(path: string | undefined): Promise<{ path: string; text: string } | undefined> {
  if (path === undefined) return undefined;
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (cause) {
    throw fileError("read", path, cause);
  }
}

/** A text of the options file. Whatever is wrong with the file is said later, when all of it is read. */
function fileValue(text: string, name: string): string | undefined {
  try {
    const value = (JSON.parse(text) as Readonly<Record<string, unknown>> | null)?.[name];
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The values of flags by their names, as citty reads them. */
function readWords(flags: readonly SchemaFlag[], words: readonly string[]): Readonly<Record<string, unknown>> {
  const definitions = flags.map(({ name, isSwitch }) => [name, { type: isSwitch ? "boolean" : "string" }] as const);
  return parseArgs([...words], { ...Object.fromEntries(definitions), options: { type: "string" } });
}

function unknown(kind: string, name: string, known: readonly string[], suggestion?: string): DifftuneError {
  const nearest = suggestion ?? nearestName(name, known);
  return new DifftuneError("OPTION", `There is no ${kind} "${name}".`, {
    hint: nearest === undefined ? `Known: ${known.join(", ")}.` : `Did you mean "${nearest}"?`,
    expected: known,
    got: name,
  });
}

/** citty lets unknown options and surplus words pass; a misspelt option would silently do nothing. Returns the bare words. */
function refuseUnknown(command: Command, flags: readonly SchemaFlag[], words: readonly string[]): string[] {
  const switches = new Map(flags.map(({ name, isSwitch }) => [name, isSwitch]));
  switches.set("options", false);
  const most = command.word === undefined ? 0 : command.word.isList === true ? Infinity : 1;
  const bare: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-")) {
      bare.push(word);
      if (bare.length > most) throw new DifftuneError("OPTION", `"${command.name}" takes no word "${word}".`, { got: word });
      continue;
    }
    const [flag = ""] = word.replace(/^--?/, "").split("=");
    const isSwitch = switches.get(flag) ?? (switches.get(flag.replace(/^no-/, "")) === true ? true : undefined);
    if (isSwitch === undefined) {
      const names = [...switches.keys()];
      // The last part of a nested name is what people remember.
      const nested = names.find((name) => name.endsWith(`.${flag}`));
      throw unknown("option", `--${flag}`, names.map((name) => `--${name}`), nested === undefined ? undefined : `--${nested}`);
    }
    if (!isSwitch && !word.includes("=")) {
      at += 1;
      if (words[at] === undefined) throw new DifftuneError("OPTION", `Option "--${flag}" needs a value.`, { path: flag });
    }
  }
  return bare;
}

/** The command line as a shell reads it. */
function commandLine(name: string, words: readonly string[]): string {
  const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
  return ["difftune", name, ...words.map(quote)].join(" ");
}

/** Our own errors and citty's are for the user; anything else is a defect and shows where it came from. */
function report(error: unknown): number {
  if (error instanceof DifftuneError) {
    printError(`difftune: ${error.message}`);
    return error.code === "OPTION" ? exitCodes.usage : exitCodes.failed;
  }
  if (error instanceof Error && error.name === "CLIError") {
    printError(`difftune: ${error.message}`);
    return exitCodes.usage;
  }
  printError(`difftune: an unexpected error; please report it with the output of "difftune doctor".\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return exitCodes.failed;
}

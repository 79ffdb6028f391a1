import { parseArgs, renderUsage } from "citty";
import { DifftuneError } from "../core/errors.js";
import { nearestName } from "../core/options.js";
import { version } from "../core/version.js";
import { exitCodes, type Command } from "./command.js";
import { doctor } from "./doctor.js";
import { quickstart } from "./quickstart.js";
import { printError, printLine, printUsage } from "./terminal.js";

const commands: Readonly<Record<string, Command>> = { quickstart, doctor };

const program = {
  meta: { name: "difftune", description: "Fine-tune robot diffusion policies in JavaScript.", version },
  subCommands: { ...commands },
};

/** Runs one command and returns the exit code. Whatever is thrown becomes one message on the error stream. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      printUsage(await renderUsage(program));
      return name === undefined ? exitCodes.usage : exitCodes.done;
    }
    if (name === "--version" || name === "-v") {
      printLine(version);
      return exitCodes.done;
    }
    const command = commands[name];
    if (command === undefined) throw unknown("command", name, Object.keys(commands));
    if (rest.includes("--help") || rest.includes("-h")) {
      printUsage(await renderUsage(command, program));
      return exitCodes.done;
    }
    refuseUnknown(command, rest);
    return await command.execute(parseArgs([...rest], command.args));
  } catch (error) {
    return report(error);
  }
}

function unknown(kind: string, name: string, known: readonly string[]): DifftuneError {
  const nearest = nearestName(name, known);
  return new DifftuneError("OPTION", `There is no ${kind} "${name}".`, {
    hint: nearest === undefined ? `Known: ${known.join(", ")}.` : `Did you mean "${nearest}"?`,
    expected: known,
    got: name,
  });
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** citty lets unknown options and surplus words pass; a misspelt option would silently do nothing. */
function refuseUnknown(command: Command, words: readonly string[]): void {
  const definitions = Object.entries(command.args);
  const options = new Map(definitions.filter(([, { type }]) => type !== "positional").map(([name, { type }]) => [kebabCase(name), type]));
  let positionals = definitions.filter(([, { type }]) => type === "positional").length;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-")) {
      if (positionals === 0) throw new DifftuneError("OPTION", `"${command.meta.name}" takes no word "${word}".`, { got: word });
      positionals -= 1;
      continue;
    }
    const [flag = ""] = word.replace(/^--?/, "").split("=");
    const negated = flag.replace(/^no-/, "");
    const type = options.get(kebabCase(flag)) ?? (options.get(negated) === "boolean" ? "boolean" : undefined);
    if (type === undefined) throw unknown("option", `--${flag}`, [...options.keys()].map((option) => `--${option}`));
    if (type !== "boolean" && !word.includes("=")) {
      at += 1;
      if (words[at] === undefined) throw new DifftuneError("OPTION", `Option "--${flag}" needs a value.`, { path: flag });
    }
  }
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

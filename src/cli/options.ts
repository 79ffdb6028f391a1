import { DifftuneError } from "../core/errors.js";

const engineNames = ["auto", "wasm", "webgpu"] as const;

/** `--engine`, for every command that computes. */
export const engineArgument = {
  type: "enum",
  options: [...engineNames],
  default: "auto",
  description: "Where to compute; auto takes a real GPU if there is one.",
} satisfies { type: "enum"; options: string[]; default: string; description: string };

/** The value of `--engine`. */
export function readEngine(value: unknown): (typeof engineNames)[number] {
  const name = engineNames.find((known) => known === value);
  if (name === undefined) {
    throw new DifftuneError("OPTION", `There is no engine "${String(value)}".`, { hint: `The engines are ${engineNames.join(", ")}.`, got: value });
  }
  return name;
}

/** The value of an option that counts. */
export function readWholeNumber(name: string, value: unknown, least: number, most: number): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) {
    throw new DifftuneError("OPTION", `--${name} is ${JSON.stringify(value)}.`, {
      hint: `It must be a whole number from ${least} to ${most}.`,
      path: name,
      got: value,
    });
  }
  return number;
}

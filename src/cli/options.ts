import * as v from "valibot";
import { oneOf } from "../core/options.js";

/** Options that several commands share, as entries of their schemas. */
export const sharedOptions = {
  engine: v.pipe(v.optional(oneOf(["auto", "wasm", "webgpu"]), "auto"), v.description("Where to compute: auto takes a real GPU if there is one, else the CPU by WASM.")),
  json: v.pipe(v.optional(v.boolean("It must be true or false."), false), v.description("Print events as JSON lines on the standard output, and nothing else there.")),
};

/** A path. */
export function pathOption(description: string) {
  return v.pipe(v.string("It must be a path."), v.nonEmpty("It must be a path."), v.title("PATH"), v.description(description));
}

/** Some options of a schema, each with what the help says of it. */
export function describedOptions<const Entries extends v.ObjectEntries, const Name extends keyof Entries & string>(
  entries: Entries,
  texts: Readonly<Record<Name, string>>,
): v.StrictObjectSchema<Pick<Entries, Name>, undefined> {
  const described = Object.entries<string>(texts).map(([name, text]) => [name, v.pipe(entries[name] as v.GenericSchema, v.description(text))]);
  // A description changes nothing of what a schema takes and gives.
  return v.strictObject(Object.fromEntries(described) as Pick<Entries, Name>);
}

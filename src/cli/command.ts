import type { ArgsDef } from "citty";

/** How a command ended, as the shell sees it. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

/** A command: its options are all named, and it returns its exit code. */
export interface Command {
  readonly meta: { readonly name: string; readonly description: string };
  readonly args: ArgsDef;
  /** @param args values by name, as citty has read them: a boolean or a text, by the type of the option */
  execute(args: Readonly<Record<string, unknown>>): Promise<number>;
}

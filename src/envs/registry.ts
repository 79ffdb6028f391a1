import { DifftuneError } from "../core/errors.js";
import { nearestName } from "../core/options.js";
import type { VectorEnvironment } from "./environment.js";
import { createAvoid, type AvoidOptions } from "./avoid.js";
import { createPushT, type PushTOptions } from "./pusht.js";

/** The environments that have a name of their own: presets of the factories. */
const factories = {
  /** Push the T onto its goal. */
  pusht: (options: PushTOptions) => createPushT(options),
  /** Push-T without the pushing: drive the agent to a point. A policy learns it within a minute, so a pipeline that fails here is broken. */
  "pusht-reach": (options: PushTOptions) => createPushT({ task: "reach", maxSteps: 50, ...options }),
  /** Drive the rod past six cylinders to the line. */
  avoid: (options: AvoidOptions) => createAvoid(options),
  /** Avoid without the obstacles: only the line is paid. */
  "avoid-free": (options: AvoidOptions) => createAvoid({ obstacles: false, reward: "plain", ...options }),
} as const;

/** Name of a built-in environment. */
export type EnvironmentName = keyof typeof factories;

/** All built-in environments. */
export const environmentNames = Object.freeze(Object.keys(factories)) as readonly EnvironmentName[];

/** The options of each built-in environment, by its name. */
export type EnvironmentOptions<Name extends EnvironmentName> = Parameters<(typeof factories)[Name]>[0];

/**
 * A built-in environment by its name, as configuration files and command lines give it.
 *
 * @example const env = await environment("pusht-reach", { count: 16 });
 */
export function environment<Name extends EnvironmentName>(name: Name, options: EnvironmentOptions<Name> = {}): Promise<VectorEnvironment> {
  const asked: unknown = name;
  if (typeof asked !== "string" || !Object.hasOwn(factories, asked)) {
    const nearest = typeof asked === "string" ? nearestName(asked, environmentNames) : undefined;
    return Promise.reject(new DifftuneError("OPTION", `There is no environment "${String(asked)}".`, {
      hint: nearest === undefined ? `There are ${environmentNames.join(", ")}.` : `Did you mean "${nearest}"?`,
      expected: environmentNames,
      got: asked,
    }));
  }
  const factory = factories[name] as (options: EnvironmentOptions<Name>) => Promise<VectorEnvironment>;
  return factory(options);
}

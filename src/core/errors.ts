/**
 * The closed set of errors that this package throws. Nothing else is thrown on purpose, nothing is printed.
 * Message: what happened; what was expected; what to do. Facts are fields, so that a caller need not parse text.
 */
export const errorCodes = [
  "GPU_UNAVAILABLE",
  "DEVICE_LOST",
  "DEVICE_CLOSED",
  "KERNEL_COMPILE",
  "KERNEL_LAUNCH",
  "OUT_OF_MEMORY",
  "SHAPE",
  "OPTION",
  "FORMAT",
  "FILE",
  "ENVIRONMENT",
  "DIVERGENCE",
  "CANCELLED",
  "INVARIANT",
] as const;

/** The stable word by which a caller tells one kind of failure from another. */
export type ErrorCode = (typeof errorCodes)[number];

/** Facts of one failure, as named fields. */
export interface ErrorFacts {
  /** What to do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  readonly expected?: unknown;
  readonly got?: unknown;
  readonly index?: number;
  readonly kernel?: string;
  readonly path?: string;
}

/** The one error class of this package: a code to branch on, a message to read, the facts as fields. */
export class DifftuneError extends Error {
  override readonly name = "DifftuneError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly expected: unknown;
  readonly got: unknown;
  readonly index: number | undefined;
  readonly kernel: string | undefined;
  readonly path: string | undefined;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(facts.hint === undefined ? message : `${message} ${facts.hint}`, { cause: facts.cause });
    this.code = code;
    this.hint = facts.hint;
    this.expected = facts.expected;
    this.got = facts.got;
    this.index = facts.index;
    this.kernel = facts.kernel;
    this.path = facts.path;
  }
}

/** For the impossible only: a failure here is a defect of this package, never of its user. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new DifftuneError("INVARIANT", `Internal error: ${message}. Please report it.`);
}

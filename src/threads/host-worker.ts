/** A worker that a host has started. */
export interface HostWorker {
  /** Resolves when the worker has instantiated its module; rejects when it could not. */
  readonly ready: Promise<void>;
  /** Calls the listener when the worker dies. */
  onFailure(listener: (cause: unknown) => void): void;
  terminate(): void;
}

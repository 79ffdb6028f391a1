import * as host from "#host";

/** Threads that are worth starting here: the cores, or 1 where a page is not cross-origin isolated. */
export function coreCount(): number {
  return host.coreCount();
}

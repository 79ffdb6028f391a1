import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Recordings and traces that may not be kept in the repository: the folder beside it, or the one DIFFTUNE_SHARED names. */
const shared = process.env.DIFFTUNE_SHARED ?? fileURLToPath(new URL("../../shared", import.meta.url));

/** A file or folder of the shared folder, and, where it is absent, why a test that needs it is skipped. */
export function sharedPath(name: string): { readonly path: string; readonly missing: string | undefined } {
  const found = path.join(shared, name);
  return { path: found, missing: existsSync(found) ? undefined : `skipped: there is no ${name} in the shared folder` };
}

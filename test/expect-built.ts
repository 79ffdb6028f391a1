import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { hashSources, stampFile } from "../scripts/bootstrap.mjs";

/** Tests of what users get read `dist`; they fail plainly when it is not of the present sources. */
export async function expectBuilt(): Promise<void> {
  const built = await readFile(stampFile, "utf8").catch(() => undefined);
  expect(built, "dist is not of the present sources: run `npm run build`").toBe(await hashSources());
}

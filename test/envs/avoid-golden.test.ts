import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runAvoidGolden } from "../golden-runner/avoid.ts";
import { sharedPath } from "../shared-folder.ts";

const shared = sharedPath("golden/avoid");

async function compare(folder: string, traceCount: number): Promise<void> {
  const rows = await runAvoidGolden(folder);
  expect(rows.filter(({ passed }) => !passed)).toEqual([]);
  const compared = rows.filter(({ quantity, engine }) => quantity !== "skipped" && engine === "Level A");
  expect(new Set(compared.map(({ file }) => file)).size).toBe(traceCount);
}

test("the repository's traces of the arm in MuJoCo agree within the tolerances of both levels", async () => {
  await compare(fileURLToPath(new URL("../golden/avoid", import.meta.url)), 12);
});

describe.skipIf(shared.missing !== undefined)(`with replayed demonstrations (${shared.missing ?? "all traces"})`, () => {
  test("every trace agrees within the tolerances of both levels", async () => {
    await compare(shared.path, 15);
  });
});

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runAvoidGolden } from "../golden-runner/avoid.ts";
import { formatFailures } from "../golden-runner/report.ts";
import { sharedPath } from "../shared-folder.ts";

const shared = sharedPath("golden/avoid");

async function compare(folder: string, traceCount: number): Promise<void> {
  const rows = await runAvoidGolden(folder);
  expect(formatFailures(rows)).toBe("");
  const compared = rows.filter(({ compared, engine }) => compared && engine === "Level A");
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

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { PNG } from "pngjs";
import { expect, test } from "vitest";
import { expectBuilt } from "../expect-built.js";

test("the pictures of the documentation are those that the package draws", async () => {
  await expectBuilt();
  const folder = await mkdtemp(path.join(tmpdir(), "difftune-"));
  try {
    const example = new URL("../../examples/draw-environments.mjs", import.meta.url);
    await promisify(execFile)(process.execPath, [example.pathname, folder]);
    for (const name of ["avoid.png", "pusht.png"]) {
      const [drawn, shown] = await Promise.all([path.join(folder, name), new URL(`../../docs/images/${name}`, import.meta.url)].map((file) => readFile(file)));
      const [own, kept] = [PNG.sync.read(drawn!), PNG.sync.read(shown!)];
      expect([own.width, own.height]).toEqual([kept.width, kept.height]);
      // Another version of V8 may round the last bit of a sine; a line that moves changes hundreds of pixels.
      const apart = own.data.filter((value, at) => Math.abs(value - kept.data[at]!) > 8).length;
      expect(apart, `docs/images/${name} is not what examples/draw-environments.mjs draws: run it`).toBeLessThan(50);
    }
    const film = await readFile(path.join(folder, "pusht.gif"));
    const shown = await readFile(new URL("../../docs/images/pusht.gif", import.meta.url));
    expect(Math.abs(film.length / shown.length - 1)).toBeLessThan(0.02);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

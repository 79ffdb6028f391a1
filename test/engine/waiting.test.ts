import { afterAll, expect, test } from "vitest";
import { createDevice } from "../../src/engine/create-device.js";
import type { Device } from "../../src/engine/device.js";
import { bradleyTerrySpec } from "../../src/kernels/rl/bradley-terry.js";

const devices: Device[] = [];
afterAll(() => { for (const device of devices) device.close(); });

/**
 * Of U units on 4 threads, thread t has floor(U t / 4) to floor(U (t + 1) / 4): thread 3 alone has the one unit of the
 * first launch, threads 1 and 3 those of the second. The caller has nothing to do: it sleeps until thread 2 is done, and
 * thread 1, and thread 3. The first run of a process is the one that counts: it is the baseline compiler's code.
 */
test("the caller sleeps until the last worker is done, not the first", async () => {
  const pairs = 60_000;
  for (let attempt = 0; attempt < 3; attempt++) {
    const device = await createDevice({ engine: "wasm", wasm: { threads: 4, simd: "plain" } });
    devices.push(device);
    const outputs: ReturnType<Device["tensor"]>[] = [];
    const program = await device.program("uneven", (recorder) => {
      for (const members of [1, 2]) {
        const scores = (): ReturnType<Device["tensor"]> => device.tensor([members, pairs], { data: new Float32Array(members * pairs).fill(1) });
        const statistics = device.tensor([members, 3]);
        outputs.push(statistics);
        recorder.launch(bradleyTerrySpec, { members, pairs, labelStride: 0, rule: 1, smoothing: 0 }, {
          r0: scores(), r1: scores(), labels: device.tensor([pairs]), dr0: scores(), dr1: scores(), statistics,
        });
      }
    });
    program.run();
    const loss = Math.fround(Math.LN2);
    const expected = [loss, 1, pairs];
    expect((await device.readAll(outputs)).map((statistics) => [...statistics])).toEqual([expected, [...expected, ...expected]]);
  }
});

// Draws both environments into a folder: one way through Avoid for each of its 24 modes, and a Push-T demonstration as a
// picture and a film.
//   node examples/draw-environments.mjs [folder]
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { demonstrateAvoid, demonstratePushT, drawAvoid, drawPushT, encodeGif, encodePng } from "difftune/envs";

const folder = process.argv[2] ?? "docs/images";
await mkdir(folder, { recursive: true });
const save = (name, bytes) => writeFile(path.join(folder, name), bytes);

/** Numbers `first` and the one after it, out of every row of `width`. */
const pairs = (rows, width, first) => Array.from({ length: rows.length / width }, (_, row) => [rows[row * width + first], rows[row * width + first + 1]]).flat();

const ways = [];
for await (const { observations, label } of demonstrateAvoid({ modes: "all", episodes: 24 })) {
  const modes = [...label].reduce((flags, digit) => flags | (1 << Number(digit)), 0);
  ways.push({ desired: pairs(observations, 4, 0), actual: pairs(observations, 4, 2), modes });
}
await save("avoid.png", await encodePng(drawAvoid(ways, { title: "Avoid: a demonstration of each of the 24 modes", width: 560 })));

for await (const { observations, actions } of demonstratePushT({ seed: 4, count: 1 })) {
  const poses = Array.from({ length: observations.length / 5 }, (_, step) => {
    const [agentX, agentY, blockX, blockY, blockAngle] = observations.subarray(5 * step);
    return { agentX, agentY, blockX, blockY, blockAngle };
  });
  const history = poses.filter((_, step) => step % 12 === 0);
  const caption = `Push-T: a demonstration of ${poses.length} steps`;
  await save("pusht.png", await encodePng(drawPushT({ pose: poses.at(-1), history, paths: [pairs(observations, 5, 0)], caption }, 384)));
  // Every other step, ten a second: twice the speed of the hand.
  const steps = [...poses.keys()].filter((step) => step % 2 === 0);
  const frames = steps.map((step) => drawPushT({ pose: poses[step], target: actions.subarray(2 * step, 2 * step + 2), caption: `step ${step}` }, 224));
  await save("pusht.gif", await encodeGif(frames, { rate: 10 }));
}

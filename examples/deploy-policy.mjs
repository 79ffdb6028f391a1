// A saved policy at work: read its file, put it on a device, and decide for one observation after the other, as a robot's
// control loop would. Any policy of a run does, those of Avoid have something to act on here.
//   node examples/deploy-policy.mjs runs/quickstart/finetuned/policy.safetensors [decisions]
import { readFile } from "node:fs/promises";
import { createDevice, Policy } from "difftune";
import { createAvoid } from "difftune/envs";

const [file, wanted = 100] = process.argv.slice(2);
if (file === undefined) throw new Error("Which policy? node examples/deploy-policy.mjs FILE [DECISIONS]");

const policy = Policy.decode(await readFile(file));
const { observationNames, actionNames, observationSteps, actionSteps } = policy.options;
console.log(`sees ${observationSteps} x (${observationNames.join(", ")}), does ${actionSteps} x (${actionNames.join(", ")})`);

const device = await createDevice();
const actor = await policy.on(device); // one observation at a time, without exploration noise; { count: 8 } decides for eight

// The robot: here the simulated one, stepped one chunk of actions at a time.
const robot = await createAvoid({ count: 1, observationSteps, actionSteps, threads: 1, physics: process.env.PHYSICS ?? "arm" });
let { observations } = await robot.reset();
const latencies = [];
const ended = { episodes: 0, successes: 0 };
while (latencies.length < Number(wanted)) {
  const before = performance.now();
  const actions = await actor.act(observations); // [Ta, A] in the units of the environment, the same array every time
  latencies.push(performance.now() - before);
  const result = await robot.stepChunk(actions);
  ({ observations } = result);
  if (!result.terminated[0] && !result.truncated[0]) continue;
  ended.episodes += 1;
  if (robot.outcome(0).success) ended.successes += 1;
}

latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.floor(share * (latencies.length - 1))].toFixed(2);
console.log(`${ended.successes} of ${ended.episodes} episodes succeeded`);
console.log(`a decision takes ${at(0.5)} ms, one in a hundred more than ${at(0.99)} ms, on ${device.info.description}`);
actor.close();
robot.close();
device.close();

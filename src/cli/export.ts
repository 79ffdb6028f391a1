import path from "node:path";
import * as v from "valibot";
import { DifftuneError } from "../core/errors.js";
import { Dataset } from "../data/dataset.js";
import { encodeForDppo } from "../data/dppo-export.js";
import { Policy } from "../diffusion/policy.js";
import { readSafetensors, writeSafetensors } from "../io/safetensors.js";
import { exitCodes, type Command } from "./command.js";
import { makeFolder, readBytes, writeAtomically } from "./files.js";
import { pathOption, sharedOptions } from "./options.js";
import { policyPath } from "./policy-file.js";
import { Reporter } from "./reporter.js";

const schema = v.strictObject({
  from: pathOption("A policy, the folder of its run, or a data set; the bare word of the command."),
  out: pathOption("What to write: of a policy one .safetensors file, of a data set a folder for train.npz and normalization.npz."),
  json: sharedOptions.json,
});

/**
 * The parameters of a policy under the names of the original's checkpoints: `network.*` the base; of a tuned policy also
 * `actor.*`, the same base again, and `actor_ft.*`, the tuned network.
 */
function stateDictOf(policy: Policy): Uint8Array {
  const { layout, values, tuned } = policy;
  const tensors = new Map(layout.save(values, "network."));
  if (tuned !== undefined) for (const [name, tensor] of [...layout.save(values, "actor."), ...layout.save(tuned.values, "actor_ft.")]) tensors.set(name, tensor);
  return writeSafetensors({ tensors });
}

/** `difftune export`: what was made here, for the programs of the original. */
export const exportCommand: Command = {
  name: "export",
  description: "Write a policy or a data set for the original DPPO code: parameters under its names, demonstrations as npz.",
  examples: [
    { what: "A policy; in Python: model.load_state_dict(safetensors.torch.load_file('state.safetensors'))", words: "export runs/m1-dppo --out state.safetensors" },
    { what: "Demonstrations, as the folder that its pre-training reads", words: "export demos/m1.safetensors --out data/avoid_m1" },
  ],
  word: { option: "from" },
  sections: () => [{ title: "Options", schema }],
  execute: async (options) => {
    const { from, out, json } = options.read(schema);
    const reporter = new Reporter(json);
    const file = await policyPath(from);
    const bytes = await readBytes(file);
    const files: [name: string, content: Uint8Array][] = [];
    try {
      const format = readSafetensors(bytes).metadata.get("format");
      if (format === "difftune-policy") files.push([out, stateDictOf(Policy.decode(bytes))]);
      else if (format === "difftune-dataset") {
        const { train, normalization } = encodeForDppo(Dataset.decode(bytes));
        files.push([path.join(out, "train.npz"), train], [path.join(out, "normalization.npz"), normalization]);
      } else throw new DifftuneError("FORMAT", "It is neither a policy nor a data set of this package.", { got: format });
    } catch (cause) {
      if (!(cause instanceof DifftuneError)) throw cause;
      throw new DifftuneError("FORMAT", `${file} cannot be exported: ${cause.message}`, { path: file, cause });
    }
    for (const [name, content] of files) {
      await makeFolder(path.dirname(path.resolve(name)));
      await writeAtomically(name, content);
    }
    reporter.summary({ event: "done", files: files.map(([name]) => name) }, files.map(([name, content]) => [name, `${content.length} bytes`]));
    return exitCodes.done;
  },
};

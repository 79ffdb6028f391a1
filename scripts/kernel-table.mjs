#!/usr/bin/env node
/** Writes kernels/README.md, the table of all kernels, from the headers of their shaders: `npm run kernel-table`. */
import { readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "./bootstrap.mjs";

/** The entries of a header by name; the first line is `formula`. Continuation lines are indented. */
function parseHeader(source) {
  const entries = new Map();
  let name = "formula";
  for (const line of source.split("\n")) {
    const comment = /^\/\/ (.*)$/.exec(line)?.[1];
    if (comment === undefined) break;
    const entry = /^([a-z]+) {2,}(\S.*)$/.exec(comment);
    if (entry !== null) name = entry[1];
    const text = entry === null ? comment.trim() : entry[2];
    entries.set(name, entries.has(name) ? `${entries.get(name)} ${text}` : text);
  }
  return entries;
}

/** A cell of a Markdown table that shows its text as it is. */
function cell(text = "") {
  return text.replace(/\s+/g, " ").replace(/([\\|*_<>`[\]])/g, "\\$1");
}

/** The text of kernels/README.md. */
export async function kernelTable() {
  const folder = path.join(root, "kernels");
  const rooms = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory() && entry.name !== "lib");
  const sections = await Promise.all(
    rooms.map(({ name }) => name).sort().map(async (room) => {
      const files = (await readdir(path.join(folder, room))).filter((file) => file.endsWith(".wgsl")).sort();
      const rows = await Promise.all(
        files.map(async (file) => {
          const header = parseHeader(await readFile(path.join(folder, room, file), "utf8"));
          const formula = header.get("formula")?.replace(/^\S+ — /, "");
          return `| [${file.replace(/\.wgsl$/, "")}](${room}/${file}) | ${cell(formula)} | ${cell(header.get("shapes"))} | ${cell(header.get("order"))} |`;
        }),
      );
      return `## ${room}\n\n| kernel | what it computes | shapes | order of sums |\n|---|---|---|---|\n${rows.join("\n")}\n`;
    }),
  );
  return `# Kernels

Made by \`npm run kernel-table\` from the headers of the shaders. Each kernel has a body in WGSL here and one in
AssemblyScript SIMD under \`assembly/kernels\`, both launched from one spec in \`src/kernels\`. Letters of dimensions: B batch,
I and O features in and out, C channels, L length, H horizon, T environment steps, E environments, K denoising steps,
N = E·T, P parameters.

${sections.join("\n")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(path.join(root, "kernels/README.md"), await kernelTable());

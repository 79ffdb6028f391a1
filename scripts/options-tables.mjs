#!/usr/bin/env node
/**
 * Fills the tables of options in README.md from the documentation comments of the sources: `npm run options-tables`.
 * A table stands between `<!-- options <Interface> <file> -->` and `<!-- end -->`.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { root } from "./bootstrap.mjs";

const place = /<!-- options (\w+) (\S+) -->\n[^]*?<!-- end -->/g;

function cell(text) {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim();
}

/** The properties of an interface: name, type, and its comment. */
async function tableOf(name, file) {
  const tree = ts.createSourceFile(file, await readFile(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
  const declaration = tree.statements.find((statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name);
  if (declaration === undefined) throw new Error(`${file} declares no interface ${name}.`);
  const rows = declaration.members.filter(ts.isPropertySignature).map((member) => {
    const comment = ts.getJSDocCommentsAndTags(member).map(({ comment: text }) => ts.getTextOfJSDocComment(text) ?? "").join(" ");
    const required = member.questionToken === undefined ? " (required)" : "";
    return `| \`${member.name.getText(tree)}\`${required} | \`${cell(member.type?.getText(tree) ?? "")}\` | ${cell(comment)} |`;
  });
  return `| option | type | meaning |\n|---|---|---|\n${rows.join("\n")}`;
}

/** The README with its tables as the sources have them now. */
export async function withTables(readme) {
  const tables = await Promise.all([...readme.matchAll(place)].map(([, name, file]) => tableOf(name, file)));
  let index = 0;
  return readme.replace(place, (_, name, file) => `<!-- options ${name} ${file} -->\n${tables[index++]}\n<!-- end -->`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = path.join(root, "README.md");
  await writeFile(file, await withTables(await readFile(file, "utf8")));
}

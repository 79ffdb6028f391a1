#!/usr/bin/env node
/**
 * Fills the tables of options in README.md from the documentation comments of the sources: `npm run options-tables`.
 * A table stands between `<!-- options <Interface or schema> <file> -->` and `<!-- end -->`. An interface is documented by the
 * comments of its properties, a schema by the descriptions of its entries; schemas are read from dist, so build before.
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

/** The options of a schema as the command line sees them: name, default, and what is said of it. */
async function tableOfSchema(name, file) {
  const compiled = path.join(root, file.replace(/^src/, "dist").replace(/ts$/, "js"));
  const [{ [name]: schema }, { flagsOf }] = await Promise.all([import(compiled), import(path.join(root, "dist/cli/schema-arguments.js"))]);
  if (schema === undefined) throw new Error(`${file} exports no schema ${name}.`);
  const rows = flagsOf(schema).map(({ path: names, description, defaultText, isRequired }) => {
    if (description === "") throw new Error(`${file}: nothing is said of ${name}.${names.join(".")}.`);
    return `| \`${names.join(".")}\`${isRequired ? " (required)" : ""} | ${defaultText ? `\`${cell(defaultText)}\`` : ""} | ${cell(description)} |`;
  });
  return `| option | default | meaning |\n|---|---|---|\n${rows.join("\n")}`;
}

/** The properties of an interface: name, type, and its comment; or the entries of a schema. */
async function tableOf(name, file) {
  if (name.endsWith("Schema")) return tableOfSchema(name, file);
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

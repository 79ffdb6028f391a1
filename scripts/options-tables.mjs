#!/usr/bin/env node
/**
 * Fills the tables of options in README.md from the documentation comments of the sources: `npm run options-tables`.
 * A table stands between `<!-- options <Interface or schema> <file> -->` and `<!-- end -->`. An interface is documented by the
 * comments of its properties, a schema by the descriptions of its entries.
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

function find(node, isWanted) {
  return isWanted(node) ? node : ts.forEachChild(node, (child) => find(child, isWanted));
}

const isCallOf = (name) => (node) => ts.isCallExpression(node) && node.expression.getText() === name;

/** The entries of a strict schema: name, default, and what is said of it by `v.description` or the file's own `option`. */
function tableOfSchema(name, tree) {
  const declaration = find(tree, (node) => ts.isVariableDeclaration(node) && node.name.getText() === name);
  const object = declaration && find(declaration, isCallOf("v.strictObject"));
  if (object === undefined) throw new Error(`${tree.fileName} declares no schema ${name}.`);
  const rows = object.arguments[0].properties.filter(ts.isPropertyAssignment).map((property) => {
    const [schema, described] = property.initializer.arguments;
    const text = find(described, ts.isStringLiteralLike)?.text;
    if (text === undefined) throw new Error(`${tree.fileName}: nothing is said of ${name}.${property.name.getText()}.`);
    const optional = isCallOf("v.optional")(schema);
    const given = optional ? schema.arguments[1]?.getText() : undefined;
    return `| \`${property.name.getText()}\`${optional ? "" : " (required)"} | ${given === undefined ? "" : `\`${cell(given)}\``} | ${cell(text)} |`;
  });
  return `| option | default | meaning |\n|---|---|---|\n${rows.join("\n")}`;
}

/** The properties of an interface: name, type, and its comment; or the entries of a schema. */
async function tableOf(name, file) {
  const tree = ts.createSourceFile(file, await readFile(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
  if (name.endsWith("Schema")) return tableOfSchema(name, tree);
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

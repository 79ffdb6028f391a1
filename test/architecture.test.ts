import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The rooms of src from the ground up; rooms on one level do not know each other. */
const levels: readonly (readonly string[])[] = [
  ["generated"],
  ["core"],
  ["threads"],
  ["engine", "io", "envs"],
  ["kernels"],
  ["nn"],
  ["diffusion", "data"],
  ["rl", "preference"],
  ["algorithms"],
  ["cli", "index.ts"],
];

/** Who may touch what the host offers: Node or a page, chosen by condition. */
const hostUsers = ["threads", "engine"];
const nodeFiles = ["src/engine/host/node.ts"];
const errorFile = "src/core/errors.ts";

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
  /** Imported names; `*` for all of them. */
  readonly names: readonly string[];
}

interface Source {
  readonly file: string;
  readonly tree: ts.SourceFile;
}

function filesBelow(folder: string, ending: string): string[] {
  const place = path.join(root, folder);
  if (!existsSync(place)) return [];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();
}

function parse(file: string): Source {
  return { file, tree: ts.createSourceFile(file, readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true) };
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => { walk(child, visit); });
}

/** `src/x/y.js` of an import becomes the TypeScript file that it means. */
function resolve(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return path.posix.normalize(path.posix.join(path.posix.dirname(from), specifier)).replace(/\.js$/, ".ts");
}

function importsOf({ file, tree }: Source): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, names: readonly string[]): void => {
    found.push({ from: file, to: resolve(file, specifier), typeOnly, names });
  };
  walk(tree, (node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const bindings = node.importClause?.namedBindings;
      const isNamed = bindings !== undefined && ts.isNamedImports(bindings);
      const names = isNamed ? bindings.elements.map((element) => (element.propertyName ?? element.name).text) : ["*"];
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || (isNamed && bindings.elements.every((element) => element.isTypeOnly));
      add(node.moduleSpecifier.text, typeOnly, names);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.exportClause;
      const names = clause !== undefined && ts.isNamedExports(clause) ? clause.elements.map((element) => (element.propertyName ?? element.name).text) : ["*"];
      add(node.moduleSpecifier.text, node.isTypeOnly, names);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) add(argument.text, false, ["*"]);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
      add(node.argument.literal.text, true, ["*"]);
    }
  });
  return found;
}

function roomOf(file: string): string {
  return file.split("/")[1] ?? file;
}

function levelOf(file: string): number {
  return levels.findIndex((rooms) => rooms.includes(roomOf(file)));
}

/** Whether an import of src stays inside its room or points down. */
function pointsDown({ from, to }: Pick<Import, "from" | "to">): boolean {
  if (to === "#host") return hostUsers.includes(roomOf(from));
  return roomOf(from) === roomOf(to) || levelOf(to) < levelOf(from);
}

function manifest(): { dependencies: Record<string, string>; optionalDependencies: Record<string, string> } {
  return JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as ReturnType<typeof manifest>;
}

const sources = filesBelow("src", ".ts").filter((file) => !file.startsWith("src/generated/")).map(parse);
const imports = sources.flatMap(importsOf);
const text = (list: readonly Import[]): string[] => list.map(({ from, to }) => `${from} -> ${to}`);

describe("imports of src", () => {
  test("the check itself tells down from up and sideways", () => {
    expect(pointsDown({ from: "src/nn/mlp.ts", to: "src/core/errors.ts" })).toBe(true);
    expect(pointsDown({ from: "src/nn/mlp.ts", to: "src/nn/layout.ts" })).toBe(true);
    expect(pointsDown({ from: "src/core/errors.ts", to: "src/nn/mlp.ts" })).toBe(false);
    expect(pointsDown({ from: "src/io/safetensors.ts", to: "src/engine/device.ts" })).toBe(false);
    expect(pointsDown({ from: "src/envs/pusht.ts", to: "#host" })).toBe(false);
  });

  test("every file stands in a known room", () => {
    expect(sources.map(({ file }) => file).filter((file) => levelOf(file) === -1)).toEqual([]);
  });

  test("imports point one way: down", () => {
    expect(text(imports.filter(({ to }) => to.startsWith("src/") || to === "#host").filter((edge) => !pointsDown(edge)))).toEqual([]);
  });

  test("no two files import each other, directly or in a circle", () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const finished = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
      if (finished.has(file) || trail.includes(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      finished.add(file);
    };
    for (const file of edges.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  test("Node's own modules stay in the command line and the host of Node", () => {
    const isAllowed = (file: string): boolean => roomOf(file) === "cli" || nodeFiles.includes(file);
    expect(text(imports.filter(({ from, to }) => to.startsWith("node:") && !isAllowed(from)))).toEqual([]);
  });

  test("only declared packages are imported, and webgpu only where Node's host asks for it", () => {
    const { dependencies, optionalDependencies } = manifest();
    const packages = imports.filter(({ to }) => !to.startsWith("src/") && !to.startsWith("node:") && to !== "#host");
    const isDeclared = ({ from, to }: Import): boolean =>
      Object.hasOwn(dependencies, to.split("/")[0]!) || (to in optionalDependencies && nodeFiles.includes(from));
    expect(text(packages.filter((edge) => !isDeclared(edge)))).toEqual([]);
  });

  test("every export is imported by another file of the package, entry points included", () => {
    const entries = new Set(["src/index.ts", "src/kernels/index.ts", "src/envs/index.ts"]);
    const namesIn = (list: readonly Import[]): Set<string> => new Set(list.flatMap(({ to, names }) => names.map((name) => `${to} ${name}`)));
    const used = namesIn(imports);
    // A test may open a part of a file that the file itself works with. What tests alone use is dead.
    const opened = namesIn([...filesBelow("test", ".ts"), ...filesBelow("bench", ".ts")].map(parse).flatMap(importsOf));
    const unused = sources.filter(({ file }) => !entries.has(file)).flatMap(({ file, tree }) => {
      if (used.has(`${file} *`) || file.startsWith("src/engine/host/")) return [];
      const names = exportedStatements(tree).flatMap(namesOf);
      const isUsed = (name: string): boolean =>
        used.has(`${file} ${name}`) || isNamedInOwnSignature(tree, name) || (opened.has(`${file} ${name}`) && mentions(tree, name) > 1);
      return names.filter((name) => !isUsed(name)).map((name) => `${file}: ${name}`);
    });
    expect(unused).toEqual([]);
  });
});

function exportedStatements(tree: ts.SourceFile): ts.Statement[] {
  return tree.statements.filter(
    (statement) => ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword),
  );
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name).filter(ts.isIdentifier).map(({ text: name }) => name);
  }
  const { name } = statement as ts.Statement & { name?: ts.Node };
  return name !== undefined && ts.isIdentifier(name) ? [name.text] : [];
}

/** How often a file says a name, its declaration included. */
function mentions(tree: ts.SourceFile, name: string): number {
  let count = 0;
  walk(tree, (node) => { if (ts.isIdentifier(node) && node.text === name) count++; });
  return count;
}

/** A type that an exported declaration of the same file speaks of must be exported with it. */
function isNamedInOwnSignature(tree: ts.SourceFile, name: string): boolean {
  let isNamed = false;
  walk(tree, (node) => {
    if ((ts.isTypeReferenceNode(node) && node.typeName.getText(tree) === name) || (ts.isExpressionWithTypeArguments(node) && node.expression.getText(tree) === name)) isNamed = true;
  });
  return isNamed;
}

describe("style of src", () => {
  test("errors come from the closed set: no built-in error is constructed outside its file", () => {
    const builtIn = /^(Error|TypeError|RangeError|SyntaxError|EvalError|ReferenceError)$/;
    const found: string[] = [];
    for (const { file, tree } of sources) {
      if (file === errorFile) continue;
      walk(tree, (node) => {
        if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && ts.isIdentifier(node.expression) && builtIn.test(node.expression.text)) {
          found.push(`${file}:${tree.getLineAndCharacterOfPosition(node.pos).line + 1}`);
        }
      });
    }
    expect(found).toEqual([]);
  });

  test("nothing prints outside the command line, and chance comes from the seed alone", () => {
    const found: string[] = [];
    for (const { file, tree } of sources) {
      walk(tree, (node) => {
        if (!ts.isPropertyAccessExpression(node)) return;
        const owner = node.expression.getText(tree);
        const prints = owner === "console" || (owner === "process" && /^(stdout|stderr)$/.test(node.name.text));
        if ((prints && roomOf(file) !== "cli") || (owner === "Math" && node.name.text === "random")) found.push(`${file}: ${node.getText(tree)}`);
      });
    }
    expect(found).toEqual([]);
  });

  test("everything exported is documented", () => {
    const missing = sources.flatMap(({ file, tree }) => {
      const statements = exportedStatements(tree);
      // One comment serves all overloads of a function.
      const documented = new Set(statements.filter((statement) => ts.getJSDocCommentsAndTags(statement).length > 0).flatMap(namesOf));
      // Every file of src/kernels ends with the list of its specs, for the registry.
      const isList = (name: string): boolean => roomOf(file) === "kernels" && name.endsWith("Kernels");
      return statements.flatMap(namesOf).filter((name) => !documented.has(name) && !isList(name)).map((name) => `${file}: ${name}`);
    });
    expect(missing).toEqual([]);
  });
});

/** `nn/linear_backward_weight` for both `linear_backward_weight.wgsl` and its twin `linear-backward-weight.ts`. */
function kernelNames(folder: string, ending: string): string[] {
  return filesBelow(folder, ending)
    .map((file) => file.slice(folder.length + 1, -ending.length).replaceAll("-", "_"))
    .filter((name) => !name.startsWith("lib/"))
    .sort();
}

const headerWords = ["shapes", "owns", "grid", "order", "alias", "limits", "test"];

/** What is wrong with the header of a kernel, if anything: eight entries in their order, each on one or more lines. */
function headerFault(file: string): string | undefined {
  const comments = readFileSync(path.join(root, file), "utf8").split("\n").map((line) => /^\/\/ (.*)$/.exec(line)?.[1] ?? "");
  const first = comments[0] ?? "";
  const name = path.basename(file).replace(/\.(wgsl|ts)$/, "").replaceAll("-", "_");
  if (!first.startsWith(`${name} — `)) return `${file}: the first line is not "// ${name} — <formula>"`;
  const end = comments.findIndex((comment) => comment === "");
  const entries = comments.slice(1, end === -1 ? undefined : end).map((comment) => /^([a-z]+) {2,}\S/.exec(comment)?.[1]).filter((word) => word !== undefined);
  return entries.join() === headerWords.join() ? undefined : `${file}: the header has ${entries.join(", ")} instead of ${headerWords.join(", ")}`;
}

describe("kernels", () => {
  test("every WGSL kernel has its AssemblyScript twin, and the other way round", () => {
    expect(kernelNames("assembly/kernels", ".ts")).toEqual(kernelNames("kernels", ".wgsl"));
  });

  test("every kernel opens with the eight lines that let a reader rewrite it", () => {
    const files = filesBelow("kernels", ".wgsl").filter((file) => !file.startsWith("kernels/lib/"));
    expect(files.map(headerFault).filter((fault) => fault !== undefined)).toEqual([]);
  });
});

describe("the repository", () => {
  const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: root, encoding: "utf8" })
    .split("\0")
    .filter((file) => file !== "" && existsSync(path.join(root, file)));
  const isText = (file: string): boolean => /\.(ts|mjs|js|json|md|wgsl|html|css|yml)$|^\.|\/run$/.test(file);

  test("no file is larger than 4 MB", () => {
    expect(tracked.filter((file) => statSync(path.join(root, file)).size > 4_000_000)).toEqual([]);
  });

  test("no file names a folder of one machine", () => {
    const place = /(?<![\w.$)}])\/(?:home|Users|root|work)\/[\w.]/;
    expect(tracked.filter(isText).filter((file) => place.test(readFileSync(path.join(root, file), "utf8")))).toEqual([]);
  });

  test("no code names a host", () => {
    const address = /\b(?:https?|wss?|git):\/\/(?!localhost\b|127\.0\.0\.1\b|www\.w3\.org\/|\$\{|<)[\w.-]/;
    const code = tracked.filter((file) => isText(file) && !file.endsWith(".md") && file !== "package-lock.json");
    expect(code.filter((file) => address.test(readFileSync(path.join(root, file), "utf8")))).toEqual([]);
    expect(readFileSync(path.join(root, "package-lock.json"), "utf8")).not.toContain('"resolved"');
  });
});

import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";
import js from "@eslint/js";

export default defineConfig(
  { ignores: ["dist", "build", "src/generated", "assembly", "node_modules", "examples/browser/dist", "runs"] },
  js.configs.recommended,
  {
    // The compiler reports these, with types.
    rules: { "no-undef": "off", "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx", "hack"] }] },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.test.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/naming-convention": [
        "error",
        { selector: "typeLike", format: ["PascalCase"] },
        { selector: ["function", "classMethod"], format: ["camelCase"], leadingUnderscore: "forbid" },
        { selector: "enum", format: null, custom: { regex: "^$", match: true } },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // An optional package is typed by `import()` types alone.
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      // Bounds are checked by the loop around an index; the assertion says so.
      "@typescript-eslint/no-non-null-assertion": "off",
      // A chain of explicit comparisons reads better than the one it proposes.
      "@typescript-eslint/prefer-optional-chain": "off",
      "@typescript-eslint/prefer-for-of": "off",
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
      "@typescript-eslint/prefer-promise-reject-errors": ["error", { allowThrowingUnknown: true }],
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/no-confusing-non-null-assertion": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/prefer-string-starts-ends-with": "off",
      // `a || b` of booleans is meant.
      "@typescript-eslint/prefer-nullish-coalescing": ["error", { ignorePrimitives: { boolean: true } }],
    },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "MemberExpression[property.name=/^(only|skip)$/][object.name=/^(it|test|describe)$/]", message: "A test runs, or says why not with skipIf." },
      ],
    },
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Exports have names." },
        { selector: "TSEnumDeclaration", message: "Use a union of string literals." },
      ],
    },
  },
);

import { accessSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import { build, type Rolldown } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));
const programs = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** Start flags for a closed network and no sandbox (root); WebGPU runs on Chromium's own software Vulkan. */
const launchFlags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const webgpuFlags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const places = programs.flatMap((program) => folders.map((folder) => path.join(folder, program)));
  return [process.env.DIFFTUNE_CHROMIUM, ...places].find((file) => {
    if (file === undefined) return false;
    try {
      accessSync(file);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why browser tests cannot run here; undefined where they can. `npm test` installs Chromium where it may. */
export const browserMissing = findChromium() === undefined
  ? "no Chromium: set DIFFTUNE_CHROMIUM, or install it (Debian: apt-get install chromium)"
  : undefined;

/** Options of {@link openPage}. */
export interface PageOptions {
  /** Sends COOP and COEP, so that the page may share memory between threads. Default true. */
  readonly isolated?: boolean;
  /** Offers WebGPU, on software. Default true. */
  readonly webgpu?: boolean;
  /** More response headers, for example a content security policy. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page of headless Chromium with a bundle loaded. */
export interface OpenPage {
  readonly page: Page;
  /** What the page wrote to its console and every error that nobody caught. */
  readonly messages: readonly string[];
  /** Calls an exported function of a TypeScript entry inside the page. Arguments and result travel as JSON. */
  call<Result>(name: string, ...args: readonly unknown[]): Promise<Result>;
  close(): Promise<void>;
}

type Files = ReadonlyMap<string, string | Uint8Array>;

/** Bundles for the browser, from the sources, as a user's bundler would: `#host` is the browser's. */
async function bundle(entry: string): Promise<Files> {
  const isPage = entry.endsWith(".html");
  const result = (await build({
    configFile: false,
    logLevel: "error",
    root: isPage ? path.dirname(entry) : root,
    resolve: {
      alias: { "#host": path.join(root, "src/engine/host/browser.ts"), difftune: path.join(root, "src/index.ts") },
    },
    build: {
      write: false,
      target: "es2023",
      minify: false,
      ...(isPage ? { rolldownOptions: { input: entry } } : { lib: { entry, formats: ["es"], fileName: () => "entry.js" } }),
    },
  })) as Rolldown.RolldownOutput | Rolldown.RolldownOutput[];
  const outputs = [result].flat().flatMap(({ output }) => output);
  const files = new Map<string, string | Uint8Array>(
    outputs.map((output) => [`/${output.fileName}`, output.type === "chunk" ? output.code : output.source]),
  );
  if (isPage) return files.set("/", files.get(`/${path.basename(entry)}`) ?? "");
  return files.set("/", `<!doctype html><meta charset="utf-8"><title>test</title><body><script type="module" src="/start.js"></script>`)
    .set("/start.js", `globalThis.entry = import("/entry.js"); globalThis.entry.catch(() => {});`);
}

/** Serves files of memory on a free port of the loopback interface. */
async function serve(files: Files, headers: Readonly<Record<string, string>>): Promise<{ origin: string; stop: () => Promise<void> }> {
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? "/", "http://localhost").pathname;
    const body = name === "/favicon.ico" ? "" : files.get(name);
    const type = contentTypes[name === "/" ? ".html" : path.extname(name)] ?? "application/octet-stream";
    response.writeHead(body === undefined ? 404 : 200, { "content-type": type, "cache-control": "no-store", ...headers });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => { resolve(); });
    }),
  };
}

/** Starts headless Chromium. */
export function launchBrowser({ webgpu = false }: Pick<PageOptions, "webgpu"> = {}): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium() ?? programs[0]!, args: [...launchFlags, ...(webgpu ? webgpuFlags : [])] });
}

/**
 * Opens an entry in headless Chromium: a TypeScript module, whose exports {@link OpenPage.call} calls, or an HTML page.
 *
 * @param entry path from the root of the repository
 * @example
 * const page = await openPage("test/browser/engine-entry.ts");
 * expect(await page.call("sampleOnce", 42)).toEqual(expected);
 * await page.close();
 */
export async function openPage(entry: string, options: PageOptions = {}): Promise<OpenPage> {
  const { isolated = true, webgpu = true, headers = {} } = options;
  const files = await bundle(path.join(root, entry));
  const isolation = isolated ? { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" } : {};
  const server = await serve(files, { ...isolation, ...headers });
  let browser: Browser | undefined;
  try {
    browser = await launchBrowser({ webgpu });
    const page = await browser.newPage();
    const messages: string[] = [];
    page.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => messages.push(`uncaught: ${error.stack ?? error.message}`));
    await page.goto(`${server.origin}/`);
    const opened = browser;
    return {
      page,
      messages,
      call: (name, ...args) => page.evaluate(callExport, { name, args }) as Promise<never>,
      close: async () => {
        await opened.close();
        await server.stop();
      },
    };
  } catch (error) {
    await browser?.close();
    await server.stop();
    throw error;
  }
}

/** Runs inside the page. */
async function callExport({ name, args }: { name: string; args: readonly unknown[] }): Promise<unknown> {
  const { entry } = globalThis as unknown as { entry: Promise<Record<string, (...values: readonly unknown[]) => unknown>> };
  const found = (await entry)[name];
  if (found === undefined) throw new Error(`The entry exports no "${name}".`);
  return found(...args);
}

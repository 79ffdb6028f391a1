import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { DifftuneError } from "../../core/errors.js";
import { systemCode } from "../files.js";

/** What a request is answered with. */
export interface Reply {
  readonly type: string;
  readonly body: Uint8Array | string;
  /** Default 200. */
  readonly status?: number;
}

/** What a {@link LocalServer} serves: nothing else exists. */
export interface LocalSite {
  /** Answers a GET by its path, exactly as it was written; undefined where there is no such thing. */
  get(path: string): Reply | undefined | Promise<Reply | undefined>;
  /** Answers a POST that was found to come from the page itself. */
  post(path: string, message: unknown): Reply | undefined | Promise<Reply | undefined>;
  /** The path of a stream of server-sent events. */
  readonly events: string;
  /** Called when somebody listens to the events: what it is told first. */
  greet(): string | Promise<string>;
  /** The header of every POST that carries {@link LocalServer.token}. */
  readonly tokenHeader: string;
}

/**
 * Everything is refused but the site's own scripts, styles and pictures; no frame may show the page, no other page may reach its
 * window or embed its parts, and no text becomes markup.
 */
const headers = {
  "content-security-policy": [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "cache-control": "no-store",
} as const;

/** Longest message that is read, bytes. */
const mostBytes = 4096;
const loopback = "127.0.0.1";
/** How often a stream says that it is alive, milliseconds. */
const heartbeatMs = 15_000;

/** A server for one page on the loopback interface, which answers to nobody but that page. */
export class LocalServer {
  /** What a POST must carry: only the page can know it, since no other may read what the server says. */
  readonly token = randomBytes(24).toString("base64url");
  readonly #site: LocalSite;
  readonly #server: Server;
  readonly #listeners = new Set<ServerResponse>();
  #heartbeat: NodeJS.Timeout | undefined;
  #port = 0;
  /** Messages that are being answered. */
  readonly #open = new Set<Promise<void>>();

  private constructor(site: LocalSite) {
    this.#site = site;
    this.#server = createServer((request, response) => {
      const done = this.#serve(request, response).finally(() => this.#open.delete(done));
      this.#open.add(done);
    });
  }

  /** Starts to listen on a port, 0 for any that is free. */
  static async listen(site: LocalSite, port: number): Promise<LocalServer> {
    const server = new LocalServer(site);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (cause) => { reject(portError(port, cause)); });
      server.#server.listen(port, loopback, resolve);
    });
    const address = server.#server.address();
    server.#port = typeof address === "object" && address !== null ? address.port : port;
    server.#heartbeat = setInterval(() => { server.#send(":\n\n"); }, heartbeatMs);
    return server;
  }

  /** Where the page is. */
  get address(): string {
    return `http://${loopback}:${this.#port}/`;
  }

  /** Tells all who listen to the events. */
  tell(message: string): void {
    this.#send(`data: ${message}\n\n`);
  }

  /** Whether anybody listens. */
  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  /** Answers what has come, and stops. Twice is once. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    const closed = new Promise<void>((resolve) => { this.#server.close(() => { resolve(); }); });
    for (const listener of this.#listeners) listener.end();
    this.#server.closeIdleConnections();
    await Promise.allSettled([...this.#open]);
    this.#server.closeAllConnections();
    await closed;
  }

  #send(text: string): void {
    for (const listener of this.#listeners) listener.write(text);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let reply: Reply;
    try {
      const refusal = this.#refusal(request);
      if (refusal === undefined && request.method !== "POST" && request.url === this.#site.events) {
        await this.#listen(request, response);
        return;
      }
      reply = refusal ?? (await this.#reply(request)) ?? refuse(404, "There is no such page.");
    } catch (error) {
      // What the user can do something about is said; the request fails, the server goes on.
      reply = refuse(error instanceof DifftuneError && error.code !== "INVARIANT" ? 409 : 500, error instanceof Error ? error.message : String(error));
    }
    const { status = 200, type, body } = reply;
    response.writeHead(status, { ...headers, "content-type": type, "content-length": Buffer.byteLength(body), ...(status === 405 ? { allow: "GET, HEAD, POST" } : {}) });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  /** Why a request is not heard; undefined where it is. */
  #refusal({ headers: given, method }: IncomingMessage): Reply | undefined {
    // Another name of this address is what a hostile page would have its own name become.
    if (!this.#hosts.includes(given.host ?? "")) return refuse(421, "This server answers to its own address alone.");
    if (given.origin !== undefined && !this.#hosts.some((host) => given.origin === `http://${host}`)) return refuse(403, "This server answers to its own page alone.");
    const site = given["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin" && (site !== "none" || method === "POST")) return refuse(403, "This server answers to its own page alone.");
    if (method !== "GET" && method !== "HEAD" && method !== "POST") return refuse(405, "This server knows GET, HEAD and POST.");
    if (method !== "POST") return undefined;
    const token = given[this.#site.tokenHeader];
    if (typeof token !== "string" || !isSame(token, this.token)) return refuse(403, "This message does not carry the word of this session: load the page again.");
    return /^application\/json(;|$)/.test(given["content-type"] ?? "") ? undefined : refuse(415, "Messages are JSON.");
  }

  get #hosts(): readonly string[] {
    return [`${loopback}:${this.#port}`, `localhost:${this.#port}`];
  }

  async #reply(request: IncomingMessage): Promise<Reply | undefined> {
    const path = request.url ?? "";
    if (request.method !== "POST") return this.#site.get(path);
    const parts: Buffer[] = [];
    let size = 0;
    // A message that is cut off is still answered.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += part.byteLength;
      if (size > mostBytes) return refuse(413, "This message is too long.");
      parts.push(part);
    }
    let message: unknown;
    try {
      message = JSON.parse(Buffer.concat(parts).toString("utf8"));
    } catch {
      return refuse(400, "This message is no JSON.");
    }
    return this.#site.post(path, message);
  }

  async #listen(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8" });
    response.on("close", () => this.#listeners.delete(response));
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    // A page that has lost its server asks for it again after so many milliseconds.
    response.write(`retry: 500\ndata: ${await this.#site.greet()}\n\n`);
    if (!response.destroyed) this.#listeners.add(response);
  }
}

/** A refusal, in a sentence. */
export function refuse(status: number, text: string): Reply {
  return { status, type: "text/plain; charset=utf-8", body: `${text}\n` };
}

/** A JSON reply. */
export function replyJson(value: unknown): Reply {
  return { type: "application/json", body: JSON.stringify(value) };
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

function portError(port: number, cause: Error): DifftuneError {
  const reasons: Readonly<Record<string, string>> = { EADDRINUSE: "another program listens there.", EACCES: "permission is denied." };
  return new DifftuneError("OPTION", `Port ${port} cannot be used: ${reasons[systemCode(cause) ?? ""] ?? `${cause.message}.`}`, {
    path: "port", got: port, cause, hint: "Is there a labelling page already? Else give another port by --port, or 0 for any that is free.",
  });
}

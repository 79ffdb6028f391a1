import path from "node:path";
import { Canvas } from "../../envs/drawing/canvas.js";
import { encodePng } from "../../envs/drawing/encode.js";
import type { Image } from "../../envs/environment.js";
import type { Answer } from "../../preference/annotators.js";
import type { Question } from "../../preference/labelling.js";
import { writeAtomically } from "../files.js";
import type { LabelSession } from "./label-session.js";
import type { StatePainter } from "./state-pictures.js";

/** What a key means. */
type KeyMeaning = Answer | "undo" | "quit";

/** Keys of a terminal by the bytes that it sends. */
const meanings: ReadonlyMap<string, KeyMeaning> = new Map<string, KeyMeaning>([
  ["a", 0], ["\u001b[D", 0], ["\u001bOD", 0],
  ["d", 1], ["\u001b[C", 1], ["\u001bOC", 1],
  [" ", -1], ["s", "skip"], ["u", "undo"], ["q", "quit"], ["\u0003", "quit"], ["\u0004", "quit"],
]);

const pictureName = "question.png";
const [gap, band] = [16, 44];

/** The terminal that keys come from and words go to. */
export interface Terminal {
  readonly input: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };
  readonly print: (line: string) => void;
}

/** Labels in a terminal: both pictures side by side in a file, one key for an answer. */
export class TerminalAnnotator {
  readonly #session: LabelSession;
  readonly #painter: StatePainter;
  readonly #terminal: Terminal;

  constructor(session: LabelSession, painter: StatePainter, terminal: Terminal) {
    this.#session = session;
    this.#painter = painter;
    this.#terminal = terminal;
  }

  /** Asks until there are enough labels, the user has enough, or the input ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { input, print } = this.#terminal;
    print("Keys: left or a, right or d: which one is better; space: equally good; s: skip; u: undo; q: quit.");
    input.setRawMode?.(true);
    try {
      let question = await this.#ask();
      for await (const key of keysOf(input, signal)) {
        if (question === undefined || signal.aborted) return;
        const meaning = meanings.get(key.length === 1 ? key.toLowerCase() : key);
        if (meaning === "quit") return;
        if (meaning === undefined) continue;
        if (meaning !== "undo") await this.#session.answer(question.key, meaning);
        else if (!(await this.#session.undo())) print("There is nothing to take back.");
        question = await this.#ask();
        if (question === undefined) return;
      }
    } finally {
      input.setRawMode?.(false);
    }
  }

  /** Writes the pictures of the next question, and says where. */
  async #ask(): Promise<Question | undefined> {
    const question = await this.#session.question();
    const { progress, reward, folder } = this.#session;
    if (question === undefined) return undefined;
    const file = path.join(folder, pictureName);
    await writeAtomically(file, await this.#picture(question));
    const accuracy = reward.learned?.validationAccuracy;
    const learned = accuracy === undefined ? "" : `; the reward is right on ${(100 * accuracy).toFixed(0)} % of held-out pairs`;
    this.#terminal.print(`${progress.labelled} of ${progress.target}${learned}. Which one is better? ${file}`);
    return question;
  }

  #picture({ left, right }: Question): Promise<Uint8Array> {
    const { pool } = this.#session;
    // A clip is shown by its end, with the way to it.
    const [first, second] = [left, right].map((segment) => this.#painter.paint(pool.statesOf(segment), pool.horizon - 1)) as [Image, Image];
    const canvas = new Canvas(first.width + gap + second.width, first.height + band);
    for (const [image, at, words] of [[first, 0, "left, a"], [second, first.width + gap, "right, d"]] as const) {
      canvas.place(image, at, band);
      canvas.text(at + image.width / 2, band / 2, words, { size: 16, align: "centre" });
    }
    return encodePng(canvas.image());
  }
}

/** Single keys of what a terminal, or a pipe, sends. */
async function* keysOf(input: AsyncIterable<Buffer | string>, signal: AbortSignal): AsyncGenerator<string, void, undefined> {
  const iterator = input[Symbol.asyncIterator]();
  const aborted = new Promise<undefined>((resolve) => { signal.addEventListener("abort", () => { resolve(undefined); }, { once: true }); });
  for (;;) {
    const part = await Promise.race([iterator.next(), aborted]);
    if (part === undefined || part.done === true) return;
    // eslint-disable-next-line no-control-regex -- an arrow key begins with the escape character
    yield* String(part.value).match(/\u001b[[O][A-Z]|[^\n\r]/g) ?? [];
  }
}

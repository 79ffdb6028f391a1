import { randomBytes } from "node:crypto";
import * as v from "valibot";
import { encodePng } from "../../envs/drawing/encode.js";
import type { Image } from "../../envs/environment.js";
import { labelPage } from "../../generated/label-page.js";
import type { Answer } from "../../preference/annotators.js";
import type { Question } from "../../preference/labelling.js";
import type { LabelSession } from "./label-session.js";
import { LocalServer, refuse, replyJson, type LocalSite, type Reply } from "./local-server.js";
import { routes, tokenHeader, type AnswerMessage, type LabelState, type ShownSegment } from "./protocol.js";
import { paintMap, workspaceOf, type StatePainter } from "./state-pictures.js";

const answers = { left: 0, right: 1, tie: -1, skip: "skip" } as const satisfies Readonly<Record<AnswerMessage["answer"], Answer>>;
const answerSchema = v.strictObject({ key: v.pipe(v.string(), v.maxLength(100)), answer: v.picklist(["left", "right", "tie", "skip"]) });
const nothingSchema = v.strictObject({});

/** How long an answer waits for the next question, ms: choosing a whole round of them takes longer, and is told by an event. */
const patienceMs = 100;
/** Least time between two events while a training goes on, ms. */
const eventMs = 150;
/** Pictures that are kept. */
const mostPictures = 64;

/** The labelling page of a session: what it shows, and what it is told. */
export class LabelPage implements LocalSite {
  readonly events = routes.events;
  readonly tokenHeader = tokenHeader;
  readonly #session: LabelSession;
  readonly #painter: StatePainter;
  /** Pictures and states of one session never stand for those of another, whatever a browser keeps. */
  readonly #name = randomBytes(6).toString("hex");
  readonly #pictures = new Map<string, Promise<Uint8Array>>();
  #server: LocalServer | undefined;
  #question: Question | undefined;
  #version = 0;
  /** Why the last answer could not be kept, or no question be chosen. */
  #failure: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(session: LabelSession, painter: StatePainter) {
    this.#session = session;
    this.#painter = painter;
  }

  /** Serves the page of a session on a port of the loopback interface, 0 for any that is free. */
  static async serve(session: LabelSession, painter: StatePainter, port: number): Promise<LabelPage> {
    const page = new LabelPage(session, painter);
    await page.#choose();
    page.#server = await LocalServer.listen(page, port);
    return page;
  }

  /** Where the page is. */
  get address(): string {
    return this.#server!.address;
  }

  /** Something has changed: those who look are told, soon. */
  changed(): void {
    if (this.#server?.isHeard !== true) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#server?.tell(JSON.stringify(this.#state()));
    }, eventMs);
  }

  /** Answers what has come, and stops. Twice is once. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#server?.close();
  }

  greet(): string {
    return JSON.stringify(this.#state());
  }

  async get(path: string): Promise<Reply | undefined> {
    const file = labelPage.get(path);
    if (file !== undefined) return file;
    if (path === routes.state) return replyJson(this.#state());
    const [, name, what, at] = /^\/([0-9a-f]{12})\/(map|\d{1,9})-(\d{1,9})\.png$/.exec(path) ?? [];
    if (name !== this.#name) return undefined;
    const picture = what === "map" ? this.#map(Number(at)) : this.#picture(Number(what), Number(at));
    return picture === undefined ? undefined : { type: "image/png", body: await picture };
  }

  async post(path: string, message: unknown): Promise<Reply | undefined> {
    const parsed = v.safeParse(path === routes.answer ? answerSchema : nothingSchema, message);
    switch (path) {
      case routes.answer: {
        if (!v.is(answerSchema, message)) return refuse(400, "This is no answer.");
        // One that is not taken was for an earlier question: the page learns from the state which one is asked now.
        try {
          if (await this.#session.answer(message.key, answers[message.answer])) await this.#choose();
        } catch (error) {
          this.#failure = messageOf(error);
          throw error;
        }
        return replyJson(this.#state());
      }
      case routes.undo:
      case routes.more:
      case routes.train:
        if (!parsed.success) return refuse(400, "This message has nothing to say.");
        if (path === routes.train) this.#session.train();
        else if (path === routes.more) this.#session.goOn();
        else await this.#session.undo();
        await this.#choose();
        return replyJson(this.#state());
      default: return undefined;
    }
  }

  /** Takes the next question, or lets it come where a whole round of them is being chosen. */
  async #choose(): Promise<void> {
    this.#question = undefined;
    const chosen = this.#session.question().then(
      (question) => { [this.#question, this.#failure] = [question, undefined]; },
      (error: unknown) => { this.#failure = messageOf(error); },
    );
    await Promise.race([chosen, new Promise((resolve) => { setTimeout(resolve, patienceMs); })]);
    void chosen.then(() => { this.changed(); });
  }

  #state(): LabelState {
    const { folder, end, reward, progress } = this.#session;
    const { labelled, target, ties, skipped, repeats, consistency } = progress;
    const { learned, history } = reward;
    const training = reward.isTraining ? { labels: 0, epoch: 0, epochs: 1, ...reward.progress } : undefined;
    const notice = this.#failure ?? reward.failure;
    const { left, right, key } = this.#question ?? {};
    return {
      session: this.#name, version: ++this.#version, token: this.#server?.token ?? "", environment: this.#painter.environment, folder,
      ...(key === undefined || left === undefined || right === undefined ? {} : { question: { key, left: this.#shown(left), right: this.#shown(right) } }),
      ...(end === undefined ? {} : { end }),
      labelled, target, ties, skipped, repeats,
      ...(consistency === undefined ? {} : { consistency }),
      ...(training === undefined ? {} : { training }),
      ...(learned === undefined ? {} : {
        reward: {
          labels: learned.labels, accuracy: learned.accuracy, validationPairs: learned.validationPairs, history,
          ...(learned.validationAccuracy === undefined ? {} : { validationAccuracy: learned.validationAccuracy }),
          ...(learned.map === undefined ? {} : { map: `/${this.#name}/map-${history.length}.png` }),
        },
      }),
      ...(notice === undefined ? {} : { notice }),
    };
  }

  #picture(segment: number, at: number): Promise<Uint8Array> | undefined {
    const { episodes, horizon } = this.#session.pool;
    if (segment >= episodes.length || at >= horizon) return undefined;
    return this.#keep(`${segment}-${at}`, () => this.#painter.paint(this.#session.pool.statesOf(segment), at));
  }

  /** A picture by its name, drawn once; the oldest goes. */
  #keep(name: string, paint: () => Image): Promise<Uint8Array> {
    const known = this.#pictures.get(name);
    if (known !== undefined) return known;
    const picture = encodePng(paint());
    this.#pictures.set(name, picture);
    if (this.#pictures.size > Math.max(mostPictures, 4 * this.#session.pool.horizon)) this.#pictures.delete(this.#pictures.keys().next().value!);
    return picture;
  }

  /** The heat map of what was learned last, with dots where the labelled states are; `training` names it. */
  #map(training: number): Promise<Uint8Array> | undefined {
    const { learned, history } = this.#session.reward;
    if (learned?.map === undefined || training !== history.length) return undefined;
    const { axes } = workspaceOf(this.#painter.environment);
    return this.#keep(`map-${training}`, () => paintMap(learned.map!, this.#session.placesOf(axes)));
  }

  #shown(segment: number): ShownSegment {
    const { horizon } = this.#session.pool;
    return {
      pictures: Array.from({ length: horizon }, (_, at) => `/${this.#name}/${segment}-${at}.png`),
      text: this.#painter.describe(this.#session.pool.statesOf(segment)),
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the labelling page and its server say to each other, as JSON. */

/** Where the page finds things. */
export const routes = {
  /** GET: a {@link LabelState}. */
  state: "/state",
  /** GET: a stream of server-sent events, each a {@link LabelState}. */
  events: "/events",
  /** POST an {@link AnswerMessage}: the answer is on the disk when this responds with a {@link LabelState}. */
  answer: "/answer",
  /** POST `{}`: takes the last answer back. */
  undo: "/undo",
  /** POST `{}`: learns the reward from the labels so far. */
  train: "/train",
  /** POST `{}`: asks on although there are as many labels as wanted. */
  more: "/more",
} as const;

/** The header of every POST that carries {@link LabelState.token}. */
export const tokenHeader = "x-difftune-token";

/** One side of a question. */
export interface ShownSegment {
  /** Addresses of its pictures, one for each state. */
  readonly pictures: readonly string[];
  /** What they show, in words. */
  readonly text: string;
}

/** Two segments that are to be compared. */
export interface ShownQuestion {
  /** Goes back with the answer. */
  readonly key: string;
  readonly left: ShownSegment;
  readonly right: ShownSegment;
}

/** Everything that the page shows. */
export interface LabelState {
  /** Another one after a restart of the server. */
  readonly session: string;
  /** Grows with every state of a session: of two, the larger is the newer. */
  readonly version: number;
  /** What a POST must carry. */
  readonly token: string;
  /** What is labelled, and where the labels are: for the head of the page. */
  readonly environment: string;
  readonly folder: string;
  /** Undefined while the next questions are being chosen, and at the end. */
  readonly question?: ShownQuestion;
  /** Why there is nothing more to ask: as many labels as wanted, or a reward that is right about nearly all. */
  readonly end?: "target" | "accuracy";
  readonly labelled: number;
  readonly target: number;
  readonly ties: number;
  readonly skipped: number;
  readonly repeats: number;
  /** Share of repeated questions that were answered alike. */
  readonly consistency?: number;
  readonly training?: { readonly labels: number; readonly epoch: number; readonly epochs: number };
  readonly reward?: {
    readonly labels: number;
    readonly accuracy: number;
    readonly validationAccuracy?: number;
    readonly validationPairs: number;
    /** Labels and validation accuracy of each training. */
    readonly history: readonly (readonly [labels: number, accuracy: number])[];
    /** Address of the heat map; undefined where the features have none. */
    readonly map?: string;
  };
  /** Something that the user should know, a sentence. */
  readonly notice?: string;
}

/** An answer to a question, as it is seen. */
export interface AnswerMessage {
  readonly key: string;
  readonly answer: "left" | "right" | "tie" | "skip";
}

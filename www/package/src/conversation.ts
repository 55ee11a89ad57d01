// A conversation with the assistant: what the customer writes goes in; the shop's actions
// are called on the way; what is said comes out.
import { demand, fields, isObject, limited, reading, stringify } from "./arguments.js";
import { ShelfedgeError } from "./errors.js";
import type { AssistAnswer, AssistPacket, AssistTurn } from "./wire.js";

/** What an action brought. */
export interface ActionOutcome {
  /** One of the outcomes that the flows give the action; `failed` where the shop can't say. */
  readonly outcome: string;
  /** The facts that the outcome brings, as the customer reads them. */
  readonly facts?: Readonly<Record<string, string | number>>;
  /** What the fact `items` lists. The kind is an entity's, such as `order_number` or `product`: "the first one" then means its value. */
  readonly items?: readonly { readonly kind: string; readonly value: string; readonly label: string }[];
}

/** What an action is called with, beside its inputs. */
export interface ActionCall {
  readonly action: string;
  /** Its number in this conversation: fit for an idempotency key. */
  readonly id: number;
  /** Whether it changes something; the customer has said yes to its required inputs. */
  readonly commits: boolean;
  /** Aborted when nobody waits for the outcome any more. */
  readonly signal: AbortSignal;
}

/** Does what the flows ask of the shop: looks up an order, sets up a return. */
export type Action = (inputs: Readonly<Record<string, string>>, call: ActionCall) => ActionOutcome | Promise<ActionOutcome>;

export interface ChatOptions {
  /** By the names that the flows give them. One that is missing counts as failed, so a person is fetched; without `answer_question` and `find_products` the model answers by what it knows of the catalogue. */
  readonly actions?: Readonly<Record<string, Action>>;
  /** The `state` of an earlier chat, to go on with it. */
  readonly state?: string;
  /** The lines of an earlier chat. */
  readonly transcript?: readonly ChatLine[];
  /** Where time comes from. */
  readonly clock?: () => Date;
}

/** Somebody said something. */
export interface ChatLine {
  readonly who: "customer" | "assistant";
  readonly text: string;
}

/** What came of what the customer wrote, after all calls. */
export type ChatTurn = Pick<AssistTurn, "intent" | "sentiment" | "replies" | "language" | "expects" | "quick" | "person" | "place" | "satisfaction" | "ended" | "nudge_ms"> & {
  /** Actions that threw, took too long, aren't there or brought what is no outcome of theirs; the customer was told nothing that isn't known. */
  readonly failed: readonly { readonly action: string; readonly error: unknown }[];
};

/** What a person who takes over should see. Personal data is masked. */
export type Packet = AssistPacket["packet"];

/**
 * Answers a request of `POST /v1/assist`: the engine in the page, or an edge.
 *
 * @internal
 */
export type Answers = (request: object) => Promise<object>;

// Calls for one thing that was said. Flows can't go in circles without asking something.
const MOST_CALLS = 32;
const MOST_LINES = 500;

/** A conversation. Turns wait for each other. */
export class Chat {
  #answers: Answers;
  #actions: Readonly<Record<string, Action>>;
  #clock: () => Date;
  #state: string | undefined;
  #transcript: ChatLine[];
  #last: Promise<unknown> = Promise.resolve();
  #closed = new AbortController();

  /** @internal Use `assistant.chat()` or `chatAt()`. */
  constructor(answers: Answers, options: ChatOptions = {}) {
    const { actions = {}, state, transcript = [], clock = () => new Date() } = fields(options);
    demand(
      ["actions", isObject(actions) && Object.values(actions).every((action) => typeof action === "function"), "an object of functions"],
      ["state", state === undefined || typeof state === "string", "the state of an earlier chat"],
      ["transcript", Array.isArray(transcript) && transcript.every((line: unknown) => isObject(line) && "text" in line && typeof line.text === "string"), "the lines of an earlier chat"],
      ["clock", typeof clock === "function", "a function that gives a Date"],
    );
    this.#answers = answers;
    this.#actions = actions;
    this.#clock = clock;
    this.#state = state;
    this.#transcript = [...transcript];
  }

  /** What must be kept to go on after a reload; empty before the first turn. Holds what the customer said of orders and addresses. */
  get state(): string {
    return this.#state ?? "";
  }

  /** What was said. */
  get transcript(): readonly ChatLine[] {
    return this.#transcript;
  }

  /** Takes what the customer wrote. */
  async say(text: string): Promise<ChatTurn> {
    demand(["text", typeof text === "string", "a text"]);
    return this.#next(() => this.#turn({ text }, text));
  }

  /** Takes that nobody wrote for the last turn's `nudge_ms`. */
  async silence(): Promise<ChatTurn> {
    return this.#next(() => this.#turn({ silence: true }));
  }

  /** What a person who takes over should see. */
  async handover(): Promise<Packet> {
    return this.#next(async () => ((await this.#ask({ handover: this.#transcript })) as AssistPacket).packet);
  }

  /** Ends the conversation: what is under way is not waited for. */
  close(): void {
    this.#closed.abort(new ShelfedgeError("closed", "This chat is closed. Call chat() for another one."));
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(() => {
      this.#closed.signal.throwIfAborted();
      return work();
    });
    this.#last = next.catch(() => {});
    return next;
  }

  #ask(request: object): Promise<object> {
    const now = reading("clock", () => withOffset(this.#clock()));
    return this.#answers({ now, state: this.#state, ...request });
  }

  async #turn(first: object, said?: string): Promise<ChatTurn> {
    const replies: string[] = [];
    const failed: { action: string; error: unknown }[] = [];
    let turn = (await this.#ask(first)) as AssistTurn;
    const { intent, sentiment } = turn;
    if (said !== undefined) this.#note("customer", said);
    for (let calls = 0; ; calls++) {
      this.#closed.signal.throwIfAborted();
      this.#state = turn.state;
      replies.push(...turn.replies);
      for (const reply of turn.replies) this.#note("assistant", reply);
      if (!turn.call) break;
      if (calls >= MOST_CALLS) throw new ShelfedgeError("internal", "The flows call without end.");
      const { id, action } = turn.call;
      const outcome = await this.#call(turn.call, turn.nudge_ms).catch((error: unknown) => {
        failed.push({ action, error });
        return { name: "failed" };
      });
      this.#closed.signal.throwIfAborted();
      const answer = this.#ask({ outcome: { call: id, ...outcome } }).catch((error: unknown) => {
        // What isn't an outcome of the flows is the action's fault, and the customer gets on without it.
        if (outcome.name === "failed" || !(error instanceof ShelfedgeError) || !error.faults.length) throw error;
        failed.push({ action, error });
        return this.#ask({ outcome: { call: id, name: "failed" } });
      });
      turn = (await answer) as AssistTurn;
    }
    const { language, expects, quick, person, place, satisfaction, ended, nudge_ms } = turn;
    return { intent, sentiment, replies, language, expects, quick, person, place, satisfaction, ended, nudge_ms, failed };
  }

  #note(who: ChatLine["who"], text: string): void {
    this.#transcript.push({ who, text });
    if (this.#transcript.length > MOST_LINES) this.#transcript.shift();
  }

  /** What the model itself knows of the catalogue, where the shop has no action for it. */
  #known(action: string): Action | undefined {
    const ask = async (text: string) => (await this.#answers({ now: withOffset(this.#clock()), ask: text })) as AssistAnswer;
    switch (action) {
      case "answer_question":
        return async ({ product = "", question = "" }) => {
          for (const text of [question, `${question} ${product}`]) {
            const { answer } = await ask(text);
            if (answer !== null) return { outcome: "answered", facts: { answer } };
          }
          return { outcome: "no_answer" };
        };
      case "find_products":
        return async ({ wanted = "" }) => {
          const { products } = await ask(wanted);
          const items = products.map(({ name, label }) => ({ kind: "product", value: name, label }));
          return items.length > 0 ? { outcome: "found", items } : { outcome: "none" };
        };
      default:
        return undefined;
    }
  }

  /** Calls one of the shop's actions, for as long as the flows wait. */
  async #call({ id, action, inputs, commits }: NonNullable<AssistTurn["call"]>, most: number | null): Promise<{ name: string; facts?: object; items?: object }> {
    const act = Object.hasOwn(this.#actions, action) ? this.#actions[action] : this.#known(action);
    if (!act) throw new ShelfedgeError("action_missing", `The flows call ${action}, and the chat has no such action.`);
    const late = new AbortController();
    const stop = () => late.abort(this.#closed.signal.reason);
    this.#closed.signal.addEventListener("abort", stop, { once: true });
    const timer = setTimeout(() => late.abort(new ShelfedgeError("action_late", `${action} took longer than ${most} ms.`)), most ?? 15_000);
    try {
      const stopped = new Promise<never>((_, reject) => late.signal.addEventListener("abort", () => reject(late.signal.reason as Error), { once: true }));
      const brought = await Promise.race([stopped, (async () => act(inputs, { id, action, commits, signal: late.signal }))()]);
      demand([action, isObject(brought) && typeof brought.outcome === "string", "an object with the name of an outcome"]);
      const facts = Object.entries(brought.facts ?? {}).map(([name, value]) => [name, String(value)]);
      return { name: brought.outcome, facts: Object.fromEntries(facts) as object, items: brought.items as object };
    } finally {
      clearTimeout(timer);
      this.#closed.signal.removeEventListener("abort", stop);
    }
  }
}

/** RFC 3339 with the offset of the customer's zone: "tomorrow" is the customer's. */
function withOffset(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const there = new Date(time.getTime() + minutes * 60_000).toISOString().slice(0, -1);
  const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${there}${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
}

export interface RemoteOptions extends ChatOptions {
  /** Sent with each request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A conversation with an edge component, by the address of its `/v1/assist`: the models stay
 * there, and what the customer writes goes there.
 */
export function chatAt(address: string | URL, options: RemoteOptions = {}): Chat {
  const { headers } = fields(options);
  return new Chat(async (request) => {
    const body = reading("request", () => limited("text", stringify(request)));
    let response: Response;
    try {
      response = await fetch(address, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body });
    } catch (error) {
      throw new ShelfedgeError("fetch_failed", `${address} can't be reached: ${error}`, [], { cause: error });
    }
    const told = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; faults?: [] };
    if (!response.ok) throw new ShelfedgeError(told.code ?? "fetch_failed", told.detail ?? `${address} answered with status ${response.status}.`, told.faults ?? []);
    return told;
  }, options);
}

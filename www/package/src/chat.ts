/**
 * `<shelfedge-chat>`: a conversation with the assistant as a custom element. Importing this
 * module defines it. It needs no styles and no scripts but this one, and works under a
 * content security policy without `unsafe-inline`. See README.md.
 */
import type { Chat, ChatLine, ChatTurn, Packet } from "./conversation.js";

/** What the element talks to: a {@link Chat}, or anything that answers like one. */
export type Conversation = Pick<Chat, "say" | "silence" | "close" | "handover" | "transcript" | "state">;

/** Texts of the element's own. */
export interface ChatWords {
  readonly title: string;
  readonly open: string;
  readonly close: string;
  readonly greeting: string;
  readonly message: string;
  readonly send: string;
  readonly you: string;
  readonly assistant: string;
  readonly answers: string;
  readonly writing: string;
  readonly failed: string;
  readonly again: string;
}

const WORDS: Readonly<Record<"en" | "zh", ChatWords>> = {
  en: {
    title: "Chat with us",
    open: "Chat with us",
    close: "Close the chat",
    greeting: "Hello! How can I help you today?",
    message: "Your message",
    send: "Send",
    you: "You",
    assistant: "Assistant",
    answers: "Suggested answers",
    writing: "The assistant is writing…",
    failed: "That didn't work, and nothing was lost.",
    again: "Try again",
  },
  zh: {
    title: "在线客服",
    open: "在线客服",
    close: "关闭对话",
    greeting: "您好！请问有什么可以帮您？",
    message: "请输入消息",
    send: "发送",
    you: "您",
    assistant: "客服助手",
    answers: "可选的回答",
    writing: "客服助手正在输入…",
    failed: "没有成功，您的消息还在。",
    again: "重试",
  },
};

/** A customer's message, in characters. */
const LONGEST = 2_000;

const STYLE = `
:host {
  --_accent: var(--shelfedge-accent, #1d5c50);
  --_on-accent: var(--shelfedge-on-accent, #fff);
  --_surface: var(--shelfedge-surface, light-dark(#fff, #1d1c1a));
  --_text: var(--shelfedge-text, light-dark(#23211d, #efe9df));
  --_soft: var(--shelfedge-soft, light-dark(#5f594f, #b5ac9e));
  --_line: var(--shelfedge-line, light-dark(#ddd6ca, #45403a));
  --_theirs: var(--shelfedge-theirs, light-dark(#f1eee8, #2c2a27));
  --_radius: var(--shelfedge-radius, 1rem);
  position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; z-index: 50;
  display: block; color: var(--_text);
  font: var(--shelfedge-font, 1rem/1.45 system-ui, sans-serif);
}
:host([hidden]) { display: none; }
:host([inline]) { position: static; block-size: 32rem; }
*, ::before { box-sizing: border-box; }
[hidden] { display: none !important; }
p, ol { margin: 0; padding: 0; list-style: none; }
button, input { font: inherit; color: inherit; }
button { cursor: pointer; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.launcher { display: block; margin-inline-start: auto; min-block-size: 3rem; padding: 0 1.3rem; border: 1px solid transparent; border-radius: 3rem; background: var(--_accent); color: var(--_on-accent); font-weight: 600; box-shadow: 0 4px 18px rgb(0 0 0 / .25); }
.panel { display: flex; flex-direction: column; inline-size: min(24rem, calc(100vw - 2rem)); block-size: min(36rem, calc(100dvh - 2rem)); border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface); overflow: hidden; box-shadow: 0 10px 40px rgb(0 0 0 / .25); }
:host([inline]) .panel { inline-size: 100%; block-size: 100%; box-shadow: none; }
.head { display: flex; align-items: center; justify-content: space-between; gap: 1rem; padding: .5rem .5rem .5rem 1rem; background: var(--_accent); color: var(--_on-accent); font-weight: 600; }
.close { min-inline-size: 2.5rem; min-block-size: 2.5rem; border: 0; border-radius: 2rem; background: none; font-size: 1.4rem; line-height: 1; }
.close:focus-visible { outline-color: var(--_on-accent); outline-offset: -3px; }
.log { flex: 1; overflow-y: auto; padding: 1rem; display: flex; flex-direction: column; gap: .6rem; overscroll-behavior: contain; }
.log li { max-inline-size: 85%; padding: .5rem .8rem; border: 1px solid transparent; border-radius: var(--_radius); white-space: pre-line; overflow-wrap: anywhere; background: var(--_theirs); align-self: flex-start; border-end-start-radius: .25rem; }
.log .customer { align-self: flex-end; background: var(--_accent); color: var(--_on-accent); border-end-start-radius: var(--_radius); border-end-end-radius: .25rem; }
.writing { padding: 0 1rem .4rem; color: var(--_soft); font-size: .875rem; }
.trouble { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; padding: .5rem 1rem; border-block-start: 1px solid var(--_line); font-size: .9375rem; }
.quick { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0 1rem .7rem; max-block-size: 6.6rem; overflow-y: auto; }
.quick button, .trouble button { min-block-size: 2.25rem; padding: .2rem .8rem; border: 1px solid var(--_accent); border-radius: 2rem; background: none; text-align: start; }
.quick button:hover, .trouble button:hover { background: var(--_theirs); }
form { display: flex; gap: .5rem; padding: .6rem; border-block-start: 1px solid var(--_line); }
input { flex: 1; min-inline-size: 0; min-block-size: 2.5rem; padding: 0 .8rem; border: 1px solid var(--_soft); border-radius: 2rem; background: none; }
.send { min-block-size: 2.5rem; padding: 0 1rem; border: 1px solid transparent; border-radius: 2rem; background: var(--_accent); color: var(--_on-accent); font-weight: 600; }
@media (max-width: 30rem) { :host(:not([inline])[open]) { inset: 0; } :host(:not([inline])) .panel { inline-size: 100vw; block-size: 100dvh; border: 0; border-radius: 0; } }
`;

let sheet: CSSStyleSheet | undefined;

function style(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
  }
  return sheet;
}

function make<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Record<string, string> = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

// On a server there are no elements; importing this there is harmless.
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * A button that opens a conversation; with the attribute `inline`, the conversation itself.
 *
 * Events, which bubble and leave shadow trees: `shelfedge-turn` (detail: {@link ChatTurn}),
 * `shelfedge-person` (detail: the turn's `person`, and `packet()` for whoever takes over),
 * `shelfedge-error` (detail: the error).
 */
export class ShelfedgeChat extends Base {
  static readonly observedAttributes = ["open", "inline", "lang"];

  #connect: (() => Conversation | Promise<Conversation>) | undefined;
  #words: Partial<ChatWords> = {};
  #suggestions: readonly string[] = [];
  #chat: Promise<Conversation> | undefined;
  #made: Conversation | undefined;
  #root: ShadowRoot | undefined;
  #nudge: ReturnType<typeof setTimeout> | undefined;
  /** Whose turn it is; nobody else's answer counts. */
  #busy: object | undefined;
  #quick: readonly string[] | undefined;
  #spoken = "";
  /** What the customer wrote and the conversation hasn't taken. */
  #unsent: string[] = [];

  constructor() {
    super();
    // Set before this module was there: the page's values hide the accessors.
    for (const name of ["connect", "words", "suggestions"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (this as Record<string, unknown>)[name];
      Object.assign(this, { [name]: value });
    }
  }

  /** Makes the conversation, once, when the customer first opens it: nothing is loaded before. */
  get connect(): (() => Conversation | Promise<Conversation>) | undefined {
    return this.#connect;
  }
  set connect(connect: (() => Conversation | Promise<Conversation>) | undefined) {
    this.#connect = connect;
    if (this.#root && this.#shown && !this.#chat) void this.#begin();
  }

  /** The element's own texts, where they aren't to be the built-in ones. */
  get words(): Partial<ChatWords> {
    return this.#words;
  }
  set words(words: Partial<ChatWords>) {
    this.#words = words;
    this.#draw();
  }

  /** Answers to offer before anything was said. */
  get suggestions(): readonly string[] {
    return this.#suggestions;
  }
  set suggestions(suggestions: readonly string[]) {
    this.#suggestions = suggestions;
    this.#draw();
  }

  /** Whether the conversation is in sight. */
  get open(): boolean {
    return this.hasAttribute("open");
  }
  set open(open: boolean) {
    this.toggleAttribute("open", open);
  }

  /** The conversation, once it was opened. */
  get conversation(): Conversation | undefined {
    return this.#made;
  }

  connectedCallback(): void {
    this.#build();
    this.#draw();
    if (this.#shown) void this.#begin();
  }

  disconnectedCallback(): void {
    clearTimeout(this.#nudge);
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (!this.#root || before === after) return;
    this.#draw();
    if (name === "lang") return;
    if (this.#shown) void this.#begin();
    else clearTimeout(this.#nudge);
  }

  /** Says something as if the customer had written it. */
  async say(text: string): Promise<void> {
    const said = text.trim().slice(0, LONGEST);
    if (!said) return;
    this.#line("customer", said);
    this.#unsent.push(said);
    await this.#send();
  }

  /** Ends the conversation and forgets it; the next opening makes another one. */
  reset(): void {
    clearTimeout(this.#nudge);
    this.#made?.close();
    this.#made = this.#chat = this.#quick = this.#busy = undefined;
    this.#unsent = [];
    this.#part(".log")?.replaceChildren();
    this.#draw();
    if (this.#shown && this.isConnected) void this.#begin();
  }

  get #shown(): boolean {
    return this.open || this.hasAttribute("inline");
  }

  #part<T extends HTMLElement = HTMLElement>(selector: string): T | null {
    return this.#root?.querySelector<T>(selector) ?? null;
  }

  #build(): void {
    if (this.#root) return;
    this.#root = this.shadowRoot ?? this.attachShadow({ mode: "open", delegatesFocus: false });
    this.#root.adoptedStyleSheets = [style()];
    const launcher = make("button", { type: "button", class: "launcher", part: "launcher", "aria-haspopup": "dialog" });
    const close = make("button", { type: "button", class: "close", part: "close" }, "×");
    const input = make("input", { type: "text", part: "input", autocomplete: "off", enterkeyhint: "send", maxlength: String(LONGEST), dir: "auto" });
    const form = make("form", { part: "form" }, input, make("button", { class: "send", part: "send" }));
    const again = make("button", { type: "button" });
    const quick = make("div", { class: "quick", part: "quick", role: "group" });
    const panel = make(
      "section",
      { class: "panel", part: "panel", role: "dialog", "aria-labelledby": "title" },
      make("header", { class: "head", part: "head" }, make("span", { id: "title" }), close),
      make("ol", { class: "log", part: "log", role: "log", tabindex: "0", "aria-labelledby": "title" }),
      make("p", { class: "writing", part: "writing", role: "status" }),
      make("div", { class: "trouble", part: "trouble", role: "alert" }),
      quick,
      form,
    );
    this.#root.replaceChildren(launcher, panel);
    launcher.addEventListener("click", () => {
      this.open = true;
      input.focus();
    });
    const shut = () => {
      this.open = false;
      launcher.focus();
    };
    close.addEventListener("click", shut);
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing || this.hasAttribute("inline")) return;
      event.stopPropagation();
      shut();
    });
    input.addEventListener("input", () => clearTimeout(this.#nudge));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value;
      input.value = "";
      void this.say(text);
    });
    quick.addEventListener("click", ({ target }) => {
      const text = target instanceof HTMLButtonElement ? target.textContent : null;
      if (!text) return;
      input.focus();
      void this.say(text);
    });
    again.className = "again";
    again.addEventListener("click", () => {
      input.focus();
      void this.#send();
    });
    this.#part(".trouble")?.append(make("span"), again);
    this.#trouble(false);
  }

  #language(): "en" | "zh" {
    const said = this.closest("[lang]")?.getAttribute("lang") ?? navigator.language;
    return said.toLowerCase().startsWith("zh") ? "zh" : "en";
  }

  #draw(): void {
    if (!this.#root) return;
    const words = { ...WORDS[this.#language()], ...this.#words };
    const inline = this.hasAttribute("inline");
    const set = (selector: string, text: string, attribute?: string) => {
      const part = this.#part(selector);
      if (attribute) part?.setAttribute(attribute, text);
      else if (part && part.textContent !== text) part.textContent = text;
    };
    this.#part(".launcher")!.hidden = this.#shown;
    this.#part(".panel")!.hidden = !this.#shown;
    this.#part(".panel")!.setAttribute("role", inline ? "region" : "dialog");
    this.#part(".close")!.hidden = inline;
    set(".launcher", words.open);
    set("#title", words.title);
    set(".close", words.close, "aria-label");
    set("input", words.message, "aria-label");
    set("input", words.message, "placeholder");
    set(".send", words.send);
    set(".quick", words.answers, "aria-label");
    set(".writing", this.#busy ? words.writing : "");
    set(".trouble span", words.failed);
    set(".again", words.again);
    for (const who of ["customer", "assistant"] as const) {
      for (const name of this.#root.querySelectorAll(`.log .${who} .sr`)) name.textContent = `${who === "customer" ? words.you : words.assistant}: `;
    }
    const greeting = this.#part(".greeting");
    if (greeting?.lastChild) greeting.lastChild.textContent = words.greeting;
    const quick = this.#busy ? [] : (this.#quick ?? this.#suggestions);
    this.#part(".quick")!.replaceChildren(...quick.map((text) => make("button", { type: "button", ...(this.#spoken && { lang: this.#spoken }) }, text)));
    this.#part(".quick")!.hidden = quick.length === 0;
    const log = this.#part(".log")!;
    log.scrollTop = log.scrollHeight;
  }

  #line(who: ChatLine["who"], text: string, more: Record<string, string> = {}): void {
    const words = { ...WORDS[this.#language()], ...this.#words };
    const name = make("span", { class: "sr" }, `${who === "customer" ? words.you : words.assistant}: `);
    const line = make("li", { part: `line ${who}`, dir: "auto", ...more }, name, make("span", {}, text));
    line.classList.add(who);
    this.#part(".log")?.append(line);
  }

  #trouble(is: boolean): void {
    this.#part(".trouble")!.hidden = !is;
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(`shelfedge-${name}`, { detail, bubbles: true, composed: true }));
  }

  /** Makes the conversation, or says why there is none. */
  async #begin(): Promise<Conversation | undefined> {
    this.#trouble(false);
    const first = !this.#chat;
    if (first) {
      const connect = this.#connect;
      if (!connect) return undefined;
      this.#chat = (async () => connect())();
    }
    const mine = this.#chat!;
    try {
      const chat = await mine;
      if (mine !== this.#chat) return undefined;
      if (first) {
        this.#made = chat;
        const log = this.#part(".log")!;
        const written = [...log.children];
        if (written.length <= this.#unsent.length) {
          if (chat.transcript.length === 0) this.#line("assistant", "", { class: "greeting" });
          for (const { who, text } of chat.transcript) this.#line(who, text);
          log.append(...written);
        }
        this.#draw();
      }
      return chat;
    } catch (error) {
      if (mine !== this.#chat) return undefined;
      this.#chat = undefined;
      this.#trouble(true);
      this.#tell("error", error);
      return undefined;
    }
  }

  /** Says what the customer wrote, one text after the other; with nothing to say, makes the conversation. */
  async #send(): Promise<void> {
    await this.#work(async (chat, mine) => {
      while (this.#unsent.length > 0) {
        const turn = await chat.say(this.#unsent[0]!);
        if (mine !== this.#busy) return;
        this.#unsent.shift();
        this.#said(turn, chat);
      }
    });
  }

  /** Nobody wrote: a customer who isn't looking, or is writing, isn't nudged. */
  async #silence(): Promise<void> {
    const writing = this.#part<HTMLInputElement>("input")?.value;
    if (!this.#shown || !this.isConnected || writing || document.visibilityState !== "visible") return;
    await this.#work(async (chat, mine) => {
      const turn = await chat.silence();
      if (mine === this.#busy) this.#said(turn, chat);
    });
  }

  async #work(work: (chat: Conversation, mine: object) => Promise<void>): Promise<void> {
    clearTimeout(this.#nudge);
    // Who is at work takes what was added.
    if (this.#busy) return;
    const mine = (this.#busy = {});
    this.#draw();
    try {
      const chat = await this.#begin();
      if (chat && mine === this.#busy) await work(chat, mine);
    } catch (error) {
      if (mine === this.#busy) this.#refused(error);
    } finally {
      if (mine === this.#busy) {
        this.#busy = undefined;
        this.#draw();
      }
    }
  }

  #said(turn: ChatTurn, chat: Conversation): void {
    this.#spoken = turn.language ?? "";
    for (const reply of turn.replies) this.#line("assistant", reply, this.#spoken ? { lang: this.#spoken } : {});
    this.#quick = turn.quick;
    this.#tell("turn", turn);
    if (turn.person) this.#tell("person", { person: turn.person, packet: (): Promise<Packet> => chat.handover() });
    if (turn.nudge_ms) this.#nudge = setTimeout(() => void this.#silence(), turn.nudge_ms);
  }

  #refused(error: unknown): void {
    const { faults = [] } = error as { faults?: readonly { readonly path: string }[] };
    // What can't be taken isn't tried again: a text that no request carries, a state that has expired.
    if (faults.some(({ path }) => path === "text")) this.#unsent.shift();
    if (faults.some(({ path }) => path === "state")) this.#made = this.#chat = undefined;
    this.#trouble(true);
    this.#tell("error", error);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "shelfedge-chat": ShelfedgeChat;
  }
}

if (globalThis.customElements && !customElements.get("shelfedge-chat")) customElements.define("shelfedge-chat", ShelfedgeChat);

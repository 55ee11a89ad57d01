// Understands customers' texts in the caller's thread: well below a millisecond each.
import type { Assistant as Engine } from "./shelfedge_assistant.js";
import { demand, fields, isAddress, isObject, limited, reading, stringify } from "./arguments.js";
import bindings from "./assistant-bindings.js";
import { ShelfedgeError } from "./errors.js";
import { bytes, compile, digested, locate, MOST_FILE_BYTES, MOST_MANIFEST_BYTES, rethrown, type Files, type FileSource, type ModelParts, type WasmSource } from "./files.js";
import { Chat, type ChatOptions } from "./conversation.js";
import type { AssistAnswer, IntentResponse } from "./wire.js";

export interface AssistantOptions {
  /** The bundle: the address of its folder (`/models/chat/`; `/models/intent/` can't chat), or its parts. */
  readonly model: string | URL | ModelParts;
  /** Another place for `shelfedge_assistant_bg.wasm`, or the module itself. */
  readonly wasm?: WasmSource | Promise<WasmSource>;
  /** Stops loading. */
  readonly signal?: AbortSignal;
}

export interface ClassifyOptions {
  /** How many labels with their probabilities: 1 to 20, 3 when missing. */
  readonly top?: number;
}

/** What a text is about, with the exact text from which it was read. */
export type Understanding = IntentResponse & {
  /** The response, byte for byte what the edge answers to the same text. */
  readonly json: string;
};

/**
 * How a platform differs.
 *
 * @internal
 */
export interface AssistantPlatform extends Files {
  readonly wasm: () => WasmSource | Promise<WasmSource>;
}

/** An open model of what customers write. The texts stay here. */
export class Assistant {
  /** The digest of the model. */
  readonly model: string;
  /** What it can tell apart. */
  readonly labels: readonly string[];
  #engine: Engine | undefined;

  /** @internal Use `loadAssistant`. */
  constructor(engine: Engine) {
    const { model, labels } = JSON.parse(engine.labels()) as { model: string; labels: string[] };
    this.model = model;
    this.labels = labels;
    this.#engine = engine;
  }

  /** Says what a text is about: `label` is null where it is out of scope. */
  async classify(text: string, options: ClassifyOptions = {}): Promise<Understanding> {
    this.#open();
    demand(["text", typeof text === "string", "a text"]);
    const request = reading("options", () => stringify({ text, top: fields(options).top }));
    const json = this.#run((engine) => engine.classify(limited("text", request)));
    return { ...(JSON.parse(json) as IntentResponse), json };
  }

  /** Begins a conversation, or goes on with an earlier one. All of it stays here but what the actions send. */
  chat(options: ChatOptions = {}): Chat {
    this.#open();
    return new Chat(async (request) => this.#turn(request), options);
  }

  /** Answers a question by what the shop knows: `answer` is null where that says nothing; `products` are those that it looks for. */
  async ask(text: string): Promise<Pick<AssistAnswer, "answer" | "facts" | "products">> {
    this.#open();
    demand(["text", typeof text === "string", "a text"]);
    const { answer, facts, products } = this.#turn({ ask: text, now: new Date().toISOString() }) as AssistAnswer;
    return { answer, facts, products };
  }

  /**
   * A request of `POST /v1/assist`, answered here.
   *
   * @internal
   */
  turn(request: object): string {
    const text = reading("request", () => limited("text", stringify(request)));
    return this.#run((engine) => engine.turn(text));
  }

  #turn(request: object): object {
    return JSON.parse(this.turn(request)) as object;
  }

  #open(): Engine {
    if (!this.#engine) throw new ShelfedgeError("closed", "This assistant is closed. Call loadAssistant() for another one.");
    return this.#engine;
  }

  #run(work: (engine: Engine) => string): string {
    try {
      return work(this.#open());
    } catch (error) {
      // After a trap the engine's memory can't be trusted.
      if (error instanceof Error && /^(Runtime|Range|Internal)Error$/.test(error.name)) {
        this.#engine = undefined;
        throw new ShelfedgeError("internal", `The engine failed (${error}); the assistant is closed.`, [], { cause: error });
      }
      return rethrown(error);
    }
  }

  /** Gives the memory back. */
  close(): void {
    this.#engine?.free();
    this.#engine = undefined;
  }
}

/**
 * Opens an assistant on a platform.
 *
 * @internal
 */
export async function understand(options: AssistantOptions, platform: AssistantPlatform): Promise<Assistant> {
  const abort = new AbortController();
  try {
    const { model, wasm, signal } = fields(options);
    demand(
      ["model", isAddress(model) || isObject(model), "the address of a bundle's folder, or its parts"],
      ["signal", signal == null || typeof signal.addEventListener === "function", "an AbortSignal"],
    );
    const aborted = () => new ShelfedgeError("aborted", "Loading was stopped by its signal.", [], { cause: signal?.reason });
    if (signal?.aborted) throw aborted();
    const stop = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(aborted()), { once: true });
    });
    const parts = locate(model, platform.base());
    const read = (path: string, most: number, source: FileSource) => bytes(path, most, source, platform, abort.signal);
    const [module, manifest, [shelf, digest]] = await Promise.race([
      stop,
      Promise.all([
        compile(wasm ?? platform.wasm(), platform, abort.signal),
        read("model.manifest", MOST_MANIFEST_BYTES, parts.manifest),
        read("model.shelf", MOST_FILE_BYTES, parts.shelf).then(digested),
      ]),
    ]);
    const { Assistant: Engine, imports, start } = bindings();
    start(await WebAssembly.instantiate(module, imports()), module);
    return new Assistant(new Engine(new Uint8Array(manifest), new Uint8Array(shelf), digest && new Uint8Array(digest)));
  } catch (error) {
    abort.abort();
    return rethrown(error);
  }
}

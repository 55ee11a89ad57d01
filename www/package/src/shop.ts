// The caller's side: finds the parts, opens the engine in a worker or in this
// thread, and turns objects into texts and back.
import type { Calls, Core, Opening } from "./core.js";
import type { Assistant, AssistantOptions } from "./understand.js";
import { demand, fields, isAddress, isDetached, isId, isObject, limited, reading, stringify, type Demand } from "./arguments.js";
import { closed, fromPlain, ShelfedgeError } from "./errors.js";
import { bytes, compile, digested, locate, MOST_FILE_BYTES, MOST_MANIFEST_BYTES, rethrown, unfetched, type Files, type FileSource, type ModelParts, type WasmSource } from "./files.js";
import type { Answer, Call } from "./worker.js";
import type { Models, Questions, RankRequest, RankResponse, WireEvent } from "./wire.js";

/** What was opened: digest, number of products, currency, end of the data. */
export type ModelInfo = Required<Models["models"][number]>;

/** A product that the model knows. */
export interface Product {
  item_id: string;
  title: string;
  /** In major units of the currency. */
  price: number;
  currency: string;
}

/** A raw input of the model: `rows x len x width` elements, `rows` being 1 when it is shared by all candidates. */
export interface ModelInput {
  name: string;
  kind: "f32" | "i32";
  rows: "shared" | "per_row";
  len: number;
  width: number;
}

/** The visit that a ranking is for. */
export type RankContext = NonNullable<RankRequest["context"]>;

/** What a shopper did: a GA4 e-commerce event. `id` and `time` are filled in where they are missing. */
export type ShopEvent = Omit<WireEvent, "time"> & { time?: string | Date };

export interface LoadOptions {
  /** The bundle: the address of its folder (`/models/ranking/`), or its parts. */
  readonly model: string | URL | ModelParts;
  /** Another place for `shelfedge_bg.wasm`, or the module itself. */
  readonly wasm?: WasmSource | Promise<WasmSource>;
  /** Run in a module worker. By default `true` where there is `Worker`. */
  readonly worker?: boolean;
  /**
   * What the shopper has agreed to. `storage: true` restores the profile from
   * this device and keeps it there; `false` erases what was kept. Without it the
   * profile lives in memory and the device is not touched.
   */
  readonly consent?: { readonly storage?: boolean };
  /** Whose profile it is: 1 to 64 bytes without control characters. Goes into `request()`, and tells kept profiles apart. */
  readonly shopper?: string;
  /** Milliseconds since 1970. `Date.now` by default. */
  readonly clock?: () => number;
  /** Stops loading, or closes the loaded shop. */
  readonly signal?: AbortSignal;
}

export interface RankOptions {
  /** Product ids, or indices into `products()`, at most 2,000. Without it the model recalls candidates itself. */
  readonly candidates?: readonly string[] | Uint32Array;
  /** Product ids that must not be in the list, such as what is sold out; at most 5,000. Ids that the model doesn't know exclude nothing. */
  readonly exclude?: readonly string[];
  /** How many to return: 1 to 200, 12 when missing. */
  readonly limit?: number;
  /** Leave out what the shopper bought before. */
  readonly newOnly?: boolean;
  /** Add to each item why it is there. */
  readonly explain?: boolean;
  /** Name of the list that is filled; it comes back in the response and joins impressions with clicks. */
  readonly listId?: string;
  /** Name of the visit. */
  readonly sessionId?: string;
  /** The visit's circumstances. The offset from UTC is this device's unless given. */
  readonly context?: RankContext;
  /** The time to rank for, instead of the clock's. */
  readonly now?: Date | string | number;
  /** Seed of exploration and of pacing. */
  readonly seed?: number;
  /** What the shopper answered to `questions()`; counts until they order something. Needs `shelfedge/full`. */
  readonly answers?: RankRequest["answers"];
  /** What keeps the list from showing the same over and over. Needs `shelfedge/full`. */
  readonly diversity?: RankRequest["diversity"];
  /** Places that are sold, and the bids for them. Needs `shelfedge/full`; `rankBulk` has no room for the labels and refuses it. */
  readonly sponsored?: RankRequest["sponsored"];
  /** Places that try out what little is known of. Needs `shelfedge/full`; `rankBulk` has no room for the propensities and refuses it. */
  readonly explore?: RankRequest["explore"];
  /** Asks the model's policy how the list is made. Needs `shelfedge/full` and a bundle that carries one; `rankBulk` refuses it. */
  readonly policy?: RankRequest["policy"];
}

/** Where the time of a call went, in milliseconds. */
export interface Timing {
  /** From the call to its result, worker and messages included. */
  readonly total_ms: number;
  /** In the engine alone. */
  readonly rank_ms: number;
}

/** A ranking, with the exact text from which it was read. */
export type Ranking = RankResponse & {
  /** The response, byte for byte what the edge answers to `request()` with the same options. */
  readonly json: string;
  readonly timing: Timing;
};

/** A ranking without words: for lists that are drawn from indices. */
export interface BulkRanking {
  /** Indices into `products()`, best first. */
  readonly products: Uint32Array;
  /** Their scores. */
  readonly scores: Float32Array;
  readonly timing: Timing;
}

/** Raw inputs of the model, row-major, named as `inputs()` names them. */
export interface ScoreOptions {
  /** Candidates: the rows of each per-row input, at most 1,048,576. */
  readonly rows: number;
  /** Each as `inputs()` says: of its kind, with `rows x len x width` elements. */
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /** Move the arrays to the worker instead of copying them: the caller's become empty. */
  readonly transfer?: boolean;
}

/** What the shop knows of the shopper, as the shopper may see it. */
export interface ProfileView {
  readonly shopper: string | undefined;
  /** Whether a copy is kept on this device. */
  readonly persisted: boolean;
  readonly events: readonly ShopEvent[];
}

/**
 * How a platform differs.
 *
 * @internal
 */
export interface Platform extends Files {
  readonly spawn?: (() => Worker) | undefined;
  readonly core: () => Promise<{ Core: typeof Core }>;
  /** Which engine it is. */
  readonly engine: string;
  readonly wasm: () => WasmSource | Promise<WasmSource>;
  /** What understands texts, fetched when it is asked for. */
  readonly assistant: () => Promise<{ loadAssistant(options: AssistantOptions): Promise<Assistant> }>;
}

/** What of the options goes on mattering after the load. */
interface Owner extends Pick<Platform, "assistant"> {
  readonly shopper: string | undefined;
  readonly clock: (() => number) | undefined;
}

type Returned<K extends keyof Calls> = Awaited<ReturnType<Calls[K]>>;

/** What the engine tells when it opens: what was opened, and its raw inputs. */
interface Told {
  readonly info: string;
  readonly inputs: string;
}

/** The engine, wherever it runs. */
interface Link extends Told {
  call<K extends keyof Calls>(method: K, args: Parameters<Calls[K]>, transfer?: Transferable[]): Promise<Returned<K>>;
  close(): void;
}

// What the engine takes at most: see MOST_BYTES.
const MOST_CANDIDATES = 2000;
const MOST_ROWS = 1 << 20;

/** An open model and the profile of one shopper. */
export class Shop {
  /** What was opened. */
  readonly model: ModelInfo;
  /** The shopper's profile: to be seen, exported, erased. */
  readonly profile: Profile;
  readonly #link: Link;
  readonly #ports: readonly ModelInput[];
  readonly #options: Owner;

  /** @internal Use `load`. */
  constructor(link: Link, options: Owner) {
    this.model = (JSON.parse(link.info) as { models: [ModelInfo] }).models[0];
    this.#link = link;
    this.#ports = JSON.parse(link.inputs) as ModelInput[];
    this.#options = options;
    this.profile = new Profile(link, options.shopper);
  }

  /**
   * Tells the profile what the shopper did: one event or several, GA4 names and
   * fields. `id` and `time` are filled in where missing; an event whose id the
   * profile has already counts once.
   *
   * @returns how many were new.
   */
  async observe(events: ShopEvent | readonly ShopEvent[]): Promise<number> {
    const now = this.#now();
    const text = reading("events", () => {
      const list = Array.isArray(events) ? (events as readonly ShopEvent[]) : [events as ShopEvent];
      return stringify(list.map((event) => (isObject(event) ? { ...event, id: event.id ?? randomId(), ...(hasTime(event) ? {} : { time: now }) } : event)));
    });
    return this.#link.call("observe", [limited("events", text)]);
  }

  /** Ranks the candidates, or what the model recalls, for the profile's shopper. */
  async rank(options: RankOptions = {}): Promise<Ranking> {
    const start = performance.now();
    const { json, rank_ms } = await this.#link.call("rank", this.#ask(options));
    return { ...(JSON.parse(json) as RankResponse), json, timing: { total_ms: performance.now() - start, rank_ms } };
  }

  /** The same ranking as typed arrays. */
  async rankBulk(options: RankOptions = {}): Promise<BulkRanking> {
    const start = performance.now();
    const { products, scores, rank_ms } = await this.#link.call("rankBulk", this.#ask(options));
    return { products, scores, timing: { total_ms: performance.now() - start, rank_ms } };
  }

  /**
   * The body for which `POST /v1/rank` gives the same bytes as `rank` with the
   * same options. Sending it sends the profile: ask the shopper first.
   */
  async request(options: RankOptions = {}): Promise<string> {
    return this.#link.call("request", this.#ask(options));
  }

  /** Answers a request body as the edge does, without the profile. */
  async answer(body: string): Promise<Ranking> {
    const start = performance.now();
    demand(["body", typeof body === "string", "a text"]);
    const { json, rank_ms } = await this.#link.call("answer", [limited("body", body)]);
    return { ...(JSON.parse(json) as RankResponse), json, timing: { total_ms: performance.now() - start, rank_ms } };
  }

  /** Runs the model on raw inputs. */
  async score(options: ScoreOptions): Promise<Float32Array> {
    const { rows, arrays, transfer } = reading("options", () => {
      const { rows, inputs, transfer } = fields(options);
      demand(["inputs", isObject(inputs), "an object"]);
      return { rows, arrays: { ...inputs }, transfer };
    });
    // Without a number of rows there is nothing to be said about sizes.
    demand(["rows", Number.isInteger(rows) && rows >= 0 && rows <= MOST_ROWS, `a whole number from 0 to ${MOST_ROWS}`]);
    demand(
      ...this.#ports.map(({ name, kind, rows: each, len, width }): Demand => {
        const array = arrays[name];
        const [kindred, what] = kind === "f32" ? [Float32Array, "a Float32Array"] : [Int32Array, "an Int32Array"];
        const size = (each === "shared" ? 1 : rows) * len * width;
        return [`inputs.${name}`, array instanceof kindred && array.length === size, `${what} of ${size} elements`];
      }),
      ...Object.keys(arrays).map((name): Demand => [`inputs.${name}`, this.#ports.some((port) => port.name === name), "an input of the model"]),
    );
    const moved = transfer ? Object.values(arrays).map((array) => array.buffer as ArrayBuffer) : [];
    const { output } = await this.#link.call("score", [rows, arrays], moved);
    return output;
  }

  /** The model's raw inputs, in their order. */
  async inputs(): Promise<ModelInput[]> {
    return JSON.parse(await this.#link.call("inputs", [])) as ModelInput[];
  }

  /** The products that the model knows, in the order of their indices. */
  async products(): Promise<Product[]> {
    return JSON.parse(await this.#link.call("products", [])) as Product[];
  }

  /**
   * What to ask a shopper of whom nothing is known, in the order in which to ask it;
   * nothing where the model has no questions. Needs `shelfedge/full`.
   */
  async questions(): Promise<Questions["questions"]> {
    return (JSON.parse(await this.#link.call("questions", [])) as Questions).questions;
  }

  /**
   * Opens what understands customers' texts, in this thread: an engine and a model of
   * their own, fetched now. It is closed for itself.
   */
  async assistant(options: AssistantOptions): Promise<Assistant> {
    const { loadAssistant } = await this.#options.assistant().catch((error: unknown) => unfetched("assistant.js", error));
    return loadAssistant(options);
  }

  /** Ends the worker and gives the memory back. What still runs is rejected with `closed`. */
  close(): void {
    this.#link.close();
  }

  #now(): string {
    return reading("clock", () => new Date((this.#options.clock ?? Date.now)()).toISOString());
  }

  /** The wire request without its events, and candidates that are given by index. */
  #ask(options: RankOptions): [string, Uint32Array?] {
    return reading("options", () => {
      const { candidates, exclude, limit, newOnly, explain, listId, sessionId, context, now, seed, answers, diversity, sponsored, explore, policy } = fields(options);
      const indices = candidates instanceof Uint32Array ? candidates : undefined;
      demand(
        [
          "candidates",
          candidates == null || ((indices ? !isDetached(indices) : Array.isArray(candidates)) && candidates.length <= MOST_CANDIDATES),
          `an array of at most ${MOST_CANDIDATES} ids, or a Uint32Array of as many indices`,
        ],
        ["context", context == null || isObject(context), "an object"],
      );
      const moment = now == null ? this.#now() : typeof now === "string" ? now : time(now);
      const body = stringify({
        now: moment,
        shopper: this.#options.shopper,
        session_id: sessionId,
        list_id: listId,
        limit,
        explain,
        new_only: newOnly,
        seed,
        context: { utc_offset_minutes: offset(moment), ...context },
        candidates: indices ? undefined : candidates,
        exclude,
        answers,
        diversity,
        sponsored,
        explore,
        policy,
      });
      limited("options", body);
      return indices ? [body, indices] : [body];
    });
  }
}

/** What the shop knows of the shopper: on this device only, and theirs to see and erase. */
export class Profile {
  readonly #link: Link;
  readonly #shopper: string | undefined;

  /** @internal */
  constructor(link: Link, shopper: string | undefined) {
    this.#link = link;
    this.#shopper = shopper;
  }

  /** Everything that is known. */
  async get(): Promise<ProfileView> {
    const { events, persisted } = await this.#link.call("profile", []);
    return { shopper: this.#shopper, persisted, events: JSON.parse(events) as ShopEvent[] };
  }

  /** The same as a JSON document to hand to the shopper. */
  async export(): Promise<string> {
    return JSON.stringify({ format: "shelfedge.profile.v1", ...(await this.get()) }, null, 2);
  }

  /** Forgets everything, in memory and on the device. */
  async erase(): Promise<void> {
    await this.#link.call("erase", []);
  }

  /**
   * The shopper's consent to keep the profile on this device, given (`true`) or
   * withdrawn (`false`, which erases the kept copy; the visit goes on in memory).
   */
  async persist(keep: boolean): Promise<void> {
    demand(["keep", typeof keep === "boolean", "a boolean"]);
    await this.#link.call("persist", [keep]);
  }
}

/**
 * Opens a shop on a platform.
 *
 * @internal
 */
export async function open(options: LoadOptions, platform: Platform): Promise<Shop> {
  const abort = new AbortController();
  let worker: ReturnType<typeof messages> | undefined;
  try {
    const { model, wasm, worker: chosen, consent, shopper, clock, signal } = fields(options);
    demand(
      ["model", isAddress(model) || isObject(model), "the address of a bundle's folder, or its parts"],
      ["worker", chosen == null || typeof chosen === "boolean", "a boolean"],
      ["consent", consent == null || isObject(consent), "an object"],
      ["consent.storage", consent?.storage === undefined || typeof consent.storage === "boolean", "a boolean"],
      ["shopper", shopper == null || isId(shopper), "a text of 1 to 64 bytes without control characters"],
      ["clock", clock == null || typeof clock === "function", "a function"],
      ["signal", signal == null || typeof signal.addEventListener === "function", "an AbortSignal"],
    );
    const aborted = () => new ShelfedgeError("aborted", "Loading was stopped by its signal.", [], { cause: signal?.reason });
    if (signal?.aborted) throw aborted();
    const inWorker = chosen ?? platform.spawn !== undefined;
    if (inWorker && !platform.spawn) {
      throw new ShelfedgeError("worker_failed", "There are no workers here. Leave `worker` out, or pass `false`.");
    }
    // The worker starts while the parts are on their way.
    worker = inWorker ? messages(spawn(platform)) : undefined;
    const stop = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(aborted()), { once: true });
    });
    stop.catch(() => {});
    const parts = locate(model, platform.base());
    const read = (path: string, most: number, source: FileSource) => bytes(path, most, source, platform, abort.signal);
    const [module, manifest, [shelf, digest], core] = await Promise.race([
      stop,
      Promise.all([
        compile(wasm ?? platform.wasm(), platform, abort.signal),
        read("model.manifest", MOST_MANIFEST_BYTES, parts.manifest),
        read("model.shelf", MOST_FILE_BYTES, parts.shelf).then(digested),
        worker ? undefined : platform.core().catch((error: unknown) => unfetched("core.js", error)),
      ]),
    ]);
    const opening: Opening = { engine: platform.engine, module, manifest, shelf, digest, shopper: shopper ?? "", storage: consent?.storage };
    const opened = worker ? worker.open(opening) : inThread(core as { Core: typeof Core }, opening);
    // A shop that finishes opening after it was given up must not stay open.
    opened.then((link) => signal?.aborted && link.close(), () => {});
    const link = await Promise.race([stop, opened]);
    signal?.addEventListener("abort", () => link.close(), { once: true });
    return new Shop(link, { shopper, clock, assistant: platform.assistant });
  } catch (error) {
    abort.abort();
    worker?.close();
    return rethrown(error);
  }
}

function spawn({ spawn }: Platform): Worker {
  try {
    return (spawn as () => Worker)();
  } catch (error) {
    throw workerFailed(error instanceof Error ? error.message : String(error), error);
  }
}

function workerFailed(why: string, cause?: unknown): ShelfedgeError {
  return new ShelfedgeError(
    "worker_failed",
    `The worker failed: ${why}. Its script must come from the page's own origin and be allowed by \`worker-src 'self'\`; \`worker: false\` does without it.`,
    [],
    { cause },
  );
}

/**
 * The engine behind messages. Listens from the start: a worker whose script is
 * missing fails before there is anything to post to it.
 */
function messages(worker: Worker): { open(opening: Opening): Promise<Link>; close(): void } {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: ShelfedgeError): void }>();
  let next = 0;
  let ended: ShelfedgeError | undefined;
  const end = (error: ShelfedgeError) => {
    ended ??= error;
    worker.terminate();
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(workerFailed(event.message || "its script can't be loaded"));
  };
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) {
      call?.reject(fromPlain(data.error));
      if (data.ended) end(fromPlain(data.ended));
    } else call?.resolve(data.value);
  };
  const post = (method: string, args: readonly unknown[], transfer: Transferable[]) =>
    new Promise<unknown>((resolve, reject) => {
      if (ended) return reject(ended);
      const id = next++;
      try {
        worker.postMessage({ id, method, args } satisfies Call, transfer);
        waiting.set(id, { resolve, reject });
      } catch (error) {
        // Something that can't be cloned, or a buffer that was moved before.
        reject(new ShelfedgeError("invalid_argument", String(error), [], { cause: error }));
      }
    });
  const close = () => end(closed());
  const call = <K extends keyof Calls>(method: K, args: Parameters<Calls[K]>, transfer: Transferable[] = []) =>
    post(method, args, transfer) as Promise<Returned<K>>;
  return {
    open: async (opening) => {
      const told = (await post("open", [opening], [opening.manifest, opening.shelf])) as Told;
      return { ...told, call, close };
    },
    close,
  };
}

async function inThread({ Core: Engine }: { Core: typeof Core }, opening: Opening): Promise<Link> {
  const { core, ...told } = await Engine.open(opening).catch(rethrown);
  let ended = false;
  return {
    ...told,
    call: async <K extends keyof Calls>(method: K, args: Parameters<Calls[K]>): Promise<Returned<K>> => {
      if (ended) throw closed();
      const run = core[method] as (...args: Parameters<Calls[K]>) => Returned<K> | Promise<Returned<K>>;
      let value: Returned<K>;
      try {
        value = await run.apply(core, args);
      } catch (error) {
        if (ended) throw closed();
        return rethrown(error);
      }
      // As in a worker: what still ran when the shop was closed is rejected.
      if (ended) throw closed();
      return value;
    },
    close: () => {
      if (!ended) core.close();
      ended = true;
    },
  };
}

/** An instant as RFC 3339 text. One that isn't any is the engine's to refuse, with its path. */
function time(moment: Date | number): string {
  try {
    return new Date(moment).toISOString();
  } catch {
    return String(moment);
  }
}

/** Minutes that this device's clock is ahead of UTC at an instant; 0 at one that is none, which the engine refuses. */
function offset(moment: string): number {
  return -new Date(moment).getTimezoneOffset() || 0;
}

function hasTime(event: ShopEvent): boolean {
  return event.time !== undefined || event.timestamp_micros !== undefined;
}

function randomId(): string {
  // randomUUID exists in secure contexts only; a shop on a plain address of the
  // local network has getRandomValues.
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}


// The side of the boundary where the engine lives: in a worker by default, in
// the caller's own thread otherwise. Texts and typed arrays go in and out; the
// caller's side (shop.ts) turns them into objects.
import bindings from "./bindings.js";
import type { Shop as Engine } from "./shelfedge.js";
import { closed, ShelfedgeError, type PackageErrorCode } from "./errors.js";
import { Storage, type StoredEvent } from "./storage.js";

/** What a shop is opened with. Everything can be posted to a worker. */
export interface Opening {
  /** Which engine the module is: shops of the same one share an instance. */
  readonly engine: string;
  readonly module: WebAssembly.Module;
  readonly manifest: ArrayBuffer;
  readonly shelf: ArrayBuffer;
  /** SHA-256 of the shelf, where it is known already. */
  readonly digest: ArrayBuffer | undefined;
  readonly shopper: string;
  /** `true` restores and keeps the profile on the device, `false` erases what was kept, `undefined` touches nothing. */
  readonly storage: boolean | undefined;
}

/** The calls that cross to the engine's side. */
export interface Calls {
  observe(events: string): Promise<number>;
  rank(options: string, candidates?: Uint32Array): { json: string; rank_ms: number };
  rankBulk(options: string, candidates?: Uint32Array): { products: Uint32Array; scores: Float32Array; rank_ms: number };
  request(options: string, candidates?: Uint32Array): string;
  answer(body: string): { json: string; rank_ms: number };
  score(rows: number, inputs: Record<string, Float32Array | Int32Array>): { output: Float32Array; score_ms: number };
  inputs(): string;
  products(): string;
  questions(): string;
  profile(): Promise<{ events: string; persisted: boolean }>;
  erase(): Promise<void>;
  persist(keep: boolean): Promise<void>;
}

/** One instance of a WebAssembly module. It serves all its shops of a thread until it traps. */
interface Instance {
  readonly engine: string;
  readonly Engine: typeof Engine;
  /** Lets go of its memory, and of what would still run in it: shops that are closed or collected later. */
  end(): void;
  /** Why nothing may run in it any more. */
  ended?: ShelfedgeError;
}

// Two loads at once wait for the same instance.
const current = new Map<string, Promise<Instance>>();

async function instantiate({ engine, module }: Opening): Promise<Instance> {
  const { Shop, imports, start } = bindings();
  try {
    start(await WebAssembly.instantiate(module, imports()), module);
  } catch (error) {
    current.delete(engine);
    throw new ShelfedgeError(
      "wasm_unavailable",
      `The WebAssembly module can't be started: ${error instanceof Error ? error.message : String(error)}`,
      [],
      { cause: error },
    );
  }
  const nothing = () => {};
  const dead = { exports: { __wbindgen_start: nothing, __wbg_shop_free: nothing } };
  return { engine, Engine: Shop, end: () => start(dead, module) };
}

/**
 * Runs engine code. What it throws is the text of a problem, for shop.ts to read.
 * After a trap, and after a stack that overflowed, the instance's memory can't be
 * trusted, for any of its shops: they are closed, and the next one to be opened
 * gets an instance of its own.
 */
function guarded<T>(instance: Instance, call: () => T): T {
  if (instance.ended) throw instance.ended;
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error && /^(Runtime|Range|Internal)Error$/.test(error.name))) throw error;
    const failed = (code: PackageErrorCode) =>
      new ShelfedgeError(code, `The engine failed (${error}); the shops that it served are closed. Call load() for another one.`, [], { cause: error });
    current.delete(instance.engine);
    instance.ended = failed("closed");
    instance.end();
    throw failed("internal");
  }
}

export class Core implements Calls {
  readonly #instance: Instance;
  readonly #engine: Engine;
  readonly #shopper: string;
  #storage: Storage | undefined;
  /** How often the profile was erased. */
  #erasures = 0;
  #closed = false;
  /** The last of the changes to what is kept. They run one after another, so that the last one counts. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(instance: Instance, engine: Engine, shopper: string) {
    this.#instance = instance;
    this.#engine = engine;
    this.#shopper = shopper;
  }

  /** Checks the bundle, opens the model, restores the profile where it may. */
  static async open(opening: Opening): Promise<{ core: Core; info: string; inputs: string }> {
    let instance: Instance;
    // One that traps while this load waits for it is no use.
    do {
      const starting = current.get(opening.engine) ?? instantiate(opening);
      current.set(opening.engine, starting);
      instance = await starting;
    } while (instance.ended);
    const engine = guarded(instance, () => new instance.Engine(new Uint8Array(opening.manifest), new Uint8Array(opening.shelf), opening.digest && new Uint8Array(opening.digest)));
    const core = new Core(instance, engine, opening.shopper);
    try {
      if (opening.storage === true) await core.persist(true);
      if (opening.storage === false) await Storage.forget(opening.shopper);
      return { core, info: core.#run(() => engine.info()), inputs: core.inputs() };
    } catch (error) {
      core.close();
      throw error;
    }
  }

  /** Why the shop is closed, when the engine failed. */
  get ended(): ShelfedgeError | undefined {
    return this.#instance.ended;
  }

  #run<T>(call: () => T): T {
    return guarded(this.#instance, call);
  }

  async observe(events: string): Promise<number> {
    const { added, evicted } = JSON.parse(this.#run(() => this.#engine.observe(events))) as {
      added: StoredEvent[];
      evicted: string[];
    };
    // The profile in memory is already the new one: a ranking asked for while
    // the device still writes sees these events.
    await this.#storage?.put(added, evicted);
    return added.length;
  }

  rank(options: string, candidates?: Uint32Array): { json: string; rank_ms: number } {
    const start = performance.now();
    const json = this.#run(() => this.#engine.rank(options, candidates));
    return { json, rank_ms: performance.now() - start };
  }

  rankBulk(options: string, candidates?: Uint32Array): { products: Uint32Array; scores: Float32Array; rank_ms: number } {
    const start = performance.now();
    // Indices, then as many scores by their bits: one array crosses.
    const both = this.#run(() => this.#engine.rankBulk(options, candidates));
    const products = both.slice(0, both.length / 2);
    const scores = new Float32Array(both.slice(both.length / 2).buffer);
    return { products, scores, rank_ms: performance.now() - start };
  }

  request(options: string, candidates?: Uint32Array): string {
    return this.#run(() => this.#engine.request(options, candidates));
  }

  answer(body: string): { json: string; rank_ms: number } {
    const start = performance.now();
    const json = this.#run(() => this.#engine.answer(body));
    return { json, rank_ms: performance.now() - start };
  }

  score(rows: number, inputs: Record<string, Float32Array | Int32Array>): { output: Float32Array; score_ms: number } {
    const start = performance.now();
    const output = this.#run(() => {
      for (const [name, values] of Object.entries(inputs)) {
        if (values instanceof Float32Array) this.#engine.inputF32(name, values);
        else this.#engine.inputI32(name, values);
      }
      return this.#engine.score(rows);
    });
    return { output, score_ms: performance.now() - start };
  }

  inputs(): string {
    return this.#run(() => this.#engine.inputs());
  }

  products(): string {
    return this.#run(() => this.#engine.products());
  }

  questions(): string {
    return this.#run(() => this.#engine.questions());
  }

  async profile(): Promise<{ events: string; persisted: boolean }> {
    const events = this.#run(() => this.#engine.events());
    return { events, persisted: (await this.#storage?.holds()) === true };
  }

  async erase(): Promise<void> {
    // At once: a ranking asked for while the device still writes knows nothing
    // any more, and what is being read from the device stays away.
    this.#run(() => this.#engine.erase());
    this.#erasures += 1;
    await this.#inTurn(async () => {
      // Consent to keep a profile outlives what was kept; what was observed since
      // is kept. Without it, an earlier visit may still have left a copy.
      const isKept = await this.#storage?.replace(() => this.#events());
      if (!isKept) await Storage.forget(this.#shopper);
    });
  }

  async persist(keep: boolean): Promise<void> {
    const erasures = this.#erasures;
    await this.#inTurn(() => (keep ? this.#keep(erasures) : this.#forget()));
  }

  async #forget(): Promise<void> {
    this.#storage?.close();
    this.#storage = undefined;
    await Storage.forget(this.#shopper);
  }

  /** Keeps the profile, with what is kept already unless it was erased since this was asked for. */
  async #keep(erasures: number): Promise<void> {
    if (await this.#storage?.holds()) return;
    const storage = await Storage.open(this.#shopper);
    try {
      await storage.begin((kept) => {
        if (this.#closed) throw closed();
        // What was kept joins what this visit has seen so far; ids tell them apart.
        if (erasures === this.#erasures) {
          for (let first = 0; first < kept.length; first += 100) this.#restore(kept.slice(first, first + 100));
        }
        // What is observed from here on is written after what is written now.
        this.#storage = storage;
        return this.#events();
      });
    } catch (error) {
      storage.close();
      throw error;
    }
  }

  /** The profile's events; none when the engine is gone. */
  #events(): StoredEvent[] {
    if (this.#closed) return [];
    return JSON.parse(this.#run(() => this.#engine.events())) as StoredEvent[];
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /**
   * Takes back kept events: few at a time, because a long profile is more than
   * one call may hold, and without those that can't be read any more (another
   * version wrote them, or a hand), which must not cost the shopper the others.
   */
  #restore(events: readonly StoredEvent[]): void {
    try {
      this.#run(() => this.#engine.observe(JSON.stringify(events)));
    } catch (error) {
      if (this.ended) throw error;
      if (events.length > 1) for (const event of events) this.#restore([event]);
    }
  }

  /** Gives the model's memory back. */
  close(): void {
    this.#closed = true;
    this.#storage?.close();
    this.#storage = undefined;
    this.#engine.free();
  }
}

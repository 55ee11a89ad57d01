// The shopper's profile on the device. One row an event, so that two tabs that
// observe at the same time both keep what they saw. The consent is a row too:
// every write looks for it in its own transaction, so that consent withdrawn in
// one tab ends the keeping in all, and a profile that is still empty keeps the
// database from being deleted with another shopper's. Nothing in here runs, and
// no database comes into being, before the shopper has consented.
import { ShelfedgeError } from "./errors.js";

const DATABASE = "shelfedge";
const EVENTS = "events";

/** An event as the engine writes it. */
export interface StoredEvent {
  readonly id: string;
  readonly time: string;
}

interface Row {
  shopper: string;
  id: string;
  /** Missing in the row that says that the shopper consented. */
  event?: StoredEvent;
}

// The id of the consent's row. No event has it: the engine refuses empty ids.
const CONSENT = "";

function refused(cause: unknown): ShelfedgeError {
  const why = cause instanceof Error ? cause.message : String(cause ?? "the browser gave no reason");
  return new ShelfedgeError(
    "storage_unavailable",
    `The profile can't be kept on this device: ${why}. It stays in memory; ask again later, or leave persistence off.`,
    [],
    { cause },
  );
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(refused(request.error));
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(refused(transaction.error));
  });
}

async function connect(): Promise<IDBDatabase> {
  if (typeof indexedDB === "undefined") throw refused("there is no IndexedDB here");
  const request = attempt(() => indexedDB.open(DATABASE, 1));
  request.onupgradeneeded = () => {
    request.result.createObjectStore(EVENTS, { keyPath: ["shopper", "id"] });
  };
  return settled(request);
}

/** Where storage is blocked, the calls themselves throw. */
function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw refused(error);
  }
}

/**
 * Deletes the database, of which nothing is left. Who holds it open and doesn't
 * let go, such as another script of the page, doesn't hold this up: it goes when
 * they are gone.
 */
function removed(): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = attempt(() => indexedDB.deleteDatabase(DATABASE));
    request.onsuccess = request.onblocked = () => resolve();
    request.onerror = () => reject(refused(request.error));
  });
}

/** Whether there is anything to erase; where that can't be told, there may be. */
async function exists(): Promise<boolean> {
  if (!indexedDB.databases) return true;
  try {
    return (await indexedDB.databases()).some(({ name }) => name === DATABASE);
  } catch (error) {
    throw refused(error);
  }
}

export class Storage {
  readonly #database: IDBDatabase;
  readonly #shopper: string;
  #ended = false;

  private constructor(database: IDBDatabase, shopper: string) {
    this.#database = database;
    this.#shopper = shopper;
    // A tab that deletes the database must not have to wait for this one, nor
    // may this one bring the copy back. The browser closes a connection by
    // itself when its user erases the site's data.
    database.onversionchange = database.onclose = () => this.close();
  }

  /** A connection. Nothing is kept before `begin`. */
  static async open(shopper: string): Promise<Storage> {
    return new Storage(await connect(), shopper);
  }

  /**
   * Erases a shopper's events and consent, and the database itself when nobody
   * else's are left. A profile that comes to be kept in another tab between the
   * two goes as well; that tab notices, as after any withdrawal.
   */
  static async forget(shopper: string): Promise<void> {
    if (typeof indexedDB === "undefined") return;
    // A visit that never consented doesn't create a database only to empty it.
    if (!(await exists())) return;
    const database = await connect();
    let left: number;
    try {
      const transaction = attempt(() => database.transaction(EVENTS, "readwrite"));
      const store = transaction.objectStore(EVENTS);
      store.delete(everything(shopper));
      [left] = await Promise.all([settled(store.count()), finished(transaction)]);
    } finally {
      // A connection that stays open would hold up every later deletion.
      database.close();
    }
    if (left === 0) await removed();
  }

  /**
   * Notes the consent, hands over what is kept already, and keeps exactly what
   * `join` makes of it. All in one transaction, so that no other tab's events
   * come in between.
   */
  async begin(join: (kept: StoredEvent[]) => readonly StoredEvent[]): Promise<void> {
    const transaction = attempt(() => this.#database.transaction(EVENTS, "readwrite"));
    const store = transaction.objectStore(EVENTS);
    // A transaction stays open while answers to its own requests are handled.
    const joined = settled(store.getAll(everything(this.#shopper))).then((rows: Row[]) => {
      const kept = rows.flatMap(({ event }) => (event ? [event] : []));
      try {
        // By time, because that is how a profile grows fastest.
        const events = join(kept.sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time))));
        this.#fill(store, events);
      } catch (error) {
        transaction.abort();
        throw error;
      }
    });
    await Promise.all([joined, finished(transaction)]);
  }

  /** Whether the profile is still kept: not when the consent was withdrawn, here or in another tab. */
  async holds(): Promise<boolean> {
    return this.#whileKept("readonly", () => {});
  }

  /** Adds events and drops those that fell out of the profile, while it is kept. */
  async put(added: readonly StoredEvent[], evicted: readonly string[]): Promise<void> {
    if (added.length + evicted.length === 0) return;
    await this.#whileKept("readwrite", (store) => {
      for (const event of added) store.put({ shopper: this.#shopper, id: event.id, event } satisfies Row);
      for (const id of evicted) store.delete([this.#shopper, id]);
    });
  }

  /** Keeps exactly these, while the profile is kept; says whether it is. */
  async replace(events: () => readonly StoredEvent[]): Promise<boolean> {
    return this.#whileKept("readwrite", (store) => this.#fill(store, events()));
  }

  close(): void {
    this.#ended = true;
    this.#database.close();
  }

  /** Consents, and puts these events in the place of all others. */
  #fill(store: IDBObjectStore, events: readonly StoredEvent[]): void {
    store.delete(everything(this.#shopper));
    store.put({ shopper: this.#shopper, id: CONSENT } satisfies Row);
    for (const event of events) store.put({ shopper: this.#shopper, id: event.id, event } satisfies Row);
  }

  /** Makes a change in the transaction that finds the consent, or none; says whether. */
  async #whileKept(mode: IDBTransactionMode, change: (store: IDBObjectStore) => void): Promise<boolean> {
    if (this.#ended) return false;
    const transaction = attempt(() => this.#database.transaction(EVENTS, mode));
    const store = transaction.objectStore(EVENTS);
    const changed = settled(store.count([this.#shopper, CONSENT])).then((consents) => {
      if (consents > 0) change(store);
      else this.close();
      return consents > 0;
    });
    const [kept] = await Promise.all([changed, finished(transaction)]);
    return kept;
  }
}

/** All keys `[shopper, *]`: arrays sort after every string. */
function everything(shopper: string): IDBKeyRange {
  return IDBKeyRange.bound([shopper], [shopper, []]);
}

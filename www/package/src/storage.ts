// The shopper's profile on the device. One record an event, so that two tabs
// that observe at the same time both keep what they saw. Nothing in here runs,
// and no database comes into being, before the shopper has consented.
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
  event: StoredEvent;
}

function refused(cause: unknown): ShelfedgeError {
  const why = cause instanceof Error ? cause.message : String(cause);
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
  /** Whether another tab erased the database: consent was withdrawn there. */
  lost = false;

  private constructor(database: IDBDatabase, shopper: string) {
    this.#database = database;
    this.#shopper = shopper;
    // A tab that erases must not have to wait for this one, nor may this one
    // bring the copy back.
    database.onversionchange = () => {
      this.lost = true;
      database.close();
    };
  }

  static async open(shopper: string): Promise<Storage> {
    return new Storage(await connect(), shopper);
  }

  /** Erases a shopper's events, and the database itself when nobody else's are left. */
  static async forget(shopper: string): Promise<void> {
    if (typeof indexedDB === "undefined") return;
    // A visit that never consented doesn't create a database only to empty it.
    if (!(await exists())) return;
    const database = await connect();
    const transaction = database.transaction(EVENTS, "readwrite");
    const store = transaction.objectStore(EVENTS);
    store.delete(shoppersRange(shopper));
    const left = settled(store.count());
    await finished(transaction);
    database.close();
    if ((await left) === 0) await settled(attempt(() => indexedDB.deleteDatabase(DATABASE)));
  }

  async all(): Promise<StoredEvent[]> {
    const store = this.#transaction("readonly").objectStore(EVENTS);
    const rows: Row[] = await settled(store.getAll(shoppersRange(this.#shopper)));
    // By time, because that is how a profile grows fastest.
    return rows.map(({ event }) => event).sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
  }

  /** Adds events and drops those that fell out of the profile. */
  async put(added: readonly StoredEvent[], evicted: readonly string[]): Promise<void> {
    if (this.lost || added.length + evicted.length === 0) return;
    const transaction = this.#transaction("readwrite");
    const store = transaction.objectStore(EVENTS);
    for (const event of added) store.put({ shopper: this.#shopper, id: event.id, event } satisfies Row);
    for (const id of evicted) store.delete([this.#shopper, id]);
    await finished(transaction);
  }

  /** Keeps exactly these. */
  async replace(events: readonly StoredEvent[]): Promise<void> {
    if (this.lost) return;
    const transaction = this.#transaction("readwrite");
    const store = transaction.objectStore(EVENTS);
    store.delete(shoppersRange(this.#shopper));
    for (const event of events) store.put({ shopper: this.#shopper, id: event.id, event } satisfies Row);
    await finished(transaction);
  }

  close(): void {
    this.#database.close();
  }

  #transaction(mode: IDBTransactionMode): IDBTransaction {
    return attempt(() => this.#database.transaction(EVENTS, mode));
  }
}

/** All keys `[shopper, *]`: arrays sort after every string. */
function shoppersRange(shopper: string): IDBKeyRange {
  return IDBKeyRange.bound([shopper], [shopper, []]);
}

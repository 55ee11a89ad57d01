// What the caller gives: read with care, refused with every fault at once.
import { ShelfedgeError, type Fault } from "./errors.js";

// What the engine takes at most, held here too: it is refused before it is copied
// into a memory that only grows, and that a call which doesn't fit would end for
// every shop of the thread.
export const MOST_BYTES = 2 * 1024 * 1024;

/**
 * JSON, but nothing lost on the way: JSON.stringify writes NaN and infinities
 * as null, which would make a wrong price a missing one.
 */
export function stringify(value: unknown): string {
  const faults: Fault[] = [];
  const refuse = (path: string, cause: string) =>
    faults.push({ code: "invalid_argument", path, cause, action: "Give a finite number, a text, true, false, an array or a plain object." });
  const visit = (node: unknown, path: string, depth: number) => {
    if (typeof node === "number") {
      if (!Number.isFinite(node)) refuse(path, `${node} is not a number that JSON can carry`);
    } else if (typeof node === "bigint" || typeof node === "function" || typeof node === "symbol") {
      refuse(path, `a ${typeof node} is no JSON value`);
    } else if (typeof node === "object" && node !== null) {
      if (depth > 32) refuse(path, "nested too deeply, or within itself");
      else if (ArrayBuffer.isView(node)) refuse(path, "a typed array is no JSON value");
      else if (Array.isArray(node)) node.forEach((item, index) => visit(item, `${path}[${index}]`, depth + 1));
      else if (node instanceof Date) Number.isNaN(node.getTime()) && refuse(path, "not a valid date");
      else for (const [key, item] of Object.entries(node)) visit(item, path ? `${path}.${key}` : key, depth + 1);
    }
  };
  visit(value, "", 0);
  if (faults.length > 0) throw refused(faults);
  return JSON.stringify(value);
}

/** What an argument must be: where it is, whether it is that, and what that is. */
export type Demand = readonly [path: string, met: boolean, what: string];

/** Refuses arguments that are not what they must be: all of them at once. */
export function demand(...demands: readonly Demand[]): void {
  const faults = demands
    .filter(([, met]) => !met)
    .map(([path, , what]) => ({ code: "invalid_argument", path, cause: `not ${what}`, action: `Give ${what}.` }));
  if (faults.length > 0) throw refused(faults);
}

/**
 * Reads an argument. What the caller's own code throws meanwhile (a clock, a
 * getter, `toJSON`) is a fault of that argument.
 */
export function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShelfedgeError) throw error;
    throw refused([{ code: "invalid_argument", path, cause: `it can't be read: ${error}`, action: "Give what can be read." }], { cause: error });
  }
}

/** Options, of which the caller's own code may make anything. */
export function fields<T>(options: T): T {
  demand(["options", isObject(options), "an object"]);
  return options;
}

/** A text that the engine may be given. */
export function limited(path: string, text: string): string {
  demand([path, text.length <= MOST_BYTES && new TextEncoder().encode(text).length <= MOST_BYTES, `at most ${MOST_BYTES} bytes of JSON`]);
  return text;
}

/** An object with named fields. An array of numbers is none: spreading it would name each of them. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value);
}

/** Where something may be. An empty text would be the page itself. */
export function isAddress(value: unknown): value is string | URL {
  return typeof value === "string" ? value.trim() !== "" : value instanceof URL;
}

/** The wire's rule for the ids of shoppers. */
export function isId(value: unknown): boolean {
  return typeof value === "string" && /^[^\p{Cc}\p{Cs}]{1,64}$/u.test(value) && new TextEncoder().encode(value).length <= 64;
}

/** Whether the content was moved away, to another thread: no copy can be made of it then. */
export function isDetached(content: ArrayBuffer | Uint8Array | Uint32Array): boolean {
  try {
    return content.byteLength === 0 && !new Uint8Array(content);
  } catch {
    return true;
  }
}

export function refused(faults: readonly Fault[], options?: ErrorOptions): ShelfedgeError {
  const all = faults.map(({ path, cause }) => `${path || "the value"}: ${cause}`).join("; ");
  return new ShelfedgeError("invalid_argument", all, faults, options);
}

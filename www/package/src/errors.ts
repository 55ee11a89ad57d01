/** One thing that is wrong with an input. */
export interface Fault {
  /** Stable name of the kind of fault. */
  readonly code: string;
  /** Where in the input, such as `[0].params.items[2].price`; empty for the input as a whole. */
  readonly path: string;
  /** What is wrong there. */
  readonly cause: string;
  /** What to do about it. */
  readonly action: string;
}

/**
 * Codes that only the package raises. All others come from the engine and are
 * the same as those of the edge's `application/problem+json` answers.
 */
export type PackageErrorCode =
  /** The shop was closed before or during the call, by `close()` or because the engine failed. */
  | "closed"
  /** The `signal` given to `load` was aborted. */
  | "aborted"
  /** A part of the model or the WebAssembly file could not be fetched. */
  | "fetch_failed"
  /** The WebAssembly module could not be compiled: a content security policy without `'wasm-unsafe-eval'`, or a file that is none. */
  | "wasm_unavailable"
  /** The worker could not be started, or died. */
  | "worker_failed"
  /** The profile could not be kept on the device: there is no IndexedDB here, or the browser refused. */
  | "storage_unavailable"
  /** An argument that no JSON can carry, or that the package itself must refuse. */
  | "invalid_argument"
  /** A defect of ours. When the engine failed (a trap), its shops are closed and the next `load()` gets a fresh one. */
  | "internal";

/** What every call of this package rejects with. */
export class ShelfedgeError extends Error {
  override readonly name = "ShelfedgeError";
  /** Stable, for programs. */
  readonly code: PackageErrorCode | (string & {});
  /** Every fault that was found, not only the first. Empty when there is nothing more to say than the message. */
  readonly faults: readonly Fault[];

  constructor(
    code: PackageErrorCode | (string & {}),
    message: string,
    faults: readonly Fault[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.faults = faults;
  }

  // Each of the package's scripts has a class of its own, and they are one to the caller.
  static override [Symbol.hasInstance](error: unknown): boolean {
    return error instanceof Error && error.name === "ShelfedgeError";
  }
}

/** What a call to a shop that is closed rejects with. */
export function closed(): ShelfedgeError {
  return new ShelfedgeError("closed", "This shop is closed. Call load() for another one.");
}

/** An error as it crosses the boundary of a worker, where classes are lost; what the engine throws, as it is. */
export type PlainError = string | Pick<ShelfedgeError, "code" | "message" | "faults">;

/** Takes an error apart for `postMessage`. */
export function toPlain(error: unknown): PlainError {
  if (typeof error === "string") return error;
  if (!(error instanceof ShelfedgeError)) return { code: "internal", message: String(error), faults: [] };
  const { code, message, faults } = error;
  return { code, message, faults };
}

/** Puts it together again on the other side. */
export function fromPlain(error: PlainError): ShelfedgeError {
  return typeof error === "string" ? asShelfedgeError(error) : new ShelfedgeError(error.code, error.message, error.faults);
}

/**
 * Whatever was thrown, as a `ShelfedgeError`. The engine throws the JSON text
 * of a problem (RFC 9457); anything else that isn't ours is a defect.
 */
export function asShelfedgeError(error: unknown): ShelfedgeError {
  if (error instanceof ShelfedgeError) return error;
  if (typeof error === "string") {
    try {
      const { code, title, detail, faults = [] } = JSON.parse(error) as Partial<ShelfedgeError> & { title?: string; detail?: string };
      // The first few in the message, for whoever reads a console; all of them in `faults`.
      const details = faults.slice(0, 5).map(({ path, cause }) => (path ? `${path}: ${cause}.` : `${cause}.`));
      // The detail of a single fault is its cause.
      const told = faults.some(({ cause }) => cause === detail) || detail === title;
      const message = [title, told ? undefined : detail, ...details].filter(Boolean).join(" ");
      return new ShelfedgeError(code ?? "internal", message, faults);
    } catch {
      return new ShelfedgeError("internal", error);
    }
  }
  return new ShelfedgeError("internal", String(error), [], { cause: error });
}

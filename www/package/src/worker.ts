// The module worker: one shop, calls in by number, answers out by number.
import { Core, type Opening } from "./core.js";
import { toPlain, type PlainError } from "./errors.js";

/** A call to the worker. */
export interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Its answer. */
export type Answer =
  | { readonly id: number; readonly value: unknown }
  /** `ended` when the engine failed: what every later call is to be told. */
  | { readonly id: number; readonly error: PlainError; readonly ended: PlainError | undefined };

// The DOM library describes the page; this file runs in a worker.
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Call>) => void) | null;
  postMessage(message: Answer, transfer: Transferable[]): void;
};

let core: Core | undefined;

async function run({ method, args }: Call): Promise<unknown> {
  if (method === "open") {
    const { core: opened, ...told } = await Core.open(args[0] as Opening);
    core = opened;
    return told;
  }
  // Only our own loader posts here, and only the names of `Calls`.
  const target = core as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  return target[method]?.(...args);
}

/** Typed arrays in an answer move instead of being copied: nobody here keeps them. */
function buffers(value: unknown): Transferable[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value)
    .filter((field) => ArrayBuffer.isView(field))
    .map((view) => view.buffer as ArrayBuffer);
}

scope.onmessage = ({ data }) => {
  run(data).then(
    (value) => scope.postMessage({ id: data.id, value }, buffers(value)),
    (error: unknown) => scope.postMessage({ id: data.id, error: toPlain(error), ended: core?.ended && toPlain(core.ended) }, []),
  );
};

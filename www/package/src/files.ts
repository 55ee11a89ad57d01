// What is read before an engine can open: the parts of a bundle, the module.
import { asShelfedgeError, ShelfedgeError } from "./errors.js";
import { demand, isAddress, isDetached } from "./arguments.js";

type Bytes = ArrayBuffer | Uint8Array<ArrayBuffer>;

/** A file: where it is, or what is in it. */
export type FileSource = string | URL | Response | Bytes;

/** The WebAssembly module: where it is, its bytes, or compiled already (workerd, edge functions). */
export type WasmSource = FileSource | WebAssembly.Module;

/** The two parts of a bundle that the browser needs, each by address or content. */
export interface ModelParts {
  readonly manifest: FileSource;
  readonly shelf: FileSource;
}

/** How a platform reads. */
export interface Files {
  /** Reads an address that `fetch` can't. */
  readonly read?: (address: string | URL) => Promise<Bytes> | undefined;
  readonly base: () => string | undefined;
}

export const MOST_MANIFEST_BYTES = 1 << 16;
// A quarter of what the memory may hold; a model has less than a megabyte.
export const MOST_FILE_BYTES = 1 << 30;

export function rethrown(error: unknown): never {
  throw asShelfedgeError(error);
}

/** The parts of a bundle, with addresses made absolute: a worker has another base. */
export function locate(model: string | URL | ModelParts, base: string | undefined): ModelParts {
  if (typeof model !== "string" && !(model instanceof URL)) return model;
  let folder = String(model);
  if (!folder.endsWith("/")) folder += "/";
  const part = (name: string) => {
    try {
      return new URL(folder + name, base);
    } catch {
      // A path, on a platform that has files.
      return folder + name;
    }
  };
  return { manifest: part("manifest.json"), shelf: part("model.shelf") };
}

/** Reads an address, in the platform's own way where it has one. */
export async function fetched(address: string | URL, platform: Files, signal: AbortSignal): Promise<Response | Bytes> {
  try {
    return (await platform.read?.(address)) ?? arrived(await fetch(address, { signal }));
  } catch (error) {
    return unfetched(address, error);
  }
}

export function unfetched(address: unknown, error: unknown): never {
  if (error instanceof ShelfedgeError) throw error;
  throw new ShelfedgeError("fetch_failed", `${address} can't be fetched: ${error}`, [], { cause: error });
}

export function arrived(response: Response): Response {
  if (!response.ok) throw new ShelfedgeError("fetch_failed", `${response.url || "A response"} came with status ${response.status}.`);
  return response;
}

/** The content of a file, as a buffer that may be moved away. */
export async function bytes(path: string, most: number, given: FileSource, platform: Files, signal: AbortSignal): Promise<ArrayBuffer> {
  const source = isAddress(given) ? await fetched(given, platform, signal) : given;
  const readable = source instanceof Response ? !source.bodyUsed : (source instanceof Uint8Array || source instanceof ArrayBuffer) && !isDetached(source);
  demand([path, readable, "an address, or an unread Response, ArrayBuffer or Uint8Array"]);
  const content = source instanceof Response ? await arrived(source).arrayBuffer().catch((error: unknown) => unfetched(source.url, error)) : source;
  demand([path, content.byteLength <= most, `a file of a bundle, of at most ${most} bytes`]);
  // Copied: the caller keeps theirs.
  return new Uint8Array(new Uint8Array(content)).buffer;
}

/**
 * The content with its SHA-256, where the platform computes it: natively, while
 * the worker starts. Elsewhere (a page without https) the engine does.
 */
export async function digested(content: ArrayBuffer): Promise<[ArrayBuffer, ArrayBuffer | undefined]> {
  try {
    return [content, await globalThis.crypto?.subtle?.digest("SHA-256", content)];
  } catch {
    // Such as one that takes no buffers of this realm.
    return [content, undefined];
  }
}

export async function compile(given: WasmSource | Promise<WasmSource>, platform: Files, signal: AbortSignal): Promise<WebAssembly.Module> {
  try {
    let source = await given;
    if (source instanceof WebAssembly.Module) return source;
    if (isAddress(source)) source = await fetched(source, platform, signal);
    // A server that doesn't know the type costs a little time, not the shop.
    if (source instanceof Response && !source.bodyUsed && /^application\/wasm/.test(arrived(source).headers.get("content-type") ?? "")) {
      return await WebAssembly.compileStreaming(source);
    }
    return await WebAssembly.compile(await bytes("wasm", MOST_FILE_BYTES, source as FileSource, platform, signal));
  } catch (error) {
    if (error instanceof ShelfedgeError) throw error;
    throw new ShelfedgeError(
      "wasm_unavailable",
      `The WebAssembly module can't be compiled: ${(error as Error).message}. A content security policy must allow 'wasm-unsafe-eval' in script-src.`,
      [],
      { cause: error },
    );
  }
}

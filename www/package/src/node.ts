/// <reference types="node" />
// Node: files are read from disk, and the engine runs in the caller's thread.
import { readFile } from "node:fs/promises";
import * as core from "./core.js";
import { ShelfedgeError } from "./errors.js";
import { open, type LoadOptions, type Shop } from "./shop.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type {
  BulkRanking, FileSource, LoadOptions, ModelInfo, ModelInput, ModelParts, Product, Profile, ProfileView, RankContext, RankOptions, Ranking,
  ScoreOptions, Shop, ShopEvent, Timing, WasmSource,
} from "./shop.js";
export type * from "./wire.js";

/** Addresses of files and bare paths; everything else is fetched. */
function read(address: string | URL): Promise<Uint8Array<ArrayBuffer>> | undefined {
  const text = String(address);
  if (/^(?!file:)[a-z][a-z0-9+.-]+:/i.test(text)) return undefined;
  return readFile(text.startsWith("file:") ? new URL(text) : text).catch((error: Error) => {
    throw new ShelfedgeError("fetch_failed", `${text} can't be read: ${error.message}`, [], { cause: error });
  });
}

/** Opens a model from a folder, an address or its bytes. */
export async function load(options: LoadOptions): Promise<Shop> {
  return open(options, {
    core: async () => core,
    engine: "shelfedge",
    wasm: () => new URL("./shelfedge_bg.wasm", import.meta.url),
    read,
    base: () => undefined,
  });
}

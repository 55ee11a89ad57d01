/// <reference types="node" />
// Node: files are read from disk, and the engine runs in the caller's thread.
import * as core from "./core.js";
import { read } from "./disk.js";
import { open, type LoadOptions, type Shop } from "./shop.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type {
  BulkRanking, LoadOptions, ModelInfo, ModelInput, Product, Profile, ProfileView, RankContext, RankOptions, Ranking,
  ScoreOptions, Shop, ShopEvent, Timing,
} from "./shop.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export type * from "./wire.js";

/** Opens a model from a folder, an address or its bytes. */
export async function load(options: LoadOptions): Promise<Shop> {
  return open(options, {
    core: async () => core,
    engine: "shelfedge",
    assistant: () => import("./assistant-node.js"),
    wasm: () => new URL("./shelfedge_bg.wasm", import.meta.url),
    read,
    base: () => undefined,
  });
}

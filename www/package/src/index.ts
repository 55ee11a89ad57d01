/**
 * Ranks a shop's products in the page: one small model, one small engine, no
 * server. See README.md for the ten lines that it takes.
 */
import { open, type LoadOptions, type Shop } from "./shop.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type {
  BulkRanking, LoadOptions, ModelInfo, ModelInput, Product, Profile, ProfileView, RankContext, RankOptions, Ranking,
  ScoreOptions, Shop, ShopEvent, Timing,
} from "./shop.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export type * from "./wire.js";

/** Opens a model: in a module worker unless told otherwise. */
export async function load(options: LoadOptions): Promise<Shop> {
  return open(options, {
    spawn:
      typeof Worker === "undefined"
        ? undefined
        : () => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "shelfedge" }),
    // Only a shop on the page's own thread loads the engine's side here.
    core: () => import("./core.js"),
    engine: "shelfedge",
    assistant: () => import("./assistant.js"),
    wasm: () => new URL("./shelfedge_bg.wasm", import.meta.url),
    base: () => globalThis.document?.baseURI ?? globalThis.location?.href,
  });
}

// workerd (Cloudflare Workers and its kin): the module is imported, because
// code may not be compiled from bytes there.
import wasm from "./shelfedge_bg.wasm";
import * as core from "./core.js";
import { open, type LoadOptions, type Shop } from "./shop.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type {
  BulkRanking, LoadOptions, ModelInfo, ModelInput, Product, Profile, ProfileView, RankContext, RankOptions, Ranking,
  ScoreOptions, Shop, ShopEvent, Timing,
} from "./shop.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export type * from "./wire.js";

/** Opens a model in the isolate. */
export async function load(options: LoadOptions): Promise<Shop> {
  return open(options, { core: async () => core, engine: "shelfedge", assistant: () => import("./assistant-workerd.js"), wasm: () => wasm, base: () => undefined });
}

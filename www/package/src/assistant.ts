/**
 * Understands what customers write and answers them, in the page: small models, one small
 * engine, no server. See README.md.
 */
import { understand, type Assistant, type AssistantOptions } from "./understand.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export { chatAt, type Action, type ActionCall, type ActionOutcome, type Chat, type ChatLine, type ChatOptions, type ChatTurn, type Packet, type RemoteOptions } from "./conversation.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { IntentResponse } from "./wire.js";

/** Opens an assistant, or a model of intents alone, in this thread. */
export async function loadAssistant(options: AssistantOptions): Promise<Assistant> {
  return understand(options, {
    wasm: () => new URL("./shelfedge_assistant_bg.wasm", import.meta.url),
    base: () => globalThis.document?.baseURI ?? globalThis.location?.href,
  });
}

// The module is imported, because code may not be compiled from bytes here.
import wasm from "./shelfedge_assistant_bg.wasm?module";
import { understand, type Assistant, type AssistantOptions } from "./understand.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export { chatAt, type Action, type ActionCall, type ActionOutcome, type Chat, type ChatLine, type ChatOptions, type ChatTurn, type Packet, type RemoteOptions } from "./conversation.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { IntentResponse } from "./wire.js";

/** Opens an assistant, or a model of intents alone, in the isolate. */
export async function loadAssistant(options: AssistantOptions): Promise<Assistant> {
  return understand(options, { wasm: () => wasm, base: () => undefined });
}

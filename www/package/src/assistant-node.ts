/// <reference types="node" />
// Node: files are read from disk.
import { read } from "./disk.js";
import { understand, type Assistant, type AssistantOptions } from "./understand.js";

export { ShelfedgeError, type Fault, type PackageErrorCode } from "./errors.js";
export type { Assistant, AssistantOptions, ClassifyOptions, Understanding } from "./understand.js";
export { chatAt, type Action, type ActionCall, type ActionOutcome, type Chat, type ChatLine, type ChatOptions, type ChatTurn, type Packet, type RemoteOptions } from "./conversation.js";
export type { FileSource, ModelParts, WasmSource } from "./files.js";
export type { IntentResponse } from "./wire.js";

/** Opens an assistant, or a model of intents alone, from a folder, an address or its bytes. */
export async function loadAssistant(options: AssistantOptions): Promise<Assistant> {
  return understand(options, {
    wasm: () => new URL("./shelfedge_assistant_bg.wasm", import.meta.url),
    read,
    base: () => undefined,
  });
}

// What build.mjs makes of wasm-bindgen's script of the assistant's engine.
import type { Assistant } from "./shelfedge_assistant.js";

/** The bindings of one instance, before there is one. */
interface Bindings {
  readonly Assistant: typeof Assistant;
  /** What the module imports. */
  imports(): WebAssembly.Imports;
  /** Binds the instance; to be called once, before anything else. */
  start(instance: WebAssembly.Instance, module: WebAssembly.Module): void;
}

export default function bindings(): Bindings;

// What build.mjs makes of wasm-bindgen's script: a function, so that each instance
// of the WebAssembly module has bindings of its own.
import type { Shop } from "./shelfedge.js";

/** The bindings of one instance, before there is one. */
interface Bindings {
  /** The class of its shops. */
  readonly Shop: typeof Shop;
  /** What the module imports. */
  imports(): WebAssembly.Imports;
  /** Binds the instance; to be called once, before anything else. */
  start(instance: WebAssembly.Instance, module: WebAssembly.Module): void;
}

export default function bindings(): Bindings;

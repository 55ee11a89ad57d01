// From an empty page to the first scores of 200 candidates: onnxruntime-web on
// the same ONNX. The inputs are encoded already and arrive as one small module,
// work that ours does itself.
import * as ort from "/ort/ort.wasm.min.mjs";
import { feeds } from "/inputs-200.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = "/ort/";
const session = await ort.InferenceSession.create("/models/model.onnx", { executionProviders: ["wasm"] });
const loaded = performance.now();
const output = await session.run(feeds(ort));
const scores = await output[session.outputNames[0]].getData();
globalThis.result = { first_ms: performance.now(), loaded_ms: loaded, items: scores.length };

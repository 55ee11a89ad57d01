// From a page's first line of script to the first scores of 200 candidates:
// onnxruntime-web on the same ONNX. The inputs are encoded already and arrive as
// one small module, work that ours does itself.
const started = performance.now();
const [ort, { feeds }] = await Promise.all([import("/ort/ort.wasm.min.mjs"), import("/inputs-200.mjs")]);

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = "/ort/";
const session = await ort.InferenceSession.create("/models/model.onnx", { executionProviders: ["wasm"] });
const output = await session.run(feeds(ort));
const scores = await output[session.outputNames[0]].getData();
globalThis.result = { started, ended: performance.now(), items: scores.length };

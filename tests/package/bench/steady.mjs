// Steady state: both runtimes in one page, on its own thread, turn by turn.
import * as ort from "/ort/ort.wasm.min.mjs";
import { load } from "/package/index.js";
import { largestDifference, median, tensors, tile } from "/bench/inputs.mjs";

const { cases } = await (await fetch("/models/golden.json")).json();
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = "/ort/";
const session = await ort.InferenceSession.create("/models/model.onnx", { executionProviders: ["wasm"] });
const shop = await load({ model: "/models/", worker: false });
const ports = await shop.inputs();

/** Milliseconds a call, over enough calls for the clock's resolution. */
async function timed(run, calls) {
  const start = performance.now();
  for (let call = 0; call < calls; call++) await run();
  return (performance.now() - start) / calls;
}

const result = { crossOriginIsolated, sizes: {} };
for (const rows of [200, 1000]) {
  const inputs = tile(ports, cases, rows);
  const feeds = tensors(ort, ports, inputs, rows);
  const ours = () => shop.score({ rows, inputs });
  const theirs = async () => (await session.run(feeds))[session.outputNames[0]].data;
  const difference = largestDifference(await ours(), await theirs());
  const calls = rows === 200 ? 20 : 5;
  for (let warm = 0; warm < 10; warm++) {
    await timed(ours, calls);
    await timed(theirs, calls);
  }
  const times = { ours: [], theirs: [] };
  for (let round = 0; round < 61; round++) {
    // Who goes first alternates, so that neither always finds the other's caches.
    const turns = [["ours", ours], ["theirs", theirs]];
    if (round % 2) turns.reverse();
    for (const [who, run] of turns) times[who].push(await timed(run, calls));
  }
  const ratios = times.ours.map((time, round) => times.theirs[round] / time);
  result.sizes[rows] = {
    shelfedge_ms: median(times.ours),
    onnxruntime_web_ms: median(times.theirs),
    ratio: median(ratios),
    largest_difference: difference,
  };
}
globalThis.result = result;

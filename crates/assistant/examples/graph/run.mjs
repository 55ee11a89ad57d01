// node run.mjs graph_wasm.wasm graph.shelf: how long each work takes in wasm, beside
// what `graph_bench` wrote of the same.
import { readFileSync } from "node:fs";
const [module, file] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(module), {});
const { memory, room, open, work } = instance.exports;
const bytes = readFileSync(file);
const at = room(bytes.length);
new Uint8Array(memory.buffer, at, bytes.length).set(bytes);
let start = performance.now();
const entities = open();
if (entities === 0) throw new Error(`${file} is no graph`);
console.log(`${entities} entities, opened in ${(performance.now() - start).toFixed(1)} ms`);
const WORKS = ["entity by key", "all facts of an entity", "entities by name", "two hops: bought with what was bought with it", "two hops: what shares a category", "query: category and brand, price and order if any"];
console.log(`${"us in wasm".padEnd(52)} ${["median", "p99", "most", "found"].map((it) => it.padStart(9)).join(" ")}`);
for (const [which, name] of WORKS.entries()) {
  work(which, 0, 4096);
  const times = [];
  let found = 0;
  for (let i = 0; i < 4096; i += 1) {
    let best = Infinity;
    for (let turn = 0; turn < 3; turn += 1) {
      start = performance.now();
      found = (found + work(which, i, i + 1)) >>> 0;
      best = Math.min(best, performance.now() - start);
    }
    times.push(1000 * best);
  }
  times.sort((a, b) => a - b);
  const of = (share) => times[Math.floor(share * (times.length - 1))].toFixed(2).padStart(9);
  console.log(`${name.padEnd(52)} ${of(0.5)} ${of(0.99)} ${of(1)} ${String(found).padStart(9)}`);
}

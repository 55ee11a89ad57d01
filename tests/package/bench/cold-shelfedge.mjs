// From a page's first line of script to the first ranking of 200 candidates:
// ours, as a shop uses it.
const started = performance.now();
const { load } = await import("/package/index.js");

const options = new URLSearchParams(location.search);
const candidates = Uint32Array.from({ length: 200 }, (_, index) => index * 7);
const shop = await load({ model: "/models/", worker: options.get("worker") !== "false", clock: () => Number(options.get("now")) });
const { products } = await shop.rankBulk({ candidates, limit: 200 });
globalThis.result = { started, ended: performance.now(), items: products.length };

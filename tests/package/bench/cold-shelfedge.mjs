// From an empty page to the first ranking of 200 candidates: ours, as a shop
// uses it. The clock starts with the navigation.
import { load } from "/package/index.js";

const options = new URLSearchParams(location.search);
const candidates = Uint32Array.from({ length: 200 }, (_, index) => index * 7);
const shop = await load({ model: "/models/", worker: options.get("worker") !== "false", clock: () => Number(options.get("now")) });
const loaded = performance.now();
const { products } = await shop.rankBulk({ candidates, limit: 200 });
globalThis.result = { first_ms: performance.now(), loaded_ms: loaded, items: products.length };

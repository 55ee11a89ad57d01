// In the page: the time of lists, shopper by shopper.
import { load } from "/package/full.js";
import { median } from "/bench/inputs.mjs";

const ROUNDS = 41;

globalThis.measure = async ({ model, now, histories }) => {
  const times = [], candidates = [], products = [];
  for (const events of histories) {
    const shop = await load({ model, worker: false });
    await shop.observe(events);
    const { items } = await shop.rank({ now, limit: 10 });
    // The first requests make the index and warm the engine.
    for (let warm = 0; warm < 10; warm++) await shop.rankBulk({ now, limit: 10 });
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push((await shop.rankBulk({ now, limit: 10 })).timing.rank_ms);
    times.push(median(rounds));
    candidates.push((await shop.rankBulk({ now, limit: 200 })).products.length);
    products.push(new Set(events.flatMap(({ params }) => params.items.map(({ item_id }) => item_id))).size);
    if (items.length !== 10) throw new Error(`${items.length} items`);
    shop.close();
  }
  const sorted = [...times].sort((a, b) => a - b);
  return {
    histories: histories.length,
    median_products: median(products),
    median_candidates: median(candidates),
    median_ms: median(times),
    p90_ms: sorted[Math.floor(sorted.length * 0.9)],
    largest_ms: sorted.at(-1),
  };
};

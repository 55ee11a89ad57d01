// What a list costs in the page with models that have a log, over the product's
// own path: events in, recall, encoding, trees, an ordered list out.
//
//   node bench/lists.mjs FOLDER...   each a bundle; one JSON object on stdout
//
// The shoppers are those of the storefront where they know the bundle's products
// (a model of the demo shop), and the made-up ones of the bundle's golden cases
// elsewhere. Everything runs on the page's own thread, which a worker would add
// a message to.
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { launch } from "../lib/chromium.mjs";
import { here, packageFolder, root } from "../lib/paths.mjs";
import { serve, STRICT_CSP } from "../lib/serve.mjs";
import { load } from "../../../www/package/dist/node_full.js";

const folders = process.argv.slice(2).map((folder) => resolve(folder));
if (folders.length === 0) {
  console.error("usage: node bench/lists.mjs FOLDER...");
  process.exit(2);
}

const { shoppers, now } = JSON.parse(readFileSync(join(root, "www/storefront/shoppers.json"), "utf8"));

/** Histories that say something to the model, and the time to rank for. */
async function histories(folder) {
  const shop = await load({ model: folder });
  const known = new Set((await shop.products()).map(({ item_id }) => item_id));
  const knows = (event) => event.params.items.some(({ item_id }) => known.has(item_id));
  shop.close();
  const real = shoppers.map(({ events }) => events.filter(knows)).filter((events) => events.length > 0);
  if (real.length > 0 && Date.parse(shop.model.data_end) > 0) return { now, histories: real, of: "the storefront's shoppers" };
  const { cases } = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));
  const made = cases.map(({ request }) => request.events).filter((events) => events.length > 0);
  return { now: cases[0].request.now, histories: made, of: "made-up shoppers" };
}

const mounts = {
  "/package/": join(packageFolder, "dist"),
  "/bench/": join(here, "bench"),
  "/": Buffer.from(`<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="/bench/lists-page.mjs"></script>`),
};
for (const [n, folder] of folders.entries()) mounts[`/models/${n}/`] = folder;
const server = await serve(mounts, {
  "content-security-policy": STRICT_CSP,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
});
const browser = await launch();
try {
  const report = { browser: browser.version(), bundles: {} };
  for (const [n, folder] of folders.entries()) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(server.address);
    await page.waitForFunction(() => globalThis.measure !== undefined);
    const { of, ...asked } = await histories(folder);
    report.bundles[basename(folder)] = { shoppers: of, ...(await page.evaluate((asked) => globalThis.measure(asked), { ...asked, model: `/models/${n}/` })) };
  }
  console.log(JSON.stringify(report, null, 2));
} finally {
  await browser.close();
  await server.close();
}

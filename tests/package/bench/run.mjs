// Benchmarks of the package beside onnxruntime-web, interleaved in one run.
//
//   npm run bench            the last line of stdout is one JSON object
//
// Cold start: every run opens a page in a fresh browser context (nothing cached,
// no compiled code), ours and theirs by turns. Two clocks: from the page's first
// line of script, where nothing of either runtime is there yet, and from the
// navigation, which adds what the browser needs for any page. Steady state: both
// in one page. Everything comes uncompressed from a server on this machine, which
// favours the larger download.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "../lib/chromium.mjs";
import { bundle, here, packageFolder } from "../lib/paths.mjs";
import { serve, STRICT_CSP } from "../lib/serve.mjs";
import { load } from "../../../www/package/dist/node.js";
import { median, tile } from "./inputs.mjs";

const COLD_RUNS = Number(process.env.COLD_RUNS ?? 15);

const golden = JSON.parse(readFileSync(join(bundle, "golden.json"), "utf8"));
const shop = await load({ model: bundle });
const ports = await shop.inputs();
const now = Date.parse(shop.model.data_end);
shop.close();

/** A module with the inputs of 200 candidates, as literals. */
function inputsModule() {
  const inputs = tile(ports, golden.cases, 200);
  const fields = ports.map(({ name, kind, rows, len, width }) => {
    const dims = [rows === "shared" ? 1 : 200, len * width];
    const values = Array.from(inputs[name]);
    return kind === "i32"
      ? `${JSON.stringify(name)}: new ort.Tensor("int64", BigInt64Array.from(${JSON.stringify(values)}, BigInt), ${JSON.stringify(dims)})`
      : `${JSON.stringify(name)}: new ort.Tensor("float32", Float32Array.from(${JSON.stringify(values)}), ${JSON.stringify(dims)})`;
  });
  return `export const feeds = (ort) => ({ ${fields.join(",\n")} });`;
}

const page = (script) => Buffer.from(`<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="/bench/${script}"></script>`);
const server = await serve(
  {
    "/package/": join(packageFolder, "dist"),
    "/models/": bundle,
    "/ort/": join(here, "node_modules/onnxruntime-web/dist"),
    "/bench/": join(here, "bench"),
    "/inputs-200.mjs": Buffer.from(inputsModule()),
    "/cold-shelfedge": page("cold-shelfedge.mjs"),
    "/cold-onnxruntime": page("cold-onnxruntime.mjs"),
    "/steady": page("steady.mjs"),
  },
  {
    "content-security-policy": STRICT_CSP,
    // Cross-origin isolation gives the page a clock of 5 microseconds.
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  },
);
const browser = await launch();

async function visit(path) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(server.address + path);
  try {
    await page.waitForFunction(() => globalThis.result !== undefined, undefined, { timeout: 120_000 });
  } catch (error) {
    throw new Error(`${path}: ${complaints.join("; ") || error}`);
  }
  const result = await page.evaluate(() => globalThis.result);
  await context.close();
  return result;
}

try {
  const contenders = {
    shelfedge_worker: `/cold-shelfedge?now=${now}`,
    shelfedge_main_thread: `/cold-shelfedge?worker=false&now=${now}`,
    onnxruntime_web: "/cold-onnxruntime",
  };
  const runs = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let run = -1; run < COLD_RUNS; run++) {
    for (const [name, path] of Object.entries(contenders)) {
      const found = await visit(path);
      if (found.items !== 200) throw new Error(`${path}: ${found.items} scores instead of 200`);
      // The first turn warms the disk's cache and the browser's processes.
      if (run >= 0) runs[name].push(found);
    }
  }
  const cold = (clock) => {
    const times = Object.fromEntries(Object.entries(runs).map(([name, found]) => [name, found.map(clock)]));
    const ratio = (ours) => median(times[ours].map((time, run) => times.onnxruntime_web[run] / time));
    return {
      shelfedge_worker_ms: median(times.shelfedge_worker),
      shelfedge_main_thread_ms: median(times.shelfedge_main_thread),
      onnxruntime_web_ms: median(times.onnxruntime_web),
      ratio: ratio("shelfedge_worker"),
      ratio_main_thread: ratio("shelfedge_main_thread"),
    };
  };
  const steady = await visit("/steady");
  const report = {
    browser: browser.version(),
    onnxruntime_web: JSON.parse(readFileSync(join(here, "node_modules/onnxruntime-web/package.json"), "utf8")).version,
    cold_start: {
      runs: COLD_RUNS,
      candidates: 200,
      from_script: cold(({ started, ended }) => ended - started),
      from_navigation: cold(({ ended }) => ended),
    },
    steady_state: steady,
  };
  for (const [rows, { largest_difference }] of Object.entries(steady.sizes)) {
    if (!(largest_difference <= 1e-4)) throw new Error(`outputs differ by ${largest_difference} at ${rows} rows`);
  }
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
  await server.close();
}

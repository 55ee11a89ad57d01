// The installed package's assistant: in Node, and in Chromium under a strict content
// security policy.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openPage } from "../lib/chromium.mjs";
import { goldenOf } from "../lib/golden.mjs";
import { bundle, root } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";

const intent = join(root, "models/intent");
const { cases } = goldenOf(intent);

let project, server, browser;
before(async () => {
  project = freshProject();
  server = await serve({
    "/": Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><script type="module" src="/page.mjs"></script></html>`),
    "/page.mjs": Buffer.from(`
      import { load, ShelfedgeError } from "/shelfedge/index.js";
      import { loadAssistant } from "/shelfedge/assistant.js";
      globalThis.page = { load, loadAssistant, ShelfedgeError };`),
    "/shelfedge/": join(project.installed, "dist"),
    "/models/ranking/": bundle,
    "/models/intent/": intent,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
});

async function visit(body) {
  const { page, context, complaints } = await openPage(browser, server.address);
  try {
    await page.waitForFunction(() => globalThis.page !== undefined);
    await body(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

/** Runs a module of the fresh project and returns the JSON that it prints. */
function run(source) {
  writeFileSync(join(project.folder, "main.mjs"), source);
  return JSON.parse(execFileSync(process.execPath, ["main.mjs", intent], { cwd: project.folder, encoding: "utf8" }));
}

test("golden cases in Node, byte for byte", () => {
  assert.ok(cases.length >= 32, `${cases.length} golden cases`);
  const answers = run(
    `import { readFileSync } from "node:fs";
     import { loadAssistant } from "shelfedge/assistant";
     const model = process.argv[2];
     const assistant = await loadAssistant({ model });
     const answers = [];
     for (const { request } of JSON.parse(readFileSync(model + "/golden.json", "utf8")).cases) {
       answers.push((await assistant.classify(request.text)).json);
     }
     console.log(JSON.stringify(answers));`,
  );
  for (const [n, { response }] of cases.entries()) assert.equal(answers[n], response, `case ${n}`);
});

test("golden cases in a page, byte for byte, and through a shop", () =>
  visit(async (page) => {
    const answers = await page.evaluate(
      async (texts) => {
        const shop = await globalThis.page.load({ model: "/models/ranking/" });
        const assistant = await shop.assistant({ model: "/models/intent/" });
        const answers = [];
        for (const text of texts) answers.push((await assistant.classify(text)).json);
        shop.close();
        assistant.close();
        return answers;
      },
      cases.map(({ request }) => request.text),
    );
    for (const [n, { response }] of cases.entries()) assert.equal(answers[n], response, `case ${n}`);
  }));

test("an answer has a label or none, and as many labels as asked for", () =>
  visit(async (page) => {
    const found = await page.evaluate(async () => {
      const assistant = await globalThis.page.loadAssistant({ model: "/models/intent/" });
      const known = await assistant.classify("Where is my order?", { top: 1 });
      const unknown = await assistant.classify("🙈🙈🙈");
      return { known, unknown, labels: assistant.labels, model: assistant.model };
    });
    assert.equal(found.known.label, "order_status");
    assert.equal(found.known.labels.length, 1);
    assert.equal(found.unknown.label, null);
    assert.ok(found.labels.includes("return_refund"));
    assert.equal(found.known.model, found.model);
  }));

test("bad input is a ShelfedgeError of every script's class, with every fault", () =>
  visit(async (page) => {
    const told = await page.evaluate(async () => {
      const { loadAssistant, ShelfedgeError } = globalThis.page;
      const codes = [];
      const refused = async (call) => {
        try {
          await call();
          codes.push("accepted");
        } catch (error) {
          codes.push([error instanceof ShelfedgeError, error.code, ...error.faults.map(({ path, code }) => `${path}: ${code}`)].join(" "));
        }
      };
      await refused(() => loadAssistant());
      await refused(() => loadAssistant({ model: 7, signal: 8 }));
      await refused(() => loadAssistant({ model: "/models/ranking/" }));
      await refused(() => loadAssistant({ model: "/models/intent/", signal: AbortSignal.abort() }));
      const assistant = await loadAssistant({ model: "/models/intent/" });
      await refused(() => assistant.classify(7));
      await refused(() => assistant.classify("  "));
      await refused(() => assistant.classify("x".repeat(100_001)));
      await refused(() => assistant.classify("hi", { top: 21 }));
      await refused(() => assistant.classify("x".repeat(3_000_000)));
      await refused(() => assistant.classify("<script>alert(1)</script>".repeat(4000)));
      assistant.close();
      await refused(() => assistant.classify("hi"));
      return codes;
    });
    assert.deepEqual(told, [
      "true invalid_argument options: invalid_argument",
      "true invalid_argument model: invalid_argument signal: invalid_argument",
      "true model_unusable",
      "true aborted",
      "true invalid_argument text: invalid_argument",
      "true invalid_request text: text_empty",
      "true invalid_request text: text_too_long",
      "true invalid_request top: out_of_range",
      "true invalid_argument text: invalid_argument",
      "accepted",
      "true closed",
    ]);
  }));

test("a bundle that isn't there is told with its place", () => {
  const told = run(
    `import { loadAssistant } from "shelfedge/assistant";
     console.log(JSON.stringify(await loadAssistant({ model: process.argv[2] + "-none" }).catch(({ code, message }) => [code, message])));`,
  );
  assert.equal(told[0], "fetch_failed");
  assert.match(told[1], /intent-none/);
});

test("a text takes less than a millisecond", () =>
  visit(async (page) => {
    const times = await page.evaluate(
      async (texts) => {
        const assistant = await globalThis.page.loadAssistant({ model: "/models/intent/" });
        for (let round = 0; round < 20; round++) for (const text of texts) await assistant.classify(text);
        const times = [];
        for (let round = 0; round < 10; round++) {
          const start = performance.now();
          for (const text of texts) await assistant.classify(text);
          times.push((performance.now() - start) / texts.length);
        }
        return times.sort((a, b) => a - b);
      },
      cases.map(({ request }) => request.text),
    );
    console.log(`a text: ${times[5].toFixed(3)} ms (median of 10 rounds)`);
    assert.ok(times[5] < 1, `${times[5]} ms`);
  }));

test("no text leaves the page", () =>
  visit(async (page) => {
    const sent = [];
    await page.evaluate(async () => (globalThis.assistant = await globalThis.page.loadAssistant({ model: "/models/intent/" })));
    page.on("request", (request) => sent.push(request.url()));
    await page.evaluate(() => globalThis.assistant.classify("my card number is 4111 1111 1111 1111"));
    assert.deepEqual(sent, []);
  }));

test("the engine and its model stay small", () => {
  const size = (path) => readFileSync(path).length;
  const engine = size(join(project.installed, "dist/shelfedge_assistant_bg.wasm")) + size(join(project.installed, "dist/assistant.js"));
  assert.ok(engine < 660_000, `${engine} bytes`);
  assert.ok(size(join(intent, "model.shelf")) < 1_000_000);
});

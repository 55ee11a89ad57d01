// The installed package in a production build by Vite, run in Chromium.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "vite";
import { launch, openPage } from "../lib/chromium.mjs";
import { checkReplay, golden } from "../lib/golden.mjs";
import { bundle } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";

let project, server, browser;

before(async () => {
  project = freshProject();
  writeFileSync(join(project.folder, "index.html"), `<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><script type="module" src="/main.js"></script></html>`);
  writeFileSync(
    join(project.folder, "main.js"),
    `import { load } from "shelfedge";
     import { replay } from "./replay.mjs";
     globalThis.page = { load, replay };`,
  );
  await build({ root: project.folder, configFile: false, logLevel: "error", build: { outDir: "out" } });
  server = await serve({ "/": join(project.folder, "out"), "/models/ranking/": bundle });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
});

for (const worker of [true, false]) {
  test(`golden cases, ${worker ? "in a worker" : "on the main thread"}`, async () => {
    const { page, context, complaints } = await openPage(browser, server.address);
    const fetched = [];
    page.on("request", (request) => fetched.push(request.url()));
    await page.waitForFunction(() => globalThis.page !== undefined);
    const outcomes = await page.evaluate(
      ([options, golden]) => globalThis.page.replay(globalThis.page.load, options, golden),
      [{ model: "/models/ranking/", worker }, { cases: golden.cases }],
    );
    await context.close();
    assert.deepEqual(complaints, []);
    checkReplay(outcomes);
    assert.doesNotMatch(fetched.join("\n"), /assistant/, "its engine waits until it is asked for");
  });
}

test("each engine once, and nothing evaluated", () => {
  const assets = readdirSync(join(project.folder, "out/assets"));
  const engines = assets.filter((name) => name.endsWith(".wasm")).map((name) => name.split("-")[0]);
  assert.deepEqual(engines.sort(), ["shelfedge_assistant_bg", "shelfedge_bg"], assets.join(", "));
  for (const name of assets.filter((name) => name.endsWith(".js"))) {
    const text = readFileSync(join(project.folder, "out/assets", name), "utf8");
    assert.doesNotMatch(text, /\beval\(|new Function|blob:/, name);
  }
});

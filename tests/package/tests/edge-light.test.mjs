// The installed package in an edge function of the "edge-light" kind, in Vercel's
// own runtime for trying such functions out. It runs one script, as platforms do:
// a bundler resolves the condition, and puts the WebAssembly module that is
// imported with `?module` where the platform provides it compiled.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EdgeRuntime } from "edge-runtime";
import { build } from "vite";
import { checkReplay, golden } from "../lib/golden.mjs";
import { bundle } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project, script, imported;

before(async () => {
  project = freshProject();
  writeFileSync(
    join(project.folder, "function.mjs"),
    `import { load } from "shelfedge";
     import { replay } from "./replay.mjs";
     addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
     async function answer(request) {
       try {
         const { manifest, shelf } = globalThis.bundle;
         const outcomes = await replay(load, { model: { manifest, shelf } }, await request.json());
         return Response.json(outcomes);
       } catch (error) {
         return Response.json({ code: error.code, message: String(error), stack: error.stack }, { status: 500 });
       }
     }`,
  );
  imported = [];
  await build({
    root: project.folder,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["edge-light"] },
    plugins: [
      {
        name: "platform",
        enforce: "pre",
        resolveId: (id, importer) => (id.endsWith(".wasm?module") ? { id: `\0module:${join(importer, "..", id.replace(/\?module$/, ""))}` } : null),
        load(id) {
          if (!id.startsWith("\0module:")) return null;
          imported.push(id.slice("\0module:".length));
          return "export default globalThis.imported;";
        },
      },
    ],
    build: { outDir: "out", minify: false, lib: { entry: "function.mjs", formats: ["iife"], name: "edge", fileName: () => "function.js" } },
  });
  script = readFileSync(join(project.folder, "out/function.js"), "utf8");
});
after(() => project?.remove());

test("golden cases", async () => {
  assert.deepEqual(imported, ["shelfedge_bg.wasm", "shelfedge_assistant_bg.wasm"].map((name) => join(project.installed, "dist", name)));
  const runtime = new EdgeRuntime();
  // The platform compiles, before the function runs and in the function's realm;
  // where functions are deployed, they may not.
  const Module = runtime.evaluate("WebAssembly.Module");
  runtime.context.imported = new Module(readFileSync(imported[0]));
  runtime.context.bundle = { manifest: readFileSync(join(bundle, "manifest.json")), shelf: readFileSync(join(bundle, "model.shelf")) };
  runtime.evaluate(`
    function refuse() { throw new Error("WebAssembly may not be compiled here"); }
    WebAssembly.compile = WebAssembly.compileStreaming = WebAssembly.instantiateStreaming = WebAssembly.Module = refuse;
    // A module is still known as one.
    refuse.prototype = Object.getPrototypeOf(imported);
  `);
  runtime.evaluate(script);
  const response = await runtime.dispatchFetch("https://shop.example/", { method: "POST", body: JSON.stringify({ cases: golden.cases }) });
  const outcomes = await response.json();
  assert.equal(response.status, 200, JSON.stringify(outcomes).slice(0, 2_000));
  checkReplay(outcomes);
});

// The installed package in workerd, the runtime of Cloudflare Workers: the
// WebAssembly module is imported, because bytes may not be compiled there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkReplay, golden } from "../lib/golden.mjs";
import { bundle } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project, runtime, address;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

before(async () => {
  project = freshProject();
  const dist = join(project.installed, "dist");
  writeFileSync(
    join(project.folder, "worker.js"),
    `import { load } from "./shelfedge/workerd.js";
     import { replay } from "./replay.mjs";
     import manifest from "manifest.json";
     import shelf from "model.shelf";
     export default {
       async fetch(request) {
         try {
           return Response.json(await replay(load, { model: { manifest, shelf } }, await request.json()));
         } catch (error) {
           return Response.json({ code: error.code, message: String(error), stack: error.stack }, { status: 500 });
         }
       },
     };`,
  );
  const scripts = readdirSync(dist)
    .filter((name) => name.endsWith(".js"))
    .map((name) => `(name = "shelfedge/${name}", esModule = embed "node_modules/shelfedge/dist/${name}")`);
  const port = await freePort();
  writeFileSync(
    join(project.folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
     const config :Workerd.Config = (
       services = [(name = "main", worker = .shop)],
       sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
     );
     const shop :Workerd.Worker = (
       modules = [
         (name = "worker.js", esModule = embed "worker.js"),
         (name = "replay.mjs", esModule = embed "replay.mjs"),
         ${scripts.join(",\n         ")},
         (name = "shelfedge/shelfedge_bg.wasm", wasm = embed "node_modules/shelfedge/dist/shelfedge_bg.wasm"),
         (name = "manifest.json", data = embed "manifest.json"),
         (name = "model.shelf", data = embed "model.shelf"),
       ],
       compatibilityDate = "2026-01-01",
     );`,
  );
  const { copyFileSync } = await import("node:fs");
  for (const part of ["manifest.json", "model.shelf"]) copyFileSync(join(bundle, part), join(project.folder, part));
  const binary = createRequire(import.meta.url).resolve("workerd/bin/workerd");
  runtime = spawn(binary, ["serve", "config.capnp"], { cwd: project.folder, stdio: ["ignore", "inherit", "pipe"] });
  let complaints = "";
  runtime.stderr.on("data", (data) => (complaints += data));
  address = `http://127.0.0.1:${port}/`;
  for (let attempt = 0; ; attempt++) {
    try {
      await fetch(address, { method: "POST", body: '{"cases":[]}' });
      break;
    } catch (error) {
      if (attempt === 100 || runtime.exitCode !== null) throw new Error(`workerd doesn't answer: ${complaints || error}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});
after(() => {
  runtime?.kill();
  project?.remove();
});

test("golden cases", async () => {
  const response = await fetch(address, { method: "POST", body: JSON.stringify({ cases: golden.cases }) });
  const outcomes = await response.json();
  assert.equal(response.status, 200, JSON.stringify(outcomes));
  checkReplay(outcomes);
});

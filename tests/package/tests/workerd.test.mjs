// The installed package in workerd, the runtime of Cloudflare Workers: the
// WebAssembly module is imported, because bytes may not be compiled there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { checkReplay, goldenOf } from "../lib/golden.mjs";
import { bundle, logged } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

// The first with the default engine, the others with the full one.
const bundles = [bundle, ...logged];
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
     import { load as loadFull } from "./shelfedge/workerd_full.js";
     import { replay } from "./replay.mjs";
     ${bundles.map((_, n) => `import manifest${n} from "manifest${n}"; import shelf${n} from "shelf${n}";`).join("\n     ")}
     const models = [${bundles.map((_, n) => `{ manifest: manifest${n}, shelf: shelf${n} }`)}];
     export default {
       async fetch(request) {
         try {
           const number = Number(new URL(request.url).pathname.slice(1));
           return Response.json(await replay(number ? loadFull : load, { model: models[number] }, await request.json()));
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
         ${["shelfedge_bg.wasm", "shelfedge_full_bg.wasm", "shelfedge_assistant_bg.wasm"].map((name) => `(name = "shelfedge/${name}", wasm = embed "node_modules/shelfedge/dist/${name}")`).join(",\n         ")},
         ${bundles.map((_, n) => `(name = "manifest${n}", data = embed "manifest${n}"), (name = "shelf${n}", data = embed "shelf${n}")`).join(",\n         ")},
       ],
       compatibilityDate = "2026-01-01",
     );`,
  );
  for (const [n, bundle] of bundles.entries()) {
    copyFileSync(join(bundle, "manifest.json"), join(project.folder, `manifest${n}`));
    copyFileSync(join(bundle, "model.shelf"), join(project.folder, `shelf${n}`));
  }
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

for (const [n, bundle] of bundles.entries()) {
  test(`golden cases of ${basename(bundle)}`, async () => {
    const golden = goldenOf(bundle);
    const response = await fetch(`${address}${n}`, { method: "POST", body: JSON.stringify({ cases: golden.cases }) });
    const outcomes = await response.json();
    assert.equal(response.status, 200, JSON.stringify(outcomes));
    checkReplay(outcomes, golden);
  });
}

// The installed package in Deno, in a worker and without: found by its name in
// node_modules, under the permission to read and no other.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { checkReplay } from "../lib/golden.mjs";
import { bundle } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

const require = createRequire(import.meta.url);
const launcher = require.resolve("deno/bin.cjs");

// Deno is built for few platforms: not for musl, for one.
const libc = process.platform !== "linux" ? "" : process.report.getReport().header.glibcVersionRuntime ? "-glibc" : "-musl";
const build = `@deno/${process.platform}-${process.arch}${libc}`;
const skip = build in require("deno/package.json").optionalDependencies ? false : `there is no ${build}`;

let project, cache;
before(() => {
  project = freshProject();
  cache = mkdtempSync(join(tmpdir(), "shelfedge-deno-"));
});
after(() => {
  project?.remove();
  if (cache) rmSync(cache, { recursive: true, force: true });
});

/** Runs a module of the fresh project and returns the JSON that it prints. */
function run(source, ...args) {
  writeFileSync(join(project.folder, "main.mjs"), source);
  const said = execFileSync(
    process.execPath,
    // Nothing is fetched: neither a package nor a newer Deno.
    [launcher, "run", "--quiet", "--no-prompt", "--no-remote", "--node-modules-dir=manual", "--allow-read", "main.mjs", ...args],
    { cwd: project.folder, encoding: "utf8", maxBuffer: 1 << 28, env: { ...process.env, DENO_DIR: cache, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" } },
  );
  return JSON.parse(said);
}

test("the entry is the one of the page, since there is all that a page has", { skip }, () => {
  assert.match(run(`console.log(JSON.stringify([import.meta.resolve("shelfedge")]));`)[0], /dist\/index\.js$/);
});

for (const worker of [true, false]) {
  test(`golden cases, ${worker ? "in a worker by default" : "in the module's own thread"}`, { skip }, () => {
    const outcomes = run(
      `import { load } from "shelfedge";
       import { replay } from "./replay.mjs";
       const [model, golden, options] = Deno.args;
       const cases = JSON.parse(Deno.readTextFileSync(new URL(golden)));
       let workers = 0;
       globalThis.Worker = class extends Worker {
         constructor(...args) {
           super(...args);
           workers++;
         }
       };
       const outcomes = await replay(load, { model, ...JSON.parse(options) }, cases);
       // One for each case, or none.
       const wanted = JSON.parse(options).worker === false ? 0 : cases.cases.length;
       if (workers !== wanted) throw new Error(workers + " workers");
       console.log(JSON.stringify(outcomes));`,
      `${pathToFileURL(bundle)}/`,
      String(pathToFileURL(join(bundle, "golden.json"))),
      JSON.stringify(worker ? {} : { worker }),
    );
    checkReplay(outcomes);
  });
}

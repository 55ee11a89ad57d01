// Bad input in Node; chromium.test.mjs runs the same trials in the browser.
import { execFileSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { golden } from "../lib/golden.mjs";
import { bundle, here } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { checkTrials } from "../lib/trials-check.mjs";

let project;
before(() => (project = freshProject()));
after(() => project?.remove());

test("bad input", () => {
  cpSync(join(here, "lib/trials.mjs"), join(project.folder, "trials.mjs"));
  writeFileSync(
    join(project.folder, "main.mjs"),
    `import { readFileSync } from "node:fs";
     import { load, ShelfedgeError } from "shelfedge";
     import { runTrials } from "./trials.mjs";
     const [model, now] = process.argv.slice(2);
     const read = (name) => new Uint8Array(readFileSync(model + "/" + name));
     const parts = { manifest: read("manifest.json"), shelf: read("model.shelf") };
     console.log(JSON.stringify(await runTrials({ load, ShelfedgeError }, { model, parts }, now)));`,
  );
  const found = execFileSync(process.execPath, ["main.mjs", bundle, golden.cases[0].request.now], { cwd: project.folder, encoding: "utf8", maxBuffer: 1 << 26 });
  checkTrials(JSON.parse(found));
});

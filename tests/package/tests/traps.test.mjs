// The engine fails for good: the module's memory is so small that a call doesn't
// fit. What happens then in Node, where all shops share an instance, and in a
// worker (chromium.test.mjs).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bundle, here } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project;
before(() => (project = freshProject()));
after(() => project?.remove());

test("a trap closes the shops of its instance, and the next load gets another", () => {
  cpSync(join(here, "lib/limited.mjs"), join(project.folder, "limited.mjs"));
  writeFileSync(
    join(project.folder, "main.mjs"),
    `import { readFileSync } from "node:fs";
     import { load, ShelfedgeError } from "shelfedge";
     import { limited } from "./limited.mjs";
     const model = process.argv[2];
     const now = "2011-12-10T10:00:00Z";
     const wasm = limited(readFileSync(new URL("./node_modules/shelfedge/dist/shelfedge_bg.wasm", import.meta.url)), 40);
     const attempt = (call) => call().then((value) => ({ value }), (error) => ({ ours: error instanceof ShelfedgeError, code: error.code, message: error.message }));
     const items = (shop) => attempt(async () => (await shop.rank({ now, limit: 5 })).items.length);
     let [first, other] = [await load({ model, wasm }), await load({ model, wasm })];
     const found = { before: await items(other) };
     // Two megabytes of text are more than is left.
     found.trap = await attempt(() => first.answer(" ".repeat(2_000_000)));
     found.first = await items(first);
     found.other = await items(other);
     found.profile = await attempt(() => other.profile.get());
     const next = await Promise.all([load({ model }), load({ model })]);
     found.next = [await items(next[0]), await items(next[1])];
     first.close();
     first.close();
     // What nobody holds any more is freed by the collector, in an instance that is gone.
     other = undefined;
     for (let n = 0; n < 5; n++) {
       globalThis.gc();
       await new Promise((resolve) => setTimeout(resolve, 20));
     }
     found.after = await items(next[0]);
     console.log(JSON.stringify(found));`,
  );
  const found = JSON.parse(execFileSync(process.execPath, ["--expose-gc", "main.mjs", bundle], { cwd: project.folder, encoding: "utf8" }));
  assert.deepEqual(found.before, { value: 5 });
  assert.deepEqual({ ...found.trap, message: undefined }, { ours: true, code: "internal", message: undefined });
  assert.match(found.trap.message, /RuntimeError: unreachable.+Call load\(\) for another one/);
  for (const after of [found.first, found.other, found.profile]) {
    assert.deepEqual({ ...after, message: undefined }, { ours: true, code: "closed", message: undefined });
    assert.equal(after.message, found.trap.message);
  }
  assert.deepEqual([...found.next, found.after], [{ value: 5 }, { value: 5 }, { value: 5 }]);
});

// The installed package in Node: imported by name, as ES module.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { checkReplay, checkSame, golden, goldenOf } from "../lib/golden.mjs";
import { bundle, logged } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project;
before(() => (project = freshProject()));
after(() => project?.remove());

/** Runs a module of the fresh project and returns the JSON that it prints. */
function run(source, ...args) {
  writeFileSync(join(project.folder, "main.mjs"), source);
  return JSON.parse(execFileSync(process.execPath, ["main.mjs", ...args], { cwd: project.folder, encoding: "utf8", maxBuffer: 1 << 28 }));
}

const replayed = (name, model) =>
  run(
    `import { readFileSync } from "node:fs";
     import { load } from "${name}";
     import { replay } from "./replay.mjs";
     const model = process.argv[2];
     const golden = JSON.parse(readFileSync(model + "/golden.json", "utf8"));
     console.log(JSON.stringify(await replay(load, { model }, golden)));`,
    model,
  );

test("golden cases", () => {
  const outcomes = replayed("shelfedge", bundle);
  checkReplay(outcomes);
  checkSame(replayed("shelfedge/full", bundle), outcomes, "the default engine");
});

for (const model of logged) {
  test(`golden cases of a model with a log: ${basename(model)}`, () => checkReplay(replayed("shelfedge/full", model), goldenOf(model)));
}

test("the default engine says which one opens a model with a log", () => {
  const told = run(
    `import { load } from "shelfedge";
     console.log(JSON.stringify(await load({ model: process.argv[2] }).catch(({ code, message }) => [code, message])));`,
    logged[0],
  );
  assert.equal(told[0], "model_unusable");
  assert.match(told[1], /shelfedge\/full/);
});

test("the conditions of package.json lead to their entries", () => {
  const entries = (...conditions) =>
    execFileSync(
      process.execPath,
      [...conditions.flatMap((name) => ["-C", name]), "--input-type=module", "-e", "for (const name of ['', '/full', '/assistant']) console.log(import.meta.resolve('shelfedge' + name))"],
      { cwd: project.folder, encoding: "utf8" },
    )
      .trim()
      .split("\n")
      .map((path) => basename(path));
  assert.deepEqual(entries(), ["node.js", "node_full.js", "assistant-node.js"]);
  assert.deepEqual(entries("workerd"), ["workerd.js", "workerd_full.js", "assistant-workerd.js"]);
  assert.deepEqual(entries("edge-light"), ["edge-light.js", "edge-light_full.js", "assistant-edge-light.js"]);
  assert.deepEqual(entries("deno"), ["index.js", "full.js", "assistant.js"]);
});

test("a model given by its bytes, its addresses, and a module compiled before", () => {
  const answers = run(
    `import { readFileSync } from "node:fs";
     import { pathToFileURL } from "node:url";
     import { load } from "shelfedge";
     const folder = process.argv[2];
     const bytes = (name) => new Uint8Array(readFileSync(folder + "/" + name));
     const now = "2011-12-10T10:00:00Z";
     const manifest = bytes("manifest.json"), shelf = bytes("model.shelf");
     const wasm = await WebAssembly.compile(readFileSync(new URL("./node_modules/shelfedge/dist/shelfedge_bg.wasm", import.meta.url)));
     const ways = [
       { model: folder },
       { model: folder + "/" },
       { model: pathToFileURL(folder) },
       { model: { manifest, shelf } },
       { model: { manifest: manifest.buffer, shelf: new Response(shelf) } },
       { model: folder, wasm },
     ];
     const answers = [];
     for (const options of ways) {
       const shop = await load(options);
       answers.push((await shop.rank({ now, limit: 5 })).json);
       shop.close();
     }
     answers.push(String(manifest.length > 0 && shelf.length > 0));
     console.log(JSON.stringify(answers));`,
    bundle,
  );
  assert.equal(answers.pop(), "true", "the caller's bytes were taken away");
  assert.equal(new Set(answers).size, 1);
  assert.equal(JSON.parse(answers[0]).items.length, 5);
});

test("newOnly leaves out what was bought, and exclude what it names", () => {
  const lists = run(
    `import { load } from "shelfedge";
     const shop = await load({ model: process.argv[2] });
     const now = "2011-12-10T10:00:00Z";
     const candidates = (await shop.products()).slice(0, 2).map((product) => product.item_id);
     await shop.observe({ name: "purchase", time: "2011-12-01T10:00:00Z", params: { items: [{ item_id: candidates[0] }] } });
     const lists = [candidates];
     for (const left of [{}, { newOnly: true }, { exclude: [candidates[1], "gone"] }]) {
       const { items } = await shop.rank({ now, candidates, ...left });
       lists.push(items.map((item) => item.item_id));
     }
     console.log(JSON.stringify(lists));`,
    bundle,
  );
  const [[bought, other], all, fresh, without] = lists;
  assert.deepEqual(all.sort(), [bought, other].sort());
  assert.deepEqual(fresh, [other]);
  assert.deepEqual(without, [bought]);
});

test("the full engine asks what its model asks; the default one says that it can't", () => {
  const found = run(
    `import { load } from "shelfedge";
     import { load as loadFull } from "shelfedge/full";
     const [ranking, basket] = process.argv.slice(2);
     const answers = [{ question: "title-99", answer: "nothing" }];
     const codes = ({ faults }) => faults.map((fault) => fault.code);
     const found = [];
     for (const shop of [await loadFull({ model: basket }), await load({ model: ranking })]) {
       found.push([await shop.questions().catch(codes), await shop.rank({ answers }).catch(codes)]);
     }
     console.log(JSON.stringify(found));`,
    bundle,
    logged[0],
  );
  const [[questions, unknown], refused] = found;
  const texts = questions.flatMap((question) => [question, ...question.answers]).flatMap(({ id, en, zh }) => [id, en, zh]);
  assert.ok(texts.every((text) => typeof text === "string" && text.length > 0));
  assert.deepEqual(unknown, [questions.length > 0 ? "question_unknown" : "questions_missing"]);
  assert.deepEqual(refused, [["answers_unavailable"], ["answers_unavailable"]]);
});

test("a cap on a category holds in the full engine; the default one says that it can't", () => {
  const found = run(
    `import { load } from "shelfedge";
     import { load as loadFull } from "shelfedge/full";
     const [ranking, basket] = process.argv.slice(2);
     const asked = { now: "2011-12-10T10:00:00Z", limit: 12, diversity: { caps: { category: 2 } } };
     const full = await loadFull({ model: basket });
     const ids = async (options) => (await full.rank(options)).items.map(({ item_id }) => item_id);
     const shop = await load({ model: ranking });
     const refused = await shop.rank(asked).catch(({ code, faults }) => [code, ...faults.map((fault) => fault.code)]);
     console.log(JSON.stringify({ free: await ids({ ...asked, diversity: undefined }), capped: await ids(asked), refused }));`,
    bundle,
    logged[0],
  );
  const most = (ids) => Math.max(...ids.map((id) => ids.filter((other) => other.slice(0, 2) === id.slice(0, 2)).length));
  assert.ok(most(found.free) > 2, "a cap that changes nothing proves nothing");
  assert.ok(most(found.capped) <= 2);
  assert.ok(found.capped.length > 4);
  assert.deepEqual(found.refused, ["invalid_request", "rerank_unavailable"]);
});

test("products and inputs describe the model", () => {
  const { products, inputs, model } = run(
    `import { load } from "shelfedge";
     const shop = await load({ model: process.argv[2] });
     console.log(JSON.stringify({ products: await shop.products(), inputs: await shop.inputs(), model: shop.model }));`,
    bundle,
  );
  assert.equal(products.length, model.products);
  for (const { item_id, title, price, currency } of products) {
    assert.ok(item_id.length > 0 && title.length > 0 && Number.isFinite(price) && price >= 0, item_id);
    assert.equal(currency, model.currency);
  }
  assert.deepEqual(inputs.map(({ name }) => name).sort(), Object.keys(golden.cases[0].inputs).sort());
});

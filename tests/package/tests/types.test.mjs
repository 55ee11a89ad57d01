// The published types against what really comes: real values, written into a
// TypeScript file as literals, must have the types that they are said to have,
// with no field more.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { golden } from "../lib/golden.mjs";
import { bundle, here, packageFolder } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project;
before(() => (project = freshProject()));
after(() => project?.remove());

test("src/wire.ts is what the OpenAPI document says", () => {
  execFileSync(process.execPath, [join(packageFolder, "types.mjs"), "--check"], { stdio: "inherit" });
});

function compile(source) {
  writeFileSync(join(project.folder, "real.ts"), source);
  writeFileSync(
    join(project.folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { target: "es2022", module: "nodenext", lib: ["es2022", "dom"], types: [], strict: true, exactOptionalPropertyTypes: true, noEmit: true },
      include: ["real.ts"],
    }),
  );
  return spawnSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "-p", project.folder], { encoding: "utf8" });
}

test("real requests, responses, products, inputs and profiles have their types", () => {
  writeFileSync(
    join(project.folder, "real.mjs"),
    `import { load } from "shelfedge";
     const shop = await load({ model: process.argv[2], shopper: "ann" });
     await shop.observe({ name: "add_to_cart", id: "e1", time: "2011-12-01T10:00:00Z", params: { currency: "GBP", items: [{ item_id: "85123A", quantity: 2, price: 2.55, index: 3 }] } });
     const refused = await shop.rank({ limit: 0 }).catch(({ faults }) => faults);
     console.log(JSON.stringify({
       model: shop.model, inputs: await shop.inputs(), products: (await shop.products()).slice(0, 20), profile: await shop.profile.get(), faults: refused,
     }));`,
  );
  const real = JSON.parse(execFileSync(process.execPath, ["real.mjs", bundle], { cwd: project.folder, encoding: "utf8" }));
  const requests = golden.cases.map(({ request }) => request);
  const responses = golden.cases.map(({ response }) => JSON.parse(response));
  assert.ok(responses.some(({ items }) => items.some(({ reasons }) => reasons?.length)), "no golden case explains");
  const literals = (value) => JSON.stringify(value, null, 1);
  const { status, stdout } = compile(
    `import type { Fault, ModelInfo, ModelInput, Product, ProfileView, RankRequest, RankResponse } from "shelfedge";
     export const requests: RankRequest[] = ${literals(requests)};
     export const responses: RankResponse[] = ${literals(responses)};
     export const model: ModelInfo = ${literals(real.model)};
     export const inputs: ModelInput[] = ${literals(real.inputs)};
     export const products: Product[] = ${literals(real.products)};
     export const profile: ProfileView = ${literals(real.profile)};
     export const faults: Fault[] = ${literals(real.faults)};`,
  );
  assert.equal(status, 0, stdout);
});

test("a response with a field too many or too few is told apart", () => {
  const response = JSON.parse(golden.cases[0].response);
  const { arm, ...without } = response;
  for (const [wrong, told] of [[{ ...response, surprise: 1 }, "surprise"], [without, "arm"]]) {
    const { status, stdout } = compile(
      `import type { RankResponse } from "shelfedge";
       export const response: RankResponse = ${JSON.stringify(wrong)};`,
    );
    assert.notEqual(status, 0);
    assert.match(stdout, new RegExp(told));
  }
});

// What npm would publish: complete, well typed, and found by every resolver.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { bundle, here } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";

let project;
before(() => (project = freshProject()));
after(() => project?.remove());

test("publint has nothing to say", async () => {
  const { messages } = await publint({ pkgDir: project.installed, pack: false, strict: true });
  const manifest = JSON.parse(readFileSync(join(project.installed, "package.json"), "utf8"));
  assert.deepEqual(messages.map((message) => formatMessage(message, manifest, { color: false })), []);
});

test("are the types wrong? They are not", () => {
  const attw = join(here, "node_modules/@arethetypeswrong/cli/dist/index.js");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    // The package is ESM on purpose, so require() isn't asked about.
    [attw, project.tarball, "--profile", "esm-only", "--exclude-entrypoints", "shelfedge_bg.wasm", "shelfedge_full_bg.wasm", "shelfedge_assistant_bg.wasm", "--no-emoji", "--format", "table-flipped"],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stdout + stderr);
});

test("the tarball holds what it must and nothing else", () => {
  const files = readdirSync(project.installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  for (const name of ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "package.json", "index.js", "index.d.ts", "worker.js", "shelfedge_bg.wasm", "full.js", "full.d.ts", "shelfedge_full_bg.wasm", "assistant.js", "assistant.d.ts", "shelfedge_assistant_bg.wasm", "chat.js", "chat.d.ts"]) {
    assert.ok(files.includes(name), `${name} is missing`);
  }
  for (const name of files) assert.match(name, /\.(js|d\.ts|js\.map|wasm|json|md)$|^LICENSE-/, name);
  const manifest = JSON.parse(readFileSync(join(project.installed, "package.json"), "utf8"));
  assert.deepEqual(manifest.dependencies ?? {}, {});
  assert.equal(manifest.license, "MIT OR Apache-2.0");
  for (const name of files.filter((name) => name.endsWith(".js"))) {
    const text = readFileSync(join(project.installed, "dist", name), "utf8");
    assert.doesNotMatch(text, /\beval\(|new Function|blob:/, name);
  }
});

test("a strict TypeScript project compiles against the types", () => {
  writeFileSync(join(project.folder, "use.ts"), readFileSync(join(here, "lib/use.ts")));
  writeFileSync(
    join(project.folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "es2022", module: "nodenext", lib: ["es2022", "dom"], types: [],
        strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false, noEmit: true,
      },
      include: ["use.ts"],
    }),
  );
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  assert.ok(existsSync(tsc));
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", project.folder], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});

test("the README installs what there is: the tarball, while the registry has no package of this name", () => {
  const readme = readFileSync(join(project.installed, "README.md"), "utf8");
  const [, commands] = /```sh\n([\s\S]*?)```/.exec(readme);
  // What freshProject() runs, with the name that npm gives.
  assert.match(commands, /^npm pack \.\/www\/package$/m);
  const installs = [...readme.matchAll(/\bnpm install (\S+)/g)].map(([, what]) => what);
  assert.deepEqual(installs.map((what) => basename(what)), [basename(project.tarball)]);
});

test("the README's first example runs, and the others are JavaScript", () => {
  const readme = readFileSync(join(project.installed, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  assert.ok(examples.length >= 3);
  for (const [n, code] of examples.entries()) {
    writeFileSync(join(project.folder, `example${n}.mjs`), code);
    execFileSync(process.execPath, ["--check", join(project.folder, `example${n}.mjs`)]);
  }
  // Only the model's place differs in Node.
  writeFileSync(join(project.folder, "first.mjs"), examples[0].replace("/models/ranking/", bundle));
  const printed = execFileSync(process.execPath, ["first.mjs"], { cwd: project.folder, encoding: "utf8" }).trim().split("\n");
  assert.equal(printed.length, 12);
});

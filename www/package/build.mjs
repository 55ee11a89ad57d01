// Makes dist/ from what wasm-bindgen wrote and from src/.
//
//   node build.mjs          builds
//   node build.mjs --size   prints the default bundle's sizes as JSON
//
// wasm-bindgen's output (target web) is expected in dist/, or in the folder that
// SHELFEDGE_BINDGEN names.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import binaryen from "binaryen";
import { build as bundle } from "esbuild";
import { brotliCompressSync, constants } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const dist = join(here, "dist");

// What a page loads with `worker` left at its default. On the page's own thread
// core.js comes instead of worker.js, and is smaller.
const DEFAULT_BUNDLE = ["index.js", "worker.js", "shelfedge_bg.wasm"];

// What wasm-bindgen wrote, an engine each: the default one, and the full one, which opens
// models with logs, too. What understands texts is an engine of another kind.
const ASSISTANT = "shelfedge_assistant";
const ENGINES = ["shelfedge", "shelfedge_full"];

// Each entry is one file, so that a bare <script type="module"> waits for few
// round trips. Those that fetch or import an engine are there for each.
const ENTRIES = [
  { name: "core" },
  { name: "worker" },
  ...ENGINES.flatMap((engine) =>
    [
      { name: "index", external: ["./core.js", "./assistant.js"] },
      { name: "node", platform: "node", external: ["./assistant-node.js"] },
      { name: "workerd", external: ["./assistant-workerd.js"] },
      { name: "edge-light", external: ["./assistant-edge-light.js"] },
    ].map((entry) => ({ ...entry, engine, out: engine.replace("shelfedge", entry.name).replace("index_full", "full") })),
  ),
  { name: "assistant" },
  { name: "assistant-node", platform: "node" },
  { name: "assistant-workerd" },
  { name: "assistant-edge-light" },
  { name: "chat" },
];

// The sources name the default engine's file.
const named = (engine) => ({
  name: "engine",
  setup(build) {
    build.onResolve({ filter: /_bg\.wasm(\?module)?$/ }, ({ path }) => ({ path, external: true }));
    build.onLoad({ filter: /[\\/]src[\\/](index|node|workerd|edge-light)\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      if (!source.includes("shelfedge_bg.wasm")) fail(`${path} names no engine`, "It must name shelfedge_bg.wasm.");
      return { contents: source.replaceAll('"shelfedge"', `"${engine}"`).replaceAll("./shelfedge_bg.wasm", `./${engine}_bg.wasm`), loader: "ts" };
    });
  },
});

// The assistant's sources name theirs.
const EXTERNAL = { name: "wasm", setup: (build) => build.onResolve({ filter: /_bg\.wasm(\?module)?$/ }, ({ path }) => ({ path, external: true })) };

// wasm-bindgen's script keeps one instance of the module for good, and a trap
// would be the end of it for the whole process. Here the script becomes a
// function (src/bindings.d.ts) that makes the bindings of one more instance.
// What fetches and compiles is left out: shop.ts does that.
const script = (file, engine, classes) => ({
  name: file,
  setup(build) {
    build.onResolve({ filter: new RegExp(`^\\./${file}\\.js$`) }, () => ({ path: join(dist, `${engine}.js`) }));
    build.onLoad({ filter: new RegExp(`[\\\\/]dist[\\\\/]${engine}\\.js$`) }, ({ path }) => {
      const [all, fetching] = readFileSync(path, "utf8").replace(new RegExp(`^export class ${classes} `, "m"), `class ${classes} `).split(/^async function __wbg_load\(/m);
      const script = NEEDLESS.reduce((script, part) => script.replace(part, ""), all);
      const names = [`class ${classes}`, "function __wbg_get_imports", "function __wbg_finalize_init"];
      if (fetching === undefined || /^(import|export) /m.test(script) || !names.every((name) => script.includes(`\n${name}`))) {
        fail("wasm-bindgen's script is not what build.mjs knows", "Adapt the plugin `bindings` there to this version of wasm-bindgen.");
      }
      const contents = `export default () => {\n${script}\nreturn { ${classes}, imports: __wbg_get_imports, start: __wbg_finalize_init };\n};`;
      return { contents, loader: "js" };
    });
  },
});
const SCRIPTS = [script("bindings", "shelfedge", "Shop"), script("assistant-bindings", ASSISTANT, "Assistant")];

// Parts of wasm-bindgen's script for what doesn't occur here: browsers too old for
// the module's SIMD, an allocator without realloc, `using shop = ...` on a class
// that no user sees.
const NEEDLESS = [
  /^if \(!\('encodeInto' in cachedTextEncoder\)\) \{[^]*?^\}$/m,
  /^ {4}if \(realloc === undefined\) \{[^]*?^ {4}\}$/m,
  /^if \(Symbol\.dispose\).*$/m,
];

// What is done to an engine after the compiler: dead code, and spellings that compress
// well. Binaryen's levels (-O2, -Os, -Oz) take a tenth off the module and yet make what
// is downloaded larger: code that was alike no longer is. Default engine, brotli: 92.6 KB as
// compiled, 90.5 with these, 92.9 with -Os, 93.8 with -O2.
const PASSES = ["dce", "remove-unused-names", "remove-unused-brs", "vacuum", "merge-blocks", "reorder-locals", "remove-unused-module-elements"];

// Declarations that no user sees.
const INTERNAL = ["arguments", "core", "disk", "storage", "worker", "shelfedge", ASSISTANT];

function fail(cause, action) {
  console.error(`error: ${cause}\n  ${action}`);
  process.exit(1);
}

async function build() {
  const bindgen = process.env.SHELFEDGE_BINDGEN ?? dist;
  const names = ENGINES.flatMap((engine) => [`${engine}.js`, `${engine}_bg.wasm`]).concat("shelfedge.d.ts", [".js", ".d.ts", "_bg.wasm"].map((end) => ASSISTANT + end));
  const missing = names.filter((name) => !existsSync(join(bindgen, name)));
  if (missing.length > 0) fail(`${bindgen} lacks ${missing.join(", ")}`, "Run `cargo xtask npm`, which makes them first.");
  const generated = names.map((name) => [name, readFileSync(join(bindgen, name))]);

  // Nothing of an earlier build may reach the tarball.
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  for (const [name, content] of generated) writeFileSync(join(dist, name), name.endsWith(".wasm") ? smaller(content) : content);
  // One script serves all engines.
  const [bindings, ...others] = ENGINES.map((engine) => readFileSync(join(dist, `${engine}.js`), "utf8"));
  if (others.some((other) => other !== bindings)) fail("wasm-bindgen's scripts differ from engine to engine", "Build an entry `core` for each.");

  // Types are checked and declarations written by tsc, the scripts by esbuild.
  run(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "-p", here]);
  for (const name of INTERNAL) rmSync(join(dist, `${name}.d.ts`));
  writeFileSync(join(dist, "full.d.ts"), 'export * from "./index.js";\n');
  for (const { name, out, engine, external, platform } of ENTRIES) {
    await bundle({
      entryPoints: [join(here, `src/${name}.ts`)],
      outfile: join(dist, `${out ?? name}.js`),
      bundle: true,
      external: external ?? [],
      platform: platform ?? "neutral",
      format: "esm",
      target: "es2022",
      minify: true,
      sourcemap: true,
      legalComments: "none",
      plugins: engine ? [named(engine), ...SCRIPTS] : [EXTERNAL, ...SCRIPTS],
      logLevel: "warning",
    });
  }
  // The bindings are in the bundles now.
  for (const engine of [...ENGINES, ASSISTANT]) rmSync(join(dist, `${engine}.js`));

  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    if (existsSync(join(root, licence))) cpSync(join(root, licence), join(here, licence));
  }
}

// The same engine in fewer bytes.
function smaller(wasm) {
  const module = binaryen.readBinary(wasm);
  try {
    module.runPasses(PASSES);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: here, stdio: "inherit" });
  if (error) fail(`${command} can't be started: ${error.message}`, "Run `npm ci` in www/package.");
  if (status !== 0) process.exit(status ?? 1);
}

function sizes() {
  if (!existsSync(dist) || !readdirSync(dist).length) fail("there is no dist/", "Run `cargo xtask npm` first.");
  const files = {};
  const total = { raw: 0, brotli: 0 };
  for (const name of DEFAULT_BUNDLE) {
    const content = readFileSync(join(dist, name));
    const brotli = brotliCompressSync(content, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
    }).length;
    files[name] = { raw: content.length, brotli };
    total.raw += content.length;
    total.brotli += brotli;
  }
  console.log(JSON.stringify({ files, total }, null, 2));
}

if (process.argv.includes("--size")) sizes();
else await build();

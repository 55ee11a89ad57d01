// Where things are, and what a test says when one of them is missing.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const here = join(dirname(fileURLToPath(import.meta.url)), "..");
export const root = process.env.SHELFEDGE_ROOT ?? join(here, "../..");
export const packageFolder = join(root, "www/package");
export const bundle = join(root, "models/ranking");
/** Bundles of models with logs, for `shelfedge/full`. */
export const logged = ["basket", "next"].map((name) => join(root, "tests/data/bundles", name));

if (!existsSync(join(packageFolder, "dist/index.js"))) {
  throw new Error("www/package/dist is not built. Run `cargo xtask npm` first.");
}
for (const part of ["manifest.json", "model.shelf", "golden.json"]) {
  if (!existsSync(join(bundle, part))) throw new Error(`models/ranking/${part} is missing. Run \`cargo xtask demo --check\`, which trains what is missing.`);
}

/** The system's Chromium. */
export function chromiumPath() {
  const candidates = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error("No Chromium here. Install it (Debian: apt-get install chromium) or name it in CHROMIUM.");
  return found;
}

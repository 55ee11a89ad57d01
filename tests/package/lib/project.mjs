// A fresh project with the package installed from its own tarball: what a user
// has after `npm install shelfedge`.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { here, packageFolder } from "./paths.mjs";

/** Runs npm without a network: the package has no dependencies. */
function npm(args, cwd) {
  return execFileSync("npm", [...args, "--offline", "--no-audit", "--no-fund", "--loglevel=error"], { cwd, encoding: "utf8" });
}

/** `npm pack`, `npm init`, `npm install`: returns the folder, the tarball and a way to remove both. */
export function freshProject() {
  const folder = mkdtempSync(join(tmpdir(), "shelfedge-project-"));
  npm(["pack", "--ignore-scripts", "--pack-destination", folder], packageFolder);
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "fresh", version: "1.0.0", private: true, type: "module" }));
  npm(["install", tarball], folder);
  cpSync(join(here, "lib/replay.mjs"), join(folder, "replay.mjs"));
  return {
    folder,
    tarball,
    installed: join(folder, "node_modules/shelfedge"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

//! The npm package and the folders that use npm.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::context::{Context, run, step};
use crate::digest::{self, Stamp};

/// The package itself.
pub(crate) const PACKAGE: &str = "www/package";
/// Its tests.
pub(crate) const TESTS: &str = "tests/package";

/// Installs the locked dependencies of a folder unless they are there.
pub(crate) fn install(context: &Context, folder: &str) -> Result<()> {
    let lock = context.path(folder).join("package-lock.json");
    let Ok(bytes) = fs::read(&lock) else {
        bail!(
            "{folder}/package-lock.json is missing: run `npm install` in {folder} and commit the lock"
        );
    };
    // The stamp lies inside node_modules, so that it goes when they go.
    let stamp = context.path(folder).join("node_modules/.shelfedge-lock");
    let digest = digest::sha256(&bytes);
    if fs::read_to_string(&stamp).is_ok_and(|text| text == digest) {
        return Ok(());
    }
    step(&format!("npm ci in {folder}"), || {
        run(context.tool("npm", folder).args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]))?;
        fs::create_dir_all(context.path(folder).join("node_modules"))?;
        fs::write(&stamp, &digest)?;
        Ok(())
    })
}

/// Builds `www/package/dist` from the package's sources and `target/bindgen`.
pub(crate) fn build(context: &Context) -> Result<()> {
    install(context, PACKAGE)?;
    let bindgen = context.bindgen();
    let inputs = digest::of(
        &context.root,
        &[Path::new(PACKAGE), &bindgen],
        // The build copies the licences in, to be packed.
        &["node_modules", "dist", "LICENSE-APACHE", "LICENSE-MIT"],
    )?;
    let stamp = Stamp::new(context, "npm", inputs);
    let dist = context.path(PACKAGE).join("dist");
    if stamp.is_fresh() && dist.is_dir() {
        return Ok(());
    }
    stamp.forget();
    step("npm package", || {
        run(context
            .tool("npm", PACKAGE)
            .args(["run", "--silent", "build"])
            .env("SHELFEDGE_BINDGEN", &bindgen))?;
        stamp.remember()
    })
}

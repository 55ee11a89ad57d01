//! Embeds the ranking model: checks the bundle in `models/ranking` and writes
//! the constants that `src/model.rs` includes. A bundle whose parts don't
//! match is a build error, so a component never checks what it embeds.

use shelfedge_wire::manifest::{Digests, Manifest};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_model)");
    println!("cargo::rerun-if-env-changed=SHELFEDGE_MODEL_DIR");
    // At run time: a build folder that another checkout filled may hold this script.
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&crate_folder).join("../..");
    let folder = env::var_os("SHELFEDGE_MODEL_DIR")
        .map_or_else(|| root.join("models/ranking"), PathBuf::from);
    let shelf = folder.join("model.shelf");
    let manifest = folder.join("manifest.json");
    for file in [&shelf, &manifest] {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let for_wasm = env::var_os("CARGO_CFG_TARGET_ARCH").is_some_and(|arch| arch == "wasm32");
    match embed(&shelf, &manifest) {
        Ok(code) => {
            println!("cargo::rustc-cfg=embedded_model");
            let out = env::var_os("OUT_DIR")
                .map(PathBuf::from)
                .unwrap_or_default();
            if let Err(error) = fs::write(out.join("model.rs"), code) {
                println!("cargo::error=the generated file can't be written: {error}");
            }
        }
        // The handlers compile and their other tests run without a model; a
        // component without one would be of no use.
        Err(why) if for_wasm => println!("cargo::error={why}"),
        Err(why) => println!("cargo::warning=no model is embedded: {why}"),
    }
}

fn embed(shelf: &Path, manifest: &Path) -> Result<String, String> {
    let read = |file: &Path| {
        fs::read(file).map_err(|error| {
            format!(
                "{}: {error}; train the model with `shelfedge-train ranking`, or name its folder \
                 in SHELFEDGE_MODEL_DIR",
                file.display()
            )
        })
    };
    let bytes = read(shelf)?;
    let manifest = Manifest::parse(&read(manifest)?)
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    manifest
        .check_part("model.shelf", &bytes)
        .map_err(|error| format!("{}: {error}", shelf.display()))?;
    let ranker = shelfedge_ranking::Ranker::open(&bytes[..])
        .map_err(|error| format!("{}: {error}", shelf.display()))?;
    let info = ranker.info();
    manifest
        .check_digests(&Digests {
            spec: info.spec,
            onnx: info.onnx,
            data: info.data,
        })
        .map_err(|error| format!("{}: {error}", shelf.display()))?;
    let path = shelf
        .canonicalize()
        .map_err(|error| format!("{}: {error}", shelf.display()))?;
    Ok(format!(
        "static BYTES: &Aligned<[u8]> = &Aligned(*include_bytes!({:?}));\n\
         const DIGEST: &str = {:?};\n",
        path.display().to_string(),
        manifest.model_digest(),
    ))
}

//! Embeds the models: checks the bundles in `models/ranking` and `models/chat` and
//! writes the constant that `src/model.rs` includes. A bundle whose parts don't match is
//! a build error, so a component never checks what it embeds.

use shelfedge_wire::manifest::{Digests, Manifest};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Opens a compiled model, and so checks it.
type Open = fn(&Manifest, &[u8]) -> Result<(), String>;

fn main() {
    // At run time: a build folder that another checkout filled may hold this script.
    let crate_folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&crate_folder).join("../..");
    let for_wasm = env::var_os("CARGO_CFG_TARGET_ARCH").is_some_and(|arch| arch == "wasm32");
    let mut code = String::new();
    let mut fields = String::new();
    let bundles: [(&str, &str, &str, Open); 2] = [
        ("ranking", "ranking", "SHELFEDGE_MODEL_DIR", ranking),
        ("assistant", "chat", "SHELFEDGE_ASSISTANT_DIR", assistant),
    ];
    for (task, folder, variable, open) in bundles {
        println!("cargo::rerun-if-env-changed={variable}");
        let named = env::var_os(variable).map(PathBuf::from);
        let folder = named
            .clone()
            .unwrap_or_else(|| root.join("models").join(folder));
        for file in ["model.shelf", "manifest.json"] {
            println!("cargo::rerun-if-changed={}", folder.join(file).display());
        }
        // A shop may have no assistant; one without a ranking builds something else.
        let is_needed = task == "ranking" || named.is_some() || folder.exists();
        let embedded = match embed(task, &folder, open, variable) {
            Ok(statics) => {
                code.push_str(&statics);
                let upper = task.to_uppercase();
                format!("Some(EmbeddedModel {{ bytes: &{upper}.0, digest: {upper}_DIGEST }})")
            }
            // The handlers compile and their other tests run without a model; a
            // component without one would be of no use.
            Err(why) => {
                if for_wasm && is_needed {
                    println!("cargo::error={why}");
                } else if is_needed {
                    println!("cargo::warning=no model is embedded: {why}");
                }
                "None".to_owned()
            }
        };
        fields.push_str(&format!("{task}: {embedded}, "));
    }
    code.push_str(&format!(
        "/// What was embedded.\npub const EMBEDDED: Models = Models {{ {fields} }};\n"
    ));
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    if let Err(error) = fs::write(out.join("models.rs"), code) {
        println!("cargo::error=the generated file can't be written: {error}");
    }
}

fn embed(task: &str, folder: &Path, open: Open, variable: &str) -> Result<String, String> {
    let [shelf, manifest] = ["model.shelf", "manifest.json"].map(|file| folder.join(file));
    let read = |file: &Path| {
        fs::read(file).map_err(|error| {
            format!(
                "{}: {error}; train the model with `shelfedge-train {task}`, or name its folder \
                 in {variable}",
                file.display()
            )
        })
    };
    let at = |why: String| format!("{}: {why}", shelf.display());
    let bytes = read(&shelf)?;
    let manifest = Manifest::parse(&read(&manifest)?)
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    manifest
        .check_part("model.shelf", &bytes)
        .map_err(|error| at(error.to_string()))?;
    open(&manifest, &bytes).map_err(at)?;
    let path = shelf
        .canonicalize()
        .map_err(|error| at(error.to_string()))?;
    let upper = task.to_uppercase();
    Ok(format!(
        "static {upper}: &Aligned<[u8]> = &Aligned(*include_bytes!({:?}));\n\
         const {upper}_DIGEST: &str = {:?};\n",
        path.display().to_string(),
        manifest.model_digest(),
    ))
}

fn ranking(manifest: &Manifest, bytes: &[u8]) -> Result<(), String> {
    let ranker = shelfedge_ranking::Ranker::open(bytes).map_err(|error| error.to_string())?;
    let info = ranker.info();
    manifest
        .check_digests(&Digests {
            spec: info.spec,
            onnx: info.onnx,
            data: info.data,
        })
        .map_err(|error| error.to_string())
}

fn assistant(_: &Manifest, bytes: &[u8]) -> Result<(), String> {
    let opened = shelfedge_assistant::Assistant::open(bytes);
    opened.map(drop).map_err(|error| error.to_string())
}

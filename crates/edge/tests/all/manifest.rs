//! `spin.toml` is what the component expects and what Spin reads.

use shelfedge_edge::settings;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifest() -> String {
    std::fs::read_to_string(root().join("spin.toml")).unwrap()
}

#[test]
fn variables_and_defaults_are_the_components_own() {
    let manifest = manifest();
    let table = |heading: &str| -> Vec<String> {
        manifest
            .lines()
            .skip_while(|line| *line != heading)
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            // This one is the manifest's own: no code asks for it.
            .filter(|line| line.contains(" = ") && !line.starts_with("handover_origin"))
            .map(str::to_owned)
            .collect()
    };
    let application = table("[variables]");
    let component = table("[component.edge.variables]");
    assert_eq!(application.len(), settings::ALL.len());
    assert_eq!(component.len(), settings::ALL.len());
    for ((variable, application), component) in
        settings::ALL.iter().zip(&application).zip(&component)
    {
        let secret = if variable.secret {
            "secret = true, "
        } else {
            ""
        };
        let expected = format!(
            "{} = {{ default = \"{}\", {secret}description = \"{}\" }}",
            variable.name, variable.default, variable.about
        );
        assert_eq!(application, &expected);
        assert_eq!(
            component,
            &format!("{0} = \"{{{{ {0} }}}}\"", variable.name)
        );
    }
}

#[test]
fn the_component_is_let_out_to_one_origin_and_has_one_store() {
    let manifest = manifest();
    assert!(manifest.contains("allowed_outbound_hosts = [\"{{ handover_origin }}\"]\n"));
    assert!(manifest.contains("handover_origin = { default = \"https://none.invalid\","));
    assert!(manifest.contains("key_value_stores = [\"default\"]\n"));
    for path in ["/v1/...", "/healthz", "/openapi.json"] {
        assert!(
            manifest.contains(&format!("route = \"{path}\"\n")),
            "{path}"
        );
    }
    assert!(!manifest.contains("\nfiles"));
}

/// The schema that Spin publishes lies beside the checkout on the machines
/// that have it; Python has the parsers for both formats.
#[test]
fn spins_schema_accepts_the_manifest() {
    let schema = root().join("../shared/schemas/spin-manifest-v2.schema.json");
    if !schema.is_file() {
        println!("SKIPPED: there is no {}", schema.display());
        return;
    }
    let program = "
import json, sys
try:
    import jsonschema, tomllib
except ImportError as error:
    print('SKIPPED:', error)
    sys.exit(0)
schema = json.load(open(sys.argv[1]))
manifest = tomllib.load(open(sys.argv[2], 'rb'))
faults = list(jsonschema.Draft202012Validator(schema).iter_errors(manifest))
for fault in faults:
    print('/'.join(map(str, fault.path)), fault.message)
# The check must be one that can fail.
broken = dict(manifest, component={'edge': {'source': 5}})
assert list(jsonschema.Draft202012Validator(schema).iter_errors(broken))
sys.exit(bool(faults))
";
    let run = Command::new("python3")
        .arg("-c")
        .arg(program)
        .arg(&schema)
        .arg(root().join("spin.toml"))
        .output();
    match run {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            println!("{text}");
            assert!(
                output.status.success(),
                "{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(error) => println!("SKIPPED: python3 can't be run: {error}"),
    }
}

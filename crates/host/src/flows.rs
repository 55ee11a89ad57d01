//! Files of flows: checked with every fault at its line, and drawn.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use shelfedge_assistant::flow::{Drawing, Flows, compile};

/// Longest file of flows, in bytes: longer ones aren't read.
const MOST_BYTES: u64 = 16 << 20;

/// What a drawing is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Graphviz.
    Dot,
    /// Mermaid, which many pages of documentation draw.
    Mermaid,
}

/// What was found in a file.
#[derive(Debug)]
pub struct Report {
    /// Whether it compiles.
    pub is_sound: bool,
    /// For people: the flows, or a line a fault.
    pub text: String,
    /// For machines.
    pub json: Value,
}

fn read(file: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(file).with_context(|| file.display().to_string())?;
    if size.len() > MOST_BYTES {
        bail!(
            "{} has {} bytes, and {MOST_BYTES} are the most: name a file of flows",
            file.display(),
            size.len()
        );
    }
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("{} isn't UTF-8: save it as UTF-8", file.display()))
}

/// Checks a file; against the intents of a model, where there are any.
///
/// # Errors
/// A file that can't be read. What is wrong in it is in the report.
pub fn check(file: &Path, intents: &[&str]) -> anyhow::Result<Report> {
    let name = file.display();
    let source = read(file)?;
    let bytes = match compile::compile(&source, intents) {
        Ok(bytes) => bytes,
        Err(faults) => {
            let mut text = String::new();
            for fault in faults.iter() {
                let _ = writeln!(text, "{name}:{fault}");
            }
            let _ = write!(text, "{} faults", faults.len());
            let each = |fault: &compile::Fault| {
                json!({
                    "line": fault.line,
                    "column": fault.column,
                    "code": fault.code,
                    "cause": fault.cause,
                    "action": fault.action,
                })
            };
            return Ok(Report {
                is_sound: false,
                text,
                json: json!({
                    "sound": false,
                    "count": faults.len(),
                    "faults": faults.iter().map(each).collect::<Vec<_>>(),
                }),
            });
        }
    };
    let flows = Flows::open(&bytes[..]).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    let names: Vec<String> = (0..flows.len())
        .map(|row| flows.flow(row).name.to_owned())
        .collect();
    let text = format!(
        "{name} is sound: {} flows with {} states, {} bytes compiled: {}",
        names.len(),
        flows.states(),
        bytes.len(),
        names.join(", ")
    );
    Ok(Report {
        is_sound: true,
        text,
        json: json!({
            "sound": true,
            "flows": names,
            "states": flows.states(),
            "bytes": bytes.len(),
        }),
    })
}

/// Draws one flow of a file.
///
/// # Errors
/// A file that can't be read or isn't sound, or has no such flow.
pub fn draw(file: &Path, flow: &str, form: Form) -> anyhow::Result<String> {
    let source = read(file)?;
    let bytes = compile::compile(&source, &[]).map_err(|faults| {
        anyhow::anyhow!(
            "{} has {} faults: `shelfedge flows check` lists them",
            file.display(),
            faults.len()
        )
    })?;
    let flows = Flows::open(&bytes[..])?;
    let Some(row) = flows.flow_named(flow) else {
        let known: Vec<&str> = (0..flows.len()).map(|row| flows.flow(row).name).collect();
        bail!("there is no flow {flow:?}; there are {}", known.join(", "));
    };
    let drawing = Drawing::of(&flows, row);
    Ok(match form {
        Form::Dot => drawing.dot(),
        Form::Mermaid => drawing.mermaid(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/assistant/flows.toml")
    }

    #[test]
    fn the_bundled_flows_are_sound_and_drawn() {
        let report = check(&bundled(), &[]).unwrap();
        assert!(
            report.is_sound && report.text.contains("8 flows"),
            "{}",
            report.text
        );
        assert_eq!(
            report.json["flows"][0].as_str().map(str::is_empty),
            Some(false)
        );
        for form in [Form::Dot, Form::Mermaid] {
            let drawn = draw(&bundled(), "cancel_order", form).unwrap();
            assert!(drawn.lines().count() > 5, "{drawn}");
        }
        let unknown = draw(&bundled(), "cancel", Form::Dot)
            .unwrap_err()
            .to_string();
        assert!(unknown.contains("cancel_order"), "{unknown}");
    }

    #[test]
    fn every_fault_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flows.toml");
        let source = std::fs::read_to_string(bundled()).unwrap();
        let broken = source.replace("next = \"sure\"", "next = \"nowhere\"");
        assert_ne!(source, broken);
        std::fs::write(&file, broken).unwrap();
        let report = check(&file, &[]).unwrap();
        assert!(!report.is_sound);
        let faults = report.json["faults"].as_array().unwrap();
        assert!(!faults.is_empty() && faults.iter().all(|f| f["line"].as_u64() > Some(0)));
        assert!(report.text.contains("flows.toml:"), "{}", report.text);
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(check(&file, &[]).is_err());
        assert!(check(&folder.path().join("none.toml"), &[]).is_err());
    }
}

//! The README's commands exist, and its shell blocks marked `<!-- run -->` run.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::CommandFactory as _;

use super::{Tally, native_host};
use crate::context::{Context, capture, run as run_command};
use crate::demo;
use crate::server::Server;

/// A fenced block of the README.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    /// Stands below the mark `<!-- run -->`.
    run: bool,
    text: String,
}

pub(super) fn check(context: &Context, tally: &mut Tally) -> Result<()> {
    let text = fs::read_to_string(context.path("README.md")).context("reading README.md")?;
    let blocks = blocks(&text);
    let mut faults = links(context, &text);
    for line in commands(&blocks) {
        let result = match line.as_slice() {
            [cargo, xtask, ..] if cargo == "cargo" && xtask == "xtask" => crate::Cli::command()
                .try_get_matches_from(["cargo xtask".to_owned()].iter().chain(&line[2..]))
                .map(|_| ())
                .map_err(anyhow::Error::from),
            [cargo, run, ..] if cargo == "cargo" && run == "run" => ours(context, &line),
            _ => continue,
        };
        match result {
            Ok(()) => tally.add(Tally::ONE),
            Err(error) => faults.push(format!("`{}`: {error:#}", line.join(" "))),
        }
    }
    if !faults.is_empty() {
        bail!("README.md: {}", faults.join("; "));
    }

    let to_run: Vec<&Block> = blocks.iter().filter(|block| block.run).collect();
    if to_run.is_empty() {
        return Ok(());
    }
    demo::prepare(context)?;
    let server = Server::start(context, &native_host(context)?)?;
    for block in to_run {
        // The README names the default address; the test's port is a free one.
        let script = block.text.replace("http://127.0.0.1:3000", &server.url);
        let mut command = match block.language.as_str() {
            "sh" => {
                let mut command = context.tool("sh", ".");
                command.args(["-e", "-c", &script]);
                command
            }
            "js" => {
                // A bare `shelfedge` resolves from inside the package itself,
                // by its own `exports`.
                let mut command = context.tool("node", crate::npm::PACKAGE);
                command.args(["--input-type=module", "--eval", &script]);
                command
            }
            other => bail!("README.md: a block in `{other}` is marked to be run"),
        };
        run_command(&mut command)
            .with_context(|| format!("README.md: this block failed:\n{}", block.text))?;
        tally.add(Tally::ONE);
    }
    Ok(())
}

/// A `cargo run --bin <name> -- <command> <options>`.
fn ours(context: &Context, line: &[String]) -> Result<()> {
    let after = |name: &str| {
        let at = line.iter().position(|word| word == name)?;
        line.get(at + 1)
    };
    let (Some(binary), Some(command)) = (after("--bin"), after("--")) else {
        bail!("names no --bin, or no command after --");
    };
    native_host(context)?;
    let help = capture(
        Command::new(context.native(binary))
            .current_dir(&context.root)
            .args([command, "--help"]),
    )?;
    let start = line
        .iter()
        .position(|word| word == "--")
        .unwrap_or_default();
    options_exist(&help, &line[start + 1..])
}

/// Whether a file is there, and in it the heading that is meant.
fn leads_somewhere(context: &Context, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    if heading.is_empty() {
        return context.path(file).exists();
    }
    let text = std::fs::read_to_string(context.path(file)).unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| {
            let line = line.trim_start_matches('#').trim().to_lowercase();
            let kept = line
                .chars()
                .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.map(|c| if c == ' ' { '-' } else { c })
                .eq(heading.chars())
        })
}

/// Links to files of the repository lead somewhere.
fn links(context: &Context, text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        // What a build makes is not there before it.
        .filter(|link| !link.starts_with("target/"))
        .filter(|link| !leads_somewhere(context, link))
        .map(|link| format!("{link} is linked but not there"))
        .collect()
}

/// Every option of a command line is in the command's help.
fn options_exist(help: &str, arguments: &[String]) -> Result<()> {
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or(argument);
        if name.starts_with("--") && !help.contains(name) {
            bail!("its help knows no {name}");
        }
    }
    Ok(())
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut marked = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(Block {
                language: language.to_owned(),
                run: marked,
                text: body.join("\n"),
            });
            marked = false;
        } else if !line.trim().is_empty() {
            marked = line.trim() == "<!-- run -->";
        }
    }
    found
}

/// The command lines of shell blocks, in words; comments and continued lines
/// are understood, quoting is not.
fn commands(blocks: &[Block]) -> Vec<Vec<String>> {
    blocks
        .iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| {
            block
                .text
                .replace("\\\n", " ")
                .lines()
                .map(|line| {
                    line.split(" #")
                        .next()
                        .unwrap_or_default()
                        .split_whitespace()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty() && words[0] != "#")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blocks_and_marks() {
        let text = "# T\n\n```sh\ncargo xtask demo # go\n```\n\n<!-- run -->\n\n```js\nlet a = 1;\n```\n\n```json\n{}\n```\n";
        let blocks = blocks(text);
        assert_eq!(
            blocks
                .iter()
                .map(|block| (block.language.as_str(), block.run))
                .collect::<Vec<_>>(),
            [("sh", false), ("js", true), ("json", false)]
        );
        assert_eq!(commands(&blocks), [["cargo", "xtask", "demo"]]);
    }

    #[test]
    fn joins_continued_lines_and_drops_comments() {
        let blocks = blocks("```sh\n# first\nshelfedge serve \\\n  --addr x\n```\n");
        assert_eq!(commands(&blocks), [["shelfedge", "serve", "--addr", "x"]]);
    }

    #[test]
    fn an_unknown_option_is_a_fault() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert!(options_exist("  --addr <ADDR>", &words("--addr 1")).is_ok());
        assert!(options_exist("  --addr <ADDR>", &words("--port=1")).is_err());
    }

    #[test]
    fn the_readme_names_commands_of_xtask_that_exist() {
        let text = include_str!("../../../README.md");
        let mut seen = 0;
        for line in commands(&blocks(text)) {
            if line.len() > 2 && line[0] == "cargo" && line[1] == "xtask" {
                seen += 1;
                crate::Cli::command()
                    .try_get_matches_from(["cargo xtask".to_owned()].iter().chain(&line[2..]))
                    .unwrap_or_else(|error| panic!("{}: {error}", line.join(" ")));
            }
        }
        assert!(seen >= 2, "the README begins with two commands");
    }
}

//! Every crate from outside comes under a licence that deny.toml allows.
//!
//! cargo-deny reads the same file and checks more (advisories, duplicates);
//! this is what can be checked with no tool to install.

use super::graph::Graph;

/// The licences that `deny.toml` allows, and per crate in its exceptions.
#[derive(Debug, Default, PartialEq)]
struct Allowed {
    everywhere: Vec<String>,
    exceptions: Vec<(String, Vec<String>)>,
}

/// Checks every resolved crate against `deny.toml`.
pub(crate) fn check(graph: &Graph, deny: &str) -> Vec<String> {
    let allowed = Allowed::parse(deny);
    let mut faults = Vec::new();
    if allowed.everywhere.is_empty() {
        faults.push("deny.toml: [licenses] allow is empty or was not found".to_owned());
    }
    for (name, versions) in &graph.foreign {
        for foreign in versions {
            let Some(licence) = &foreign.licence else {
                if !foreign.licence_file {
                    faults.push(format!("{name} {}: states no licence", foreign.version));
                } else if !allowed
                    .exceptions
                    .iter()
                    .any(|(crate_name, _)| crate_name == name)
                {
                    faults.push(format!(
                        "{name} {}: a licence file of its own; read it and add an exception to deny.toml",
                        foreign.version
                    ));
                }
                continue;
            };
            if !allowed.permits(name, licence) {
                faults.push(format!(
                    "{name} {}: licence `{licence}` is not allowed by deny.toml",
                    foreign.version
                ));
            }
        }
    }
    faults
}

impl Allowed {
    fn parse(deny: &str) -> Self {
        let mut allowed = Self::default();
        let Some(section) = section(deny, "[licenses]") else {
            return allowed;
        };
        allowed.everywhere = list_after(section, "\nallow = ");
        let mut rest = section;
        while let Some(at) = rest.find("allow = [") {
            let line_start = rest[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let line = &rest[line_start..at];
            if let Some(name) = line
                .split("crate = \"")
                .nth(1)
                .and_then(|text| text.split('"').next())
            {
                allowed
                    .exceptions
                    .push((name.to_owned(), list_after(&rest[line_start..], "allow = ")));
            }
            rest = &rest[at + "allow = [".len()..];
        }
        allowed
    }

    fn permits(&self, name: &str, expression: &str) -> bool {
        // The old form separates alternatives with a slash.
        let expression = expression.replace('/', " OR ");
        let spaced = expression.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        let permitted = self.any(name, &words, &mut at);
        permitted && at == words.len()
    }

    fn any(&self, name: &str, words: &[&str], at: &mut usize) -> bool {
        let mut permitted = self.all(name, words, at);
        while words.get(*at) == Some(&"OR") {
            *at += 1;
            permitted |= self.all(name, words, at);
        }
        permitted
    }

    fn all(&self, name: &str, words: &[&str], at: &mut usize) -> bool {
        let mut permitted = self.one(name, words, at);
        while words.get(*at) == Some(&"AND") {
            *at += 1;
            permitted &= self.one(name, words, at);
        }
        permitted
    }

    fn one(&self, name: &str, words: &[&str], at: &mut usize) -> bool {
        let Some(word) = words.get(*at) else {
            return false;
        };
        *at += 1;
        if *word == "(" {
            let permitted = self.any(name, words, at);
            *at += 1;
            return permitted;
        }
        let mut licence = (*word).to_owned();
        if words.get(*at) == Some(&"WITH") {
            licence.push_str(" WITH ");
            licence.push_str(words.get(*at + 1).copied().unwrap_or_default());
            *at += 2;
        }
        self.everywhere.contains(&licence)
            || self
                .exceptions
                .iter()
                .any(|(crate_name, list)| crate_name == name && list.contains(&licence))
    }
}

/// The text of a section, up to the next header.
fn section<'a>(text: &'a str, header: &str) -> Option<&'a str> {
    let start = text.find(header)? + header.len();
    let rest = &text[start..];
    Some(rest.find("\n[").map_or(rest, |end| &rest[..end]))
}

/// The strings of the list after a key; comments run to the end of the line.
fn list_after(text: &str, key: &str) -> Vec<String> {
    let Some(start) = text.find(key) else {
        return Vec::new();
    };
    let list = &text[start + key.len()..];
    let list = &list[..list.find(']').unwrap_or(list.len())];
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::Foreign;
    use super::*;

    const DENY: &str = r#"
[advisories]
ignore = []

[licenses]
allow = [
    "MIT", # the usual
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
]
exceptions = [
    { crate = "gift", allow = ["MPL-2.0"] },
]

[bans]
multiple-versions = "warn"
"#;

    fn faults(name: &str, licence: Option<&str>) -> usize {
        let mut graph = Graph::default();
        graph.foreign.insert(
            name.to_owned(),
            vec![Foreign {
                licence: licence.map(str::to_owned),
                ..Foreign::default()
            }],
        );
        check(&graph, DENY).len()
    }

    #[test]
    fn reads_the_lists() {
        assert_eq!(
            Allowed::parse(DENY),
            Allowed {
                everywhere: ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
                    .map(str::to_owned)
                    .to_vec(),
                exceptions: vec![("gift".to_owned(), vec!["MPL-2.0".to_owned()])],
            }
        );
    }

    #[test]
    fn permits_by_expression() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "MIT AND Apache-2.0",
            "(MIT OR GPL-3.0) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(faults("any", Some(good)), 0, "{good}");
        }
    }

    #[test]
    fn refuses_by_expression() {
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MPL-2.0",
            "MIT WITH surprise",
            "",
        ] {
            assert_eq!(faults("any", Some(bad)), 1, "{bad}");
        }
        assert_eq!(faults("any", None), 1, "no licence at all");
    }

    #[test]
    fn an_exception_is_for_its_crate() {
        assert_eq!(faults("gift", Some("MPL-2.0")), 0);
        assert_eq!(faults("other", Some("MPL-2.0")), 1);
    }
}

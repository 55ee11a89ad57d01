//! The crates and their edges, and the checks on them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use super::rules::{Closure, DEV, Gate, Outside, Room};

/// A crate of ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, absolute.
    pub(crate) folder: String,
    /// Its folder inside the repository.
    pub(crate) place: String,
    /// Its root source file, absolute.
    pub(crate) source: String,
    pub(crate) dependencies: Vec<Edge>,
}

/// A dependency that a manifest names.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) name: String,
    pub(crate) dev: bool,
}

/// A resolved crate from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foreign {
    pub(crate) version: String,
    pub(crate) pre_release: bool,
    pub(crate) licence: Option<String>,
    pub(crate) licence_file: bool,
}

/// Our crates, what came from outside, and who needs whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: BTreeMap<String, Package>,
    /// By name; several versions of a name may be there.
    pub(crate) foreign: BTreeMap<String, Vec<Foreign>>,
    /// Resolved edges by package id, without dev-dependencies.
    pub(crate) resolved: BTreeMap<String, Vec<String>>,
    /// Package id to name.
    pub(crate) names: BTreeMap<String, String>,
}

impl Graph {
    pub(crate) fn from_metadata(metadata: &Metadata) -> Self {
        let mut graph = Self::default();
        let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
        let root = &metadata.workspace_root;
        let used = used(metadata);
        for package in &metadata.packages {
            graph
                .names
                .insert(package.id.repr.clone(), package.name.to_string());
            if !members.contains(&package.id) {
                // The lock also holds optional crates that nobody asked for.
                if !used.contains(package.id.repr.as_str()) {
                    continue;
                }
                graph
                    .foreign
                    .entry(package.name.to_string())
                    .or_default()
                    .push(Foreign {
                        version: package.version.to_string(),
                        pre_release: !package.version.pre.is_empty(),
                        licence: package.license.clone(),
                        licence_file: package.license_file.is_some(),
                    });
                continue;
            }
            let folder = package
                .manifest_path
                .parent()
                .map(ToString::to_string)
                .unwrap_or_default();
            let target = package
                .targets
                .iter()
                .find(|target| target.is_lib() || target.is_cdylib() || target.is_rlib())
                .or_else(|| package.targets.iter().find(|target| target.is_bin()));
            graph.packages.insert(
                package.name.to_string(),
                Package {
                    name: package.name.to_string(),
                    place: package
                        .manifest_path
                        .strip_prefix(root)
                        .ok()
                        .and_then(|path| path.parent())
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    source: target
                        .map(|target| target.src_path.to_string())
                        .unwrap_or_default(),
                    folder,
                    dependencies: package
                        .dependencies
                        .iter()
                        .map(|dependency| Edge {
                            name: dependency.name.clone(),
                            dev: dependency.kind == DependencyKind::Development,
                        })
                        .collect(),
                },
            );
        }
        for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let needs = node
                .deps
                .iter()
                .filter(|dependency| {
                    dependency
                        .dep_kinds
                        .iter()
                        .any(|kind| kind.kind == DependencyKind::Normal)
                })
                .map(|dependency| dependency.pkg.repr.clone())
                .collect();
            graph.resolved.insert(node.id.repr.clone(), needs);
        }
        graph
    }

    /// Our crates.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// The names of everything a crate of ours needs to be built, itself apart.
    fn closure(&self, name: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, other)| *other == name)
            .map(|(id, _)| id.as_str())
            .collect();
        while let Some(id) = open.pop() {
            for next in self.resolved.get(id).into_iter().flatten() {
                if seen.insert(next.as_str()) {
                    found.extend(self.names.get(next).map(String::as_str));
                    open.push(next);
                }
            }
        }
        found
    }
}

/// The ids of everything that a build of the workspace may touch, tests and
/// build scripts included.
fn used(metadata: &Metadata) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, Vec<&str>> = metadata
        .resolve
        .iter()
        .flat_map(|resolve| &resolve.nodes)
        .map(|node| {
            let needs = node.deps.iter().map(|edge| edge.pkg.repr.as_str());
            (node.id.repr.as_str(), needs.collect())
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = metadata
        .workspace_members
        .iter()
        .map(|id| id.repr.as_str())
        .collect();
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            open.extend(nodes.get(id).into_iter().flatten());
        }
    }
    seen
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Every edge is on its room's list, and every crate has a room.
pub(crate) fn edges(graph: &Graph, rooms: &[Room]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in graph.ours() {
        let Some(room) = rooms.iter().find(|room| room.name == package.name) else {
            faults.push(format!(
                "{}: an unlisted crate; say what it may know in xtask/src/tidy/rules.rs",
                package.name
            ));
            continue;
        };
        if room.folder != package.place {
            faults.push(format!(
                "{}: lies in {}, its room is {}",
                package.name, package.place, room.folder
            ));
        }
        for edge in &package.dependencies {
            let name = edge.name.as_str();
            if graph.packages.contains_key(name) {
                let known =
                    room.knows.contains(&name) || (edge.dev && room.tests_know.contains(&name));
                if !known {
                    faults.push(format!("{} must not know {name}", package.name));
                }
            } else if let Outside::Only(list) = room.outside
                && !list.contains(&name)
                && !(edge.dev && DEV.contains(&name))
            {
                faults.push(format!(
                    "{} is a pure crate and must not name {name} from outside",
                    package.name
                ));
            }
        }
    }
    faults
}

/// A gated crate is named by its one room only, tests included.
pub(crate) fn gates(graph: &Graph, gates: &[Gate]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in graph.ours() {
        for edge in &package.dependencies {
            // A name of its own wins over a prefix.
            let gate = gates
                .iter()
                .find(|gate| gate.pattern == edge.name)
                .or_else(|| gates.iter().find(|gate| matches(gate.pattern, &edge.name)));
            if let Some(gate) = gate
                && gate.room != package.name
            {
                faults.push(format!(
                    "{} names {}, which only {} may name",
                    package.name, edge.name, gate.room
                ));
            }
        }
    }
    faults
}

/// What must not come in even through others.
pub(crate) fn closures(graph: &Graph, closures: &[Closure]) -> Vec<String> {
    let mut faults = Vec::new();
    for rule in closures {
        for name in graph.closure(rule.room) {
            if rule.without.iter().any(|pattern| matches(pattern, name)) {
                faults.push(format!(
                    "{} needs {name} through its dependencies, and must build without it (`cargo tree -p {} -i {name}`)",
                    rule.room, rule.room
                ));
            }
        }
    }
    faults
}

/// No manifest of ours resolves to a pre-release.
pub(crate) fn releases(graph: &Graph) -> Vec<String> {
    let named: BTreeSet<&str> = graph
        .ours()
        .flat_map(|package| &package.dependencies)
        .map(|edge| edge.name.as_str())
        .collect();
    let mut faults = Vec::new();
    for name in named {
        let versions = graph.foreign.get(name).map_or(&[][..], Vec::as_slice);
        if !versions.is_empty() && versions.iter().all(|foreign| foreign.pre_release) {
            faults.push(format!("{name} {}: a pre-release", versions[0].version));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: &[Room] = &[
        Room {
            name: "pure",
            folder: "crates/pure",
            knows: &[],
            tests_know: &["boundary"],
            outside: Outside::Only(&["serde"]),
        },
        Room {
            name: "boundary",
            folder: "crates/boundary",
            knows: &["pure"],
            tests_know: &[],
            outside: Outside::AnyUngated,
        },
    ];
    const GATES: &[Gate] = &[
        Gate {
            pattern: "tract*",
            room: "onnx",
        },
        Gate {
            pattern: "tract-ours",
            room: "boundary",
        },
    ];

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        Package {
            name: name.to_owned(),
            place: format!("crates/{name}"),
            dependencies: dependencies
                .iter()
                .map(|(name, dev)| Edge {
                    name: (*name).to_owned(),
                    dev: *dev,
                })
                .collect(),
            ..Package::default()
        }
    }

    fn graph(packages: &[Package]) -> Graph {
        let mut graph = Graph::default();
        for package in packages {
            graph.packages.insert(package.name.clone(), package.clone());
            graph
                .names
                .insert(package.name.clone(), package.name.clone());
            for edge in &package.dependencies {
                graph.names.insert(edge.name.clone(), edge.name.clone());
                if !edge.dev {
                    graph
                        .resolved
                        .entry(package.name.clone())
                        .or_default()
                        .push(edge.name.clone());
                }
            }
        }
        graph
    }

    #[test]
    fn passes_the_listed_edges() {
        let graph = graph(&[
            package(
                "pure",
                &[("serde", false), ("proptest", true), ("boundary", true)],
            ),
            package(
                "boundary",
                &[("pure", false), ("tokio", false), ("tract-ours", false)],
            ),
        ]);
        assert_eq!(edges(&graph, ROOMS), Vec::<String>::new());
        assert_eq!(gates(&graph, GATES), Vec::<String>::new());
    }

    #[test]
    fn refuses_an_unlisted_crate() {
        let faults = edges(&graph(&[package("stranger", &[])]), ROOMS);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("unlisted"), "{faults:?}");
    }

    #[test]
    fn refuses_a_crate_in_another_folder() {
        let mut moved = package("pure", &[]);
        moved.place = "crates/elsewhere".to_owned();
        assert_eq!(edges(&graph(&[moved]), ROOMS).len(), 1);
    }

    #[test]
    fn refuses_a_forbidden_edge() {
        let faults = edges(
            &graph(&[
                package("pure", &[("boundary", false)]),
                package("boundary", &[]),
            ]),
            ROOMS,
        );
        assert_eq!(faults, ["pure must not know boundary"]);
    }

    #[test]
    fn refuses_io_in_a_pure_crate_and_test_crates_outside_tests() {
        for name in ["tokio", "proptest"] {
            let faults = edges(&graph(&[package("pure", &[(name, false)])]), ROOMS);
            assert_eq!(faults.len(), 1, "{name}: {faults:?}");
        }
    }

    #[test]
    fn refuses_a_gated_crate_even_in_tests() {
        for dev in [false, true] {
            let graph = graph(&[package("boundary", &[("tract-onnx", dev)])]);
            assert_eq!(
                gates(&graph, GATES),
                ["boundary names tract-onnx, which only onnx may name"]
            );
        }
    }

    #[test]
    fn refuses_what_comes_in_through_others() {
        let rule = Closure {
            room: "boundary",
            without: &["tok*"],
        };
        let bad = graph(&[
            package("boundary", &[("pure", false)]),
            package("pure", &[("tokio", false)]),
        ]);
        assert_eq!(closures(&bad, std::slice::from_ref(&rule)).len(), 1);
        let good = graph(&[
            package("boundary", &[("pure", false)]),
            package("pure", &[("tokio", true)]),
        ]);
        assert_eq!(closures(&good, &[rule]), Vec::<String>::new());
    }

    #[test]
    fn refuses_a_pre_release() {
        let mut graph = graph(&[package("boundary", &[("burn", false)])]);
        let version = |text: &str| Foreign {
            version: text.to_owned(),
            pre_release: text.contains('-'),
            ..Foreign::default()
        };
        graph
            .foreign
            .insert("burn".to_owned(), vec![version("0.23.0-pre.1")]);
        assert_eq!(releases(&graph), ["burn 0.23.0-pre.1: a pre-release"]);
        graph
            .foreign
            .insert("burn".to_owned(), vec![version("0.22.0")]);
        assert_eq!(releases(&graph), Vec::<String>::new());
    }
}

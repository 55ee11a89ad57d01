//! The rules as data. A new crate or edge is added here, on purpose.

/// A crate of ours: its folder, which of our crates it may name, and which
/// crates from outside. Dev-dependencies may name the same, and `DEV`.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) folder: &'static str,
    pub(crate) knows: &'static [&'static str],
    /// Our crates that only its tests may name.
    pub(crate) tests_know: &'static [&'static str],
    pub(crate) outside: Outside,
}

/// Which crates from outside a room may name.
#[derive(Debug)]
pub(crate) enum Outside {
    /// A pure room: no I/O, no clock, no thread, so the list is closed.
    Only(&'static [&'static str]),
    /// A boundary room: anything that no gate keeps for another room.
    AnyUngated,
}

/// What every room's tests may name besides.
pub(crate) const DEV: &[&str] = &["expect-test", "proptest", "serde_json", "tempfile"];

pub(crate) const ROOMS: &[Room] = &[
    Room {
        name: "shelfedge-commerce",
        folder: "crates/commerce",
        knows: &[],
        tests_know: &[],
        outside: Outside::Only(&[]),
    },
    Room {
        name: "shelfedge-engine",
        folder: "crates/engine",
        knows: &[],
        tests_know: &[],
        outside: Outside::Only(&[]),
    },
    Room {
        name: "shelfedge-features",
        folder: "crates/features",
        knows: &["shelfedge-commerce", "shelfedge-engine"],
        tests_know: &[],
        outside: Outside::Only(&["serde", "serde_json"]),
    },
    Room {
        name: "shelfedge-ranking",
        folder: "crates/ranking",
        knows: &[
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-features",
        ],
        tests_know: &["shelfedge-insight"],
        outside: Outside::Only(&[]),
    },
    Room {
        name: "shelfedge-assistant",
        folder: "crates/assistant",
        knows: &[
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-features",
        ],
        tests_know: &[],
        outside: Outside::Only(&["toml"]),
    },
    Room {
        name: "shelfedge-insight",
        folder: "crates/insight",
        knows: &["shelfedge-commerce"],
        tests_know: &[],
        outside: Outside::Only(&[]),
    },
    Room {
        name: "shelfedge-wire",
        folder: "crates/wire",
        knows: &[
            "shelfedge-assistant",
            "shelfedge-commerce",
            "shelfedge-ranking",
        ],
        tests_know: &["shelfedge-engine", "shelfedge-features"],
        outside: Outside::Only(&["base64ct", "hmac", "sha2"]),
    },
    Room {
        name: "shelfedge-browser",
        folder: "crates/browser",
        knows: &[
            "shelfedge-assistant",
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-ranking",
            "shelfedge-wire",
        ],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
    Room {
        name: "shelfedge-edge",
        folder: "crates/edge",
        knows: &[
            "shelfedge-assistant",
            "shelfedge-commerce",
            "shelfedge-ranking",
            "shelfedge-wire",
        ],
        tests_know: &[
            "shelfedge-engine",
            "shelfedge-features",
            "shelfedge-insight",
        ],
        outside: Outside::AnyUngated,
    },
    Room {
        name: "shelfedge-host",
        folder: "crates/host",
        knows: &[
            "shelfedge-assistant",
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-wire",
        ],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
    Room {
        name: "shelfedge-onnx",
        folder: "crates/onnx",
        knows: &["shelfedge-engine"],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
    Room {
        name: "shelfedge-trainer",
        folder: "crates/trainer",
        knows: &[
            "shelfedge-assistant",
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-features",
            "shelfedge-insight",
            "shelfedge-onnx",
            "shelfedge-ranking",
            "shelfedge-wire",
        ],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
    // Judges the others and must build when they do not.
    Room {
        name: "xtask",
        folder: "xtask",
        knows: &[],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
    // Tests may depend on what they test, but not on the trainer: they replay
    // what it left in the bundle.
    Room {
        name: "shelfedge-tests",
        folder: "tests",
        knows: &[
            "shelfedge-commerce",
            "shelfedge-engine",
            "shelfedge-onnx",
            "shelfedge-ranking",
            "shelfedge-wire",
        ],
        tests_know: &[],
        outside: Outside::AnyUngated,
    },
];

/// A crate from outside, by name or prefix, and the only room that names it.
#[derive(Debug)]
pub(crate) struct Gate {
    /// A name, or a prefix when it ends with `*`.
    pub(crate) pattern: &'static str,
    pub(crate) room: &'static str,
}

pub(crate) const GATES: &[Gate] = &[
    Gate {
        pattern: "tract*",
        room: "shelfedge-onnx",
    },
    Gate {
        pattern: "spin-sdk",
        room: "shelfedge-edge",
    },
    Gate {
        pattern: "wasm-bindgen",
        room: "shelfedge-browser",
    },
    Gate {
        pattern: "wasm-bindgen-futures",
        room: "shelfedge-browser",
    },
    Gate {
        pattern: "js-sys",
        room: "shelfedge-browser",
    },
    Gate {
        pattern: "web-sys",
        room: "shelfedge-browser",
    },
    Gate {
        pattern: "serde-wasm-bindgen",
        room: "shelfedge-browser",
    },
    Gate {
        pattern: "wasm-bindgen-cli-support",
        room: "xtask",
    },
    Gate {
        pattern: "wasmtime*",
        room: "shelfedge-host",
    },
    Gate {
        pattern: "burn*",
        room: "shelfedge-trainer",
    },
    Gate {
        pattern: "arrow*",
        room: "shelfedge-trainer",
    },
    Gate {
        pattern: "parquet",
        room: "shelfedge-trainer",
    },
];

/// What must not come in even through others.
#[derive(Debug)]
pub(crate) struct Closure {
    pub(crate) room: &'static str,
    /// Names, or prefixes when they end with `*`.
    pub(crate) without: &'static [&'static str],
}

pub(crate) const CLOSURES: &[Closure] = &[
    // What a shopper downloads or an edge instantiates.
    Closure {
        room: "shelfedge-browser",
        without: &[
            "tract*",
            "burn*",
            "wasmtime*",
            "tokio",
            "spin-sdk",
            "shelfedge-onnx",
            "rand",
        ],
    },
    Closure {
        room: "shelfedge-edge",
        without: &["tract*", "burn*", "wasmtime*", "tokio", "shelfedge-onnx"],
    },
    // The demo builds the host; it must not wait for the learners.
    Closure {
        room: "shelfedge-host",
        without: &["tract*", "burn*", "shelfedge-onnx", "shelfedge-trainer"],
    },
    Closure {
        room: "xtask",
        without: &["tract*", "burn*", "wasmtime*", "tokio", "shelfedge-*"],
    },
];

/// The names at the top of the repository.
pub(crate) const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "fuzz",
    "models",
    "rust-toolchain.toml",
    "spin.toml",
    "tests",
    "www",
    "xtask",
];

/// What must be there.
pub(crate) const REQUIRED: &[&str] = &[
    ".ci/run",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "crates/ARCHITECTURE.md",
    "deny.toml",
    "spin.toml",
    "tests/ratchet/sizes.json",
];

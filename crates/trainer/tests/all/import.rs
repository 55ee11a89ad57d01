//! The command `import`: its exit codes, a store in the place of tables, and a
//! process that is killed while it writes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::common::text;
use shelfedge_trainer::import::report;
use shelfedge_trainer::watch::Silent;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"));
    command.args(arguments);
    command
}

fn train(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

#[test]
fn other_commands_take_a_store_as_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let demo = demo();
    let into = train(&[
        "import",
        "--shop",
        text(&demo),
        "--into",
        text(&at("store")),
    ]);
    assert!(into.status.success(), "{into:?}");
    let told = String::from_utf8(into.stdout).unwrap();
    assert!(
        told.starts_with("read now: online_retail.parquet\n"),
        "{told}"
    );
    assert!(told.contains("135,080"), "{told}");
    for (shop, out) in [(&demo, "raw.json"), (&at("store"), "kept.json")] {
        let out = at(out);
        let done = train(&["shoppers", "--shop", text(shop), "--out", text(&out)]);
        assert!(done.status.success(), "{done:?}");
    }
    assert!(fs::read(at("raw.json")).unwrap() == fs::read(at("kept.json")).unwrap());
}

#[test]
fn the_exit_code_of_a_check_says_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let good = train(&["import", "--shop", text(&demo()), "--check", "--json"]);
    assert_eq!(good.status.code(), Some(0));
    let found: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(found["usable_by"], serde_json::json!(["ranking", "basket"]));
    assert_eq!(found["report"]["refused"], 145_572);

    fs::copy(demo().join("mapping.toml"), at("mapping.toml")).unwrap();
    let header =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    let row = "1,10001,Cup,1,2011-01-01 10:00:00,2.5,7,France\n";
    fs::write(at("lines.csv"), format!("{header}{row}")).unwrap();
    let poor = train(&["import", "--shop", text(folder.path()), "--check"]);
    assert_eq!(poor.status.code(), Some(3));
    let told = String::from_utf8(poor.stdout).unwrap();
    assert!(
        told.contains("one_product (in the way of ranking, basket)"),
        "{told}"
    );
    fs::write(at("lines.csv"), "a,b\n").unwrap();
    let bad = train(&["import", "--shop", text(folder.path()), "--check"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        String::from_utf8(bad.stderr)
            .unwrap()
            .contains("column_missing")
    );
    let both = ["import", "--shop", ".", "--check", "--into", "x"];
    assert_eq!(train(&both).status.code(), Some(2));
}

#[test]
fn a_process_that_is_killed_leaves_the_store_before_or_after() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    fs::create_dir(&shop).unwrap();
    fs::copy(demo().join("mapping.toml"), shop.join("mapping.toml")).unwrap();
    let header =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";
    let row = "1,10001,Cup,1,2011-01-01 10:00:00,2.5,7,France\n";
    fs::write(shop.join("lines.csv"), format!("{header}{row}")).unwrap();
    let store = at("store");
    let arguments = ["import", "--shop", text(&shop), "--into", text(&store)];
    assert!(train(&arguments).status.success());
    fs::copy(
        demo().join("online_retail.parquet"),
        shop.join("more.parquet"),
    )
    .unwrap();
    let rows = || report(&store, None, &mut Silent).unwrap().rows;
    for _ in 0..3 {
        let mut child = command(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !store.join(".partial").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // On a machine that is busy with other things it may have ended before.
        let rows = rows();
        assert!(rows == 1 || rows == 541_910, "{rows}");
    }
    assert!(train(&arguments).status.success());
    assert_eq!(rows(), 541_910);
    let mut names: Vec<_> = fs::read_dir(&store).unwrap().collect();
    names.retain(|entry| entry.as_ref().unwrap().file_name() != ".lock");
    assert_eq!(names.len(), 3, "import.json and two parts: {names:?}");
}

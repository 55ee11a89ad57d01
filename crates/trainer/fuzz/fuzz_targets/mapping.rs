//! Any text as a shop's mapping file: a mapping that names its columns, or
//! faults with all that they need.
#![no_main]

#[path = "../../src/error.rs"]
#[allow(dead_code, reason = "the mapping needs a part of it")]
mod error;
#[path = "../../src/images/settings.rs"]
#[allow(dead_code, reason = "the mapping needs a part of it")]
mod images;
#[path = "../../src/import/mapping.rs"]
#[allow(dead_code, reason = "the fields are for the import")]
mod mapping;
#[path = "../../src/settings.rs"]
#[allow(dead_code, reason = "the settings of photos need a part of it")]
mod settings;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match mapping::Mapping::parse(text, "mapping.toml") {
        Ok(mapping) => {
            let columns = &mapping.columns;
            let required = [&columns.order, &columns.product, &columns.quantity];
            assert!(required.iter().all(|name| !name.is_empty()), "{columns:?}");
        }
        Err(error) => {
            let faults = error.faults();
            assert!(!faults.is_empty(), "{error}");
            for fault in faults {
                let texts = [&fault.path, &fault.cause, &fault.action];
                assert!(texts.iter().all(|text| !text.is_empty()), "{fault:?}");
            }
        }
    }
});

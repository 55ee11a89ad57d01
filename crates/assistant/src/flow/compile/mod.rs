//! From the declarative file to compiled flows, with every fault of the file at once.

mod check;
mod fault;
mod read;
mod source;
mod write;

pub use fault::{Fault, Faults};

/// Largest file, in bytes.
pub const MAX_SOURCE: usize = 512 * 1024;

/// Compiles a file of flows (TOML, see the crate's README). `intents` are those that the
/// shop's model knows; none means that any will do.
///
/// # Errors
/// Every fault of the file, with its line and column: what can't be read, names that
/// nothing has, states that can't be reached or left, loops without an exit, slots that are
/// never asked, calls without the values that they need, missing translations,
/// placeholders that nothing fills.
pub fn compile(source: &str, intents: &[&str]) -> Result<Vec<u8>, Faults> {
    let mut faults = Faults::new(source);
    let read = read::read(source, &mut faults);
    if let Some(read) = &read {
        check::check(read, intents, &mut faults);
    }
    let bytes = read
        .filter(|_| faults.is_empty())
        .map_or(Vec::new(), |read| write::write(&read));
    if bytes.len() > super::MAX_BYTES {
        let cause = format!("the compiled flows have {} bytes", bytes.len());
        faults.add(fault::TOO_LARGE, 0, cause);
    }
    faults.into_result(bytes)
}

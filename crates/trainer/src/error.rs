//! What can go wrong, and what to do about it.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use shelfedge_commerce::Fault;

/// Why a command stopped. Validation carries every fault that was found, not
/// only the first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input is wrong: each fault has a code, a place, a cause and an
    /// action.
    Invalid(Vec<Fault>),
    /// A file could not be read or written.
    Io {
        /// What was attempted, as "read" or "write".
        doing: &'static str,
        /// Where.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The user stopped the command. Nothing was left behind.
    Cancelled,
}

impl Error {
    /// A single fault.
    pub fn fault(
        code: &'static str,
        path: impl Into<String>,
        cause: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![fault(code, path, cause, action)])
    }

    /// A failed file operation.
    pub fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            doing,
            path: path.display().to_string(),
            source,
        }
    }

    /// The faults, empty for the other kinds.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) => faults,
            _ => &[],
        }
    }
}

/// Builds a fault.
pub fn fault(
    code: &'static str,
    path: impl Into<String>,
    cause: impl Into<String>,
    action: impl Into<String>,
) -> Fault {
    Fault {
        code,
        path: path.into(),
        cause: cause.into(),
        action: action.into(),
    }
}

/// The line of a byte of a text, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|&&b| b == b'\n').count()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(faults) => {
                for (index, fault) in faults.iter().enumerate() {
                    if index > 0 {
                        writeln!(f)?;
                    }
                    write!(
                        f,
                        "{} at {}\n  cause:  {}\n  action: {}",
                        fault.code, fault.path, fault.cause, fault.action
                    )?;
                }
                Ok(())
            }
            Self::Io {
                doing,
                path,
                source,
            } => {
                let action = match source.kind() {
                    ErrorKind::NotFound => "name a file or folder that is there",
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                        "give this user the right to, or name another place"
                    }
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        "make room, or name a place that has some"
                    }
                    ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                        "name a file where a file is meant, and a folder where a folder is"
                    }
                    _ => "mend what the system names, and run the command again",
                };
                write!(
                    f,
                    "file_failed at {path}\n  cause:  cannot {doing} it: {source}\n  action: {action}"
                )
            }
            Self::Cancelled => write!(f, "stopped; nothing was written"),
        }
    }
}

// What the source says is in the message.
impl std::error::Error for Error {}

/// Shorthand.
pub type Result<T> = std::result::Result<T, Error>;

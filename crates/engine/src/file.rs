//! The container: a header, a directory of named sections, and the sections.
//!
//! ```text
//! 0   magic "SHELFEDG"        8 bytes
//! 8   version                 u32
//! 12  number of sections n    u32
//! 16  file length             u64
//! 24  zero                    u64
//! 32  n entries of 48 bytes: name (24, zero padded), offset u64, length u64, zero u64
//! ..  sections, each at a multiple of 16
//! ```
//!
//! All numbers are little-endian.

use crate::error::{BuildError, LoadError, LoadErrorKind};

const MAGIC: &[u8; 8] = b"SHELFEDG";
const VERSION: u32 = 1;
const HEADER: usize = 32;
const ENTRY: usize = 48;
const NAME: usize = 24;
const MAX_SECTIONS: usize = 64;

/// Reads a little-endian u32; `None` outside the slice.
#[inline]
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_le_bytes)
}

/// Reads a little-endian u64; `None` outside the slice.
#[inline]
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..at.checked_add(8)?)?
        .try_into()
        .ok()
        .map(u64::from_le_bytes)
}

/// Writes a container.
///
/// # Errors
/// A name that is empty, longer than 24 bytes, not ASCII or used twice; more
/// than 64 sections.
pub fn write(sections: &[(&str, &[u8])]) -> Result<Vec<u8>, BuildError> {
    if sections.len() > MAX_SECTIONS {
        return Err(BuildError::new("sections", "a file holds at most 64"));
    }
    for (i, (name, _)) in sections.iter().enumerate() {
        if name.is_empty() || name.len() > NAME || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BuildError::new(
                *name,
                "a section's name has 1 to 24 printable ASCII characters",
            ));
        }
        if sections[..i].iter().any(|(other, _)| other == name) {
            return Err(BuildError::new(*name, "this section is there twice"));
        }
    }
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(sections.len() as u32).to_le_bytes());
    let mut at = (HEADER + ENTRY * sections.len()).next_multiple_of(16);
    let mut directory = Vec::new();
    for (name, data) in sections {
        let mut field = [0u8; NAME];
        field[..name.len()].copy_from_slice(name.as_bytes());
        directory.extend_from_slice(&field);
        directory.extend_from_slice(&(at as u64).to_le_bytes());
        directory.extend_from_slice(&(data.len() as u64).to_le_bytes());
        directory.extend_from_slice(&0u64.to_le_bytes());
        at = (at + data.len()).next_multiple_of(16);
    }
    out.extend_from_slice(&(at as u64).to_le_bytes());
    out.extend_from_slice(&0u64.to_le_bytes());
    out.extend_from_slice(&directory);
    for (_, data) in sections {
        out.resize(out.len().next_multiple_of(16), 0);
        out.extend_from_slice(data);
    }
    out.resize(out.len().next_multiple_of(16), 0);
    Ok(out)
}

/// The directory of a container whose header has been checked. It holds
/// offsets, not borrows, so that it can live beside the bytes it describes.
#[derive(Clone, Debug)]
pub struct Directory {
    entries: Vec<([u8; NAME], usize, usize)>,
}

impl Directory {
    /// Checks header and directory.
    ///
    /// # Errors
    /// The file isn't a container of this version, or its directory contradicts
    /// its size.
    pub fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        const AT: &str = "header";
        let truncated = LoadError::new(LoadErrorKind::Truncated, AT);
        let malformed = LoadError::new(LoadErrorKind::Malformed, "directory");
        if bytes.get(..8) != Some(MAGIC.as_slice()) {
            return Err(LoadError::new(LoadErrorKind::NotACompiledModel, AT));
        }
        if u32_at(bytes, 8).ok_or(truncated)? != VERSION {
            return Err(LoadError::new(LoadErrorKind::Version, AT));
        }
        let count = u32_at(bytes, 12).ok_or(truncated)? as usize;
        if u64_at(bytes, 16).ok_or(truncated)? != bytes.len() as u64 {
            return Err(truncated);
        }
        if u64_at(bytes, 24).ok_or(truncated)? != 0 || count > MAX_SECTIONS {
            return Err(malformed);
        }
        let mut entries: Vec<([u8; NAME], usize, usize)> = Vec::with_capacity(count);
        let mut least = HEADER + ENTRY * count;
        for i in 0..count {
            let at = HEADER + ENTRY * i;
            let name: [u8; NAME] = bytes
                .get(at..at + NAME)
                .ok_or(truncated)?
                .try_into()
                .map_err(|_| truncated)?;
            let offset = usize::try_from(u64_at(bytes, at + NAME).ok_or(truncated)?)
                .map_err(|_| truncated)?;
            let length = usize::try_from(u64_at(bytes, at + NAME + 8).ok_or(truncated)?)
                .map_err(|_| truncated)?;
            if u64_at(bytes, at + NAME + 16).ok_or(truncated)? != 0 {
                return Err(malformed);
            }
            let end = offset.checked_add(length).ok_or(truncated)?;
            if end > bytes.len() {
                return Err(truncated);
            }
            // In order and apart: a byte belongs to one section at most.
            if offset % 16 != 0 || offset < least || entries.iter().any(|e| e.0 == name) {
                return Err(malformed);
            }
            least = end;
            entries.push((name, offset, length));
        }
        Ok(Self { entries })
    }

    /// The names of the sections and where they lie, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = (&str, core::ops::Range<usize>)> {
        self.entries.iter().map(|(field, offset, length)| {
            let end = field.iter().position(|b| *b == 0).unwrap_or(NAME);
            let name = core::str::from_utf8(&field[..end]).unwrap_or_default();
            (name, *offset..*offset + *length)
        })
    }

    /// Where a section lies in the file.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<core::ops::Range<usize>> {
        self.entries.iter().find_map(|(field, offset, length)| {
            let end = field.iter().position(|b| *b == 0).unwrap_or(NAME);
            (&field[..end] == name.as_bytes()).then_some(*offset..*offset + *length)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_back_aligned() {
        let file = write(&[("a", b"hello"), ("b", b""), ("c", &[7; 33])]).unwrap();
        let directory = Directory::read(&file).unwrap();
        assert_eq!(&file[directory.find("a").unwrap()], b"hello");
        assert!(directory.find("b").unwrap().is_empty());
        let c = directory.find("c").unwrap();
        assert_eq!(c.start % 16, 0);
        assert_eq!(&file[c], &[7; 33]);
        assert!(directory.find("d").is_none());
    }

    #[test]
    fn names_are_checked() {
        assert!(write(&[("", b"")]).is_err());
        assert!(write(&[("a", b""), ("a", b"")]).is_err());
        assert!(write(&[("a name with blanks", b"")]).is_err());
    }

    #[test]
    fn every_truncation_and_every_header_flip_is_an_error_or_harmless() {
        let file = write(&[("a", b"hello"), ("b", &[1; 40])]).unwrap();
        for n in 0..file.len() {
            assert!(Directory::read(&file[..n]).is_err());
        }
        for byte in 0..HEADER + 2 * ENTRY {
            for bit in 0..8 {
                let mut bad = file.clone();
                bad[byte] ^= 1 << bit;
                if let Ok(directory) = Directory::read(&bad) {
                    for name in ["a", "b"] {
                        if let Some(range) = directory.find(name) {
                            let _ = &bad[range];
                        }
                    }
                }
            }
        }
    }
}

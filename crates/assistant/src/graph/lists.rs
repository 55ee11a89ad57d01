//! For each of some numbers, a list of bytes: adjacency in compressed sparse rows.
//!
//! Rows that are empty take no place. Sixteen rows make a block, whose head is the first
//! row's number and where it begins; in it, a row is how far it is from the one before,
//! how many bytes it has, and these. Numbers are LEB128, lists of entities differences.

use shelfedge_engine::file::u32_at;

/// Rows of a block.
const BLOCK: usize = 16;
const HEAD: usize = 8;

/// Reads numbers one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes there are yet.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn is_done(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (i, byte) in self.bytes.iter().enumerate().take(10) {
            let part = u64::from(byte & 0x7f);
            let shifted = part << (7 * i);
            if shifted >> (7 * i) != part {
                return None;
            }
            value |= shifted;
            if *byte < 0x80 {
                self.bytes = &self.bytes[i + 1..];
                return Some(value);
            }
        }
        None
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Option<u32> {
        match *self.bytes {
            [a, ref rest @ ..] if a < 0x80 => {
                self.bytes = rest;
                Some(u32::from(a))
            }
            [a, b, ref rest @ ..] if b < 0x80 => {
                self.bytes = rest;
                Some(u32::from(a & 0x7f) | u32::from(b) << 7)
            }
            _ => u32::try_from(self.u64()?).ok(),
        }
    }

    /// A number with a sign, as zigzag.
    pub(super) fn i64(&mut self) -> Option<i64> {
        let value = self.u64()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length as usize)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Bytes behind their number.
    #[inline]
    pub(super) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.sized()?).ok()
    }
}

/// Rising numbers, as differences.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rising<'a> {
    cursor: Cursor<'a>,
    next: u32,
}

impl<'a> Rising<'a> {
    pub(super) const fn new(bytes: &'a [u8], base: u32) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            next: base,
        }
    }

    /// Whether all of it can be read.
    pub(super) fn is_sound(mut self, below: u32) -> bool {
        while !self.cursor.is_done() {
            if self.next().is_none_or(|value| value >= below) {
                return false;
            }
        }
        true
    }
}

impl Iterator for Rising<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let value = self.next.checked_add(self.cursor.u32()?)?;
        self.next = value.checked_add(1)?;
        Some(value)
    }
}

/// Where a table lies, and how large it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Rows that aren't empty.
    pub(super) rows: u32,
    /// What is taken from every list's first number.
    pub(super) base: u32,
    /// Where its heads begin, in the section.
    pub(super) at: usize,
    /// Bytes of its rows, behind the heads.
    pub(super) bytes: u32,
}

impl Place {
    fn heads(&self) -> usize {
        (self.rows as usize).div_ceil(BLOCK) * HEAD
    }

    /// The byte behind it.
    pub(super) fn end(&self) -> Option<usize> {
        let size = self.heads().checked_add(self.bytes as usize)?;
        self.at.checked_add(size)
    }
}

/// A table of lists, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
    heads: &'a [u8],
    data: &'a [u8],
    pub(super) base: u32,
    rows: u32,
}

impl<'a> Lists<'a> {
    /// Empty where the place isn't in the section, which opening a graph excludes.
    pub(super) fn new(section: &'a [u8], place: &Place) -> Self {
        let middle = place.at.saturating_add(place.heads());
        let end = place.end().unwrap_or(0);
        Self {
            heads: section.get(place.at..middle).unwrap_or_default(),
            data: section.get(middle..end).unwrap_or_default(),
            base: place.base,
            rows: place.rows,
        }
    }

    fn head(&self, block: usize) -> Option<(u32, usize)> {
        let first = u32_at(self.heads, block * HEAD)?;
        let at = u32_at(self.heads, block * HEAD + 4)?;
        Some((first, at as usize))
    }

    /// The list of a row; `None` where it is empty.
    pub(super) fn row(&self, row: u32) -> Option<&'a [u8]> {
        let (mut low, mut high) = (0, self.heads.len() / HEAD);
        while low < high {
            let middle = (low + high) / 2;
            if self.head(middle)?.0 <= row {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let (mut at, from) = self.head(low.checked_sub(1)?)?;
        let mut cursor = Cursor::new(self.data.get(from..)?);
        for _ in 0..BLOCK {
            at = at.checked_add(cursor.u32()?)?;
            let list = cursor.sized()?;
            if at >= row {
                return (at == row).then_some(list);
            }
        }
        None
    }

    /// All rows with their lists, in rising order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let lists = *self;
        let mut cursor = Cursor::new(lists.data);
        let mut at = 0;
        (0..lists.rows as usize).map_while(move |i| {
            let gap = cursor.u32()?;
            at = if i % BLOCK == 0 {
                lists.head(i / BLOCK)?.0
            } else {
                at.checked_add(gap)?
            };
            Some((at, cursor.sized()?))
        })
    }

    /// Whether heads and rows agree, the rows rise and are below a number, none is empty,
    /// and each list is what a caller expects of it. How many bytes the table has was
    /// checked before.
    pub(super) fn is_sound(&self, below: u32, mut is_list: impl FnMut(u32, &[u8]) -> bool) -> bool {
        let mut cursor = Cursor::new(self.data);
        let mut last = None;
        for i in 0..self.rows as usize {
            let at = self.data.len() - cursor.bytes.len();
            let Some(gap) = cursor.u32() else {
                return false;
            };
            let row = match (i % BLOCK, last) {
                (0, _) => match self.head(i / BLOCK) {
                    Some((first, from)) if gap == 0 && from == at => Some(first),
                    _ => None,
                },
                (_, Some(last)) => gap.checked_add(last),
                _ => None,
            };
            let Some((row, list)) = row.zip(cursor.sized()) else {
                return false;
            };
            let rises = last.is_none_or(|last| row > last);
            if !rises || row >= below || list.is_empty() || !is_list(row, list) {
                return false;
            }
            last = Some(row);
        }
        cursor.is_done()
    }

    /// Whether a list is one of rising numbers, all below another.
    pub(super) fn is_rising(&self, list: &[u8], below: u32) -> bool {
        Rising::new(list, self.base).is_sound(below)
    }
}

/// How many numbers a list has: one for each byte that ends one.
pub(super) fn count(list: &[u8]) -> u32 {
    list.iter().map(|byte| u32::from(*byte < 0x80)).sum()
}

#[cfg(feature = "compile")]
pub(super) mod write {
    use super::{BLOCK, Place};

    pub(in super::super) fn u64(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    pub(in super::super) fn i64(out: &mut Vec<u8>, value: i64) {
        u64(out, (value << 1 ^ value >> 63) as u64);
    }

    pub(in super::super) fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
        u64(out, bytes.len() as u64);
        out.extend(bytes);
    }

    /// Writes a table behind what the section has, from rows in rising order, none empty;
    /// `None` where it has more than 4 GiB.
    pub(in super::super) fn lists<T>(
        section: &mut Vec<u8>,
        base: u32,
        pairs: &[(u32, T)],
        mut list: impl FnMut(&mut Vec<u8>, &[(u32, T)]),
    ) -> Option<Place> {
        let (mut heads, mut data, mut one) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut last) = (0_u32, 0);
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let row = same[0].0;
            if (rows as usize).is_multiple_of(BLOCK) {
                heads.extend(row.to_le_bytes());
                heads.extend(u32::try_from(data.len()).ok()?.to_le_bytes());
                last = row;
            }
            u64(&mut data, u64::from(row - last));
            one.clear();
            list(&mut one, same);
            sized(&mut data, &one);
            (rows, last) = (rows + 1, row);
        }
        let place = Place {
            rows,
            base,
            at: section.len(),
            bytes: u32::try_from(data.len()).ok()?,
        };
        section.extend(heads);
        section.extend(data);
        Some(place)
    }

    /// Writes rising numbers.
    pub(in super::super) fn rising(
        out: &mut Vec<u8>,
        base: u32,
        numbers: impl Iterator<Item = u32>,
    ) {
        let mut next = base;
        for number in numbers {
            u64(out, u64::from(number - next));
            next = number + 1;
        }
    }
}

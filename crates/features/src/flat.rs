//! Flat, little-endian tables inside a section of a compiled model: cut out to be
//! read in place, and written.

use core::ops::Range;

use shelfedge_engine::math::{f16_to_f32, f32_to_f16};

/// Cuts a section into tables, each of which begins at a multiple of four bytes.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cut<'a> {
    /// Begins behind the header.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next table, of so many cells of so many bytes.
    pub(crate) fn take(&mut self, cell: usize, cells: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(cell.checked_mul(cells)?)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end.next_multiple_of(4);
        Some(part)
    }

    /// Whether nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// Adds a table, and zeros up to the next multiple of four bytes.
pub(crate) fn add(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>) {
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Whether so many products need four bytes for their numbers.
pub(crate) fn is_wide(products: usize) -> bool {
    products > usize::from(u16::MAX) + 1
}

/// Products' numbers, in two bytes each or four.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl<'a> Numbers<'a> {
    pub(crate) fn take(cut: &mut Cut<'a>, wide: bool, count: usize) -> Option<Self> {
        let bytes = cut.take(if wide { 4 } else { 2 }, count)?;
        Some(Self { bytes, wide })
    }

    /// One of them; `u32::MAX` beyond the last.
    #[inline]
    pub(crate) fn get(self, i: usize) -> u32 {
        if self.wide {
            let (cells, _) = self.bytes.as_chunks::<4>();
            cells.get(i).map_or(u32::MAX, |c| u32::from_le_bytes(*c))
        } else {
            let (cells, _) = self.bytes.as_chunks::<2>();
            cells
                .get(i)
                .map_or(u32::MAX, |c| u16::from_le_bytes(*c).into())
        }
    }

    /// Calls with each of a range and the byte that stands beside it.
    #[inline]
    pub(crate) fn each(self, range: Range<usize>, beside: &[u8], mut of: impl FnMut(u32, u8)) {
        let beside = beside.get(range.clone()).unwrap_or(&[]);
        if self.wide {
            let (cells, _) = self.bytes.as_chunks::<4>();
            for (cell, byte) in cells.get(range).unwrap_or(&[]).iter().zip(beside) {
                of(u32::from_le_bytes(*cell), *byte);
            }
        } else {
            let (cells, _) = self.bytes.as_chunks::<2>();
            for (cell, byte) in cells.get(range).unwrap_or(&[]).iter().zip(beside) {
                of(u16::from_le_bytes(*cell).into(), *byte);
            }
        }
    }

    pub(crate) fn add(out: &mut Vec<u8>, wide: bool, numbers: impl Iterator<Item = u32>) {
        if wide {
            add(out, numbers.flat_map(u32::to_le_bytes));
        } else {
            add(out, numbers.flat_map(|n| (n as u16).to_le_bytes()));
        }
    }
}

/// Numbers of 16 bits with a common scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halves<'a> {
    bytes: &'a [u8],
    scale: f32,
}

impl<'a> Halves<'a> {
    pub(crate) fn take(cut: &mut Cut<'a>, count: usize, scale: f32) -> Option<Self> {
        let bytes = cut.take(2, count)?;
        Some(Self { bytes, scale })
    }

    /// One of them; 0 beyond the last.
    #[inline]
    pub(crate) fn get(self, i: usize) -> f32 {
        let (cells, _) = self.bytes.as_chunks::<2>();
        cells.get(i).map_or(0.0, |cell| {
            f16_to_f32(u16::from_le_bytes(*cell)) * self.scale
        })
    }

    /// All of them as they are written, of which those below `0x8000` are in order.
    pub(crate) fn bits(self) -> impl Iterator<Item = u16> + 'a {
        let (cells, _) = self.bytes.as_chunks::<2>();
        cells.iter().map(|cell| u16::from_le_bytes(*cell))
    }

    /// The largest bits that stand for no more than about `limit`, by a part in 2,048.
    pub(crate) fn up_to(self, limit: f32) -> u16 {
        f32_to_f16((limit / self.scale).max(0.0))
    }

    /// The cells and their scale, which makes room for the largest.
    pub(crate) fn of(values: &[f32]) -> (f32, Vec<u16>) {
        let largest = values.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let mut scale = 1.0f32;
        while largest / scale > 60_000.0 {
            scale *= 2.0;
        }
        while largest > 0.0 && largest / scale < 1.0 {
            scale /= 2.0;
        }
        let cells = values.iter().map(|x| f32_to_f16(x / scale)).collect();
        (scale, cells)
    }

    pub(crate) fn add(out: &mut Vec<u8>, cells: &[u16]) {
        add(out, cells.iter().flat_map(|c| c.to_le_bytes()));
    }
}

/// The best of all, sorted by falling score, equal ones by number.
pub(crate) fn best(all: impl Iterator<Item = (f32, u32)>, keep: usize) -> Vec<(f32, u32)> {
    let mut best = Best::new(keep);
    for (score, number) in all {
        best.push(score, number);
    }
    best.sorted()
}

/// The best of what was pushed so far, in room for few of them.
pub(crate) struct Best {
    keep: usize,
    /// The smallest are the best.
    keys: Vec<u64>,
    /// None larger is among the best.
    worst: u64,
}

impl Best {
    pub(crate) const fn new(keep: usize) -> Self {
        Self {
            keep,
            keys: Vec::new(),
            worst: u64::MAX,
        }
    }

    pub(crate) fn push(&mut self, score: f32, number: u32) {
        let key = !key(score, number);
        if key <= self.worst {
            if self.keys.len() >= 2 * self.keep.max(32) {
                self.shrink();
            }
            self.keys.push(key);
        }
    }

    /// The score below which none is among the best; there need be none yet.
    pub(crate) fn worst(&self) -> Option<f32> {
        (self.worst < u64::MAX).then(|| score(!self.worst))
    }

    fn shrink(&mut self) {
        if self.keys.len() > self.keep {
            if let Some(last) = self.keep.checked_sub(1) {
                self.worst = *self.keys.select_nth_unstable(last).1;
            }
            self.keys.truncate(self.keep);
        }
    }

    pub(crate) fn sorted(mut self) -> Vec<(f32, u32)> {
        self.shrink();
        self.keys.sort_unstable();
        let sorted = self.keys.into_iter();
        sorted.map(|key| (score(!key), key as u32)).collect()
    }
}

/// Grows with the score, in the order of `f32::total_cmp`, and falls with the
/// number.
fn key(score: f32, number: u32) -> u64 {
    let bits = score.to_bits();
    let ordered = match bits >> 31 {
        0 => bits | 1 << 31,
        _ => !bits,
    };
    u64::from(ordered) << 32 | u64::from(!number)
}

fn score(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(match ordered >> 31 {
        1 => ordered & !(1 << 31),
        _ => !ordered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_many() {
        let all = |n: u32| (0..n).map(|i| ((i * 7_919 % 1_000) as f32 - 300.0, i));
        for keep in [0, 1, 5, 100] {
            let mut expected: Vec<(f32, u32)> = all(500).collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            expected.truncate(keep);
            assert_eq!(best(all(500), keep), expected);
            // Whatever the order in which they come.
            let mut sorted: Vec<(f32, u32)> = all(500).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert_eq!(best(sorted.iter().copied(), keep), expected);
            assert_eq!(best(sorted.into_iter().rev(), keep), expected);
        }
    }

    #[test]
    fn halves_keep_three_digits_whatever_their_size() {
        for largest in [1e-6f32, 0.3, 1.0, 77.0, 1e9] {
            let values = [0.0, largest / 900.0, largest];
            let (scale, cells) = Halves::of(&values);
            let mut bytes = Vec::new();
            Halves::add(&mut bytes, &cells);
            let mut cut = Cut::new(&bytes, 0);
            let halves = Halves::take(&mut cut, 3, scale).expect("three");
            for (i, value) in values.into_iter().enumerate() {
                assert!((halves.get(i) - value).abs() <= value * 1e-3);
            }
            assert!(cut.is_done());
        }
    }
}

//! The entities' keys, sorted within each type and front-coded in blocks of sixteen, and
//! an index of what they are called.

use core::cmp::Ordering;
use core::ops::Range;

use shelfedge_engine::file::u32_at;
use shelfedge_features::hash::Hash;
use shelfedge_features::text::{Kind, Text};

use super::lists::Cursor;

/// Keys of a block.
const BLOCK: u32 = 16;
/// Most bytes of a key.
pub const MOST_KEY_BYTES: usize = 512;

const NAME_SEED: u32 = 0x6e61_6d65;

/// Keys, read in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys<'a> {
    /// Where each block begins, four bytes each.
    pub(super) blocks: &'a [u8],
    pub(super) data: &'a [u8],
    pub(super) count: u32,
}

impl<'a> Keys<'a> {
    fn block(&self, block: u32) -> Option<Cursor<'a>> {
        let at = u32_at(self.blocks, 4 * block as usize)?;
        Some(Cursor::new(self.data.get(at as usize..)?))
    }

    /// Reads keys from a block's first on, until told to stop.
    fn scan(&self, block: u32, mut of: impl FnMut(u32, &[u8]) -> bool) -> Option<()> {
        let (mut key, mut length) = ([0; MOST_KEY_BYTES], 0);
        let mut at = block * BLOCK;
        let mut cursor = self.block(block)?;
        while at < self.count {
            length = next(&mut cursor, at, &mut key, length)?;
            if !of(at, &key[..length]) {
                return Some(());
            }
            at += 1;
        }
        Some(())
    }

    /// The key of an entity.
    pub(super) fn key(&self, entity: u32) -> Option<String> {
        let mut found = None;
        self.scan(entity / BLOCK, |at, key| {
            if at == entity {
                found = core::str::from_utf8(key).ok().map(str::to_owned);
            }
            at < entity
        })?;
        found
    }

    /// The entity of a key, among some whose keys rise.
    pub(super) fn find(&self, among: &Range<u32>, wanted: &str) -> Option<u32> {
        let wanted = wanted.as_bytes();
        // Blocks that begin behind the first.
        let (mut low, mut high) = (among.start / BLOCK + 1, among.end.div_ceil(BLOCK));
        while low < high {
            let middle = (low + high) / 2;
            let mut cursor = self.block(middle)?;
            cursor.u32()?;
            if cursor.sized()? <= wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut found = None;
        self.scan(low - 1, |at, key| {
            if at < among.start {
                return true;
            }
            let order = key.cmp(wanted);
            if order == Ordering::Equal && at < among.end {
                found = Some(at);
            }
            order == Ordering::Less && at < among.end
        })?;
        found
    }

    /// Whether every key can be read, is text, and rises within its type.
    pub(super) fn is_sound(&self, mut is_first: impl FnMut(u32) -> bool) -> bool {
        if self.blocks.len() != 4 * self.count.div_ceil(BLOCK) as usize {
            return false;
        }
        let mut cursor = Cursor::new(self.data);
        let (mut key, mut length, mut last) = ([0; MOST_KEY_BYTES], 0, Vec::new());
        for at in 0..self.count {
            if at % BLOCK == 0 {
                let block = self.block(at / BLOCK);
                if block.is_none_or(|block| block.left() != cursor.left()) {
                    return false;
                }
            }
            let Some(end) = next(&mut cursor, at, &mut key, length) else {
                return false;
            };
            length = end;
            let now = &key[..length];
            let rises = is_first(at) || last.as_slice() < now;
            if !rises || core::str::from_utf8(now).is_err() || now.is_empty() {
                return false;
            }
            last.clear();
            last.extend_from_slice(now);
        }
        cursor.is_done()
    }
}

/// Makes a key of the one before, which is in the buffer and so long. Its length.
fn next(
    cursor: &mut Cursor<'_>,
    at: u32,
    key: &mut [u8; MOST_KEY_BYTES],
    length: usize,
) -> Option<usize> {
    let shared = cursor.u32()? as usize;
    if shared > length || (at.is_multiple_of(BLOCK) && shared > 0) {
        return None;
    }
    let rest = cursor.sized()?;
    let end = shared.checked_add(rest.len())?;
    key.get_mut(shared..end)?.copy_from_slice(rest);
    Some(end)
}

/// What an entity is called, as a hash: its words without their marks and their case;
/// `None` where there is no word.
pub(super) fn name_hash(text: &mut Text, name: &str) -> Option<u32> {
    text.read(name);
    let words = text.tokens().iter().filter(|it| it.kind != Kind::Mark);
    let (mut hash, mut any) = (Hash::new(NAME_SEED), false);
    for word in words {
        hash = hash.bytes(text.normal(word).as_bytes()).bytes(&[0xff]);
        any = true;
    }
    any.then_some((hash.finish() >> 32) as u32)
}

/// Whether two names have the same words.
pub(super) fn same_name(one: &Text, other: &Text) -> bool {
    fn words(text: &Text) -> impl Iterator<Item = &str> {
        let words = text.tokens().iter().filter(|it| it.kind != Kind::Mark);
        words.map(|word| text.normal(word))
    }
    words(one).eq(words(other))
}

/// Hashes of names with their entities, eight bytes each, rising.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a>(pub(super) &'a [u8]);

impl<'a> Names<'a> {
    fn at(&self, i: usize) -> Option<(u32, u32)> {
        Some((u32_at(self.0, 8 * i)?, u32_at(self.0, 8 * i + 4)?))
    }

    /// Entities with a hash, rising.
    pub(super) fn of(self, hash: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (mut low, mut high) = (0, self.0.len() / 8);
        while low < high {
            let middle = (low + high) / 2;
            if self.at(middle).is_some_and(|(other, _)| other < hash) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..).map_while(move |i| self.at(i).filter(|it| it.0 == hash).map(|it| it.1))
    }

    pub(super) fn is_sound(&self, entities: u32) -> bool {
        let all = || (0..self.0.len() / 8).filter_map(|i| self.at(i));
        self.0.len().is_multiple_of(8)
            && all().is_sorted_by(|a, b| a < b)
            && all().all(|(_, entity)| entity < entities)
    }
}

#[cfg(feature = "compile")]
pub(super) mod write {
    use super::super::lists::write;
    use super::BLOCK;

    /// Writes keys: where blocks begin, and the keys; `None` where they have more than
    /// 4 GiB.
    pub(in super::super) fn keys<'a>(
        keys: impl Iterator<Item = &'a str>,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let (mut blocks, mut data) = (Vec::new(), Vec::new());
        let mut last: &[u8] = &[];
        for (at, key) in (0_u32..).zip(keys) {
            let key = key.as_bytes();
            if at.is_multiple_of(BLOCK) {
                blocks.extend(u32::try_from(data.len()).ok()?.to_le_bytes());
                last = &[];
            }
            let shared = last.iter().zip(key).take_while(|(a, b)| a == b).count();
            write::u64(&mut data, shared as u64);
            write::sized(&mut data, &key[shared..]);
            last = key;
        }
        Some((blocks, data))
    }
}

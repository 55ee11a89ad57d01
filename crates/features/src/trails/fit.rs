//! Writing a log: what it says of each product by itself, and its flat form.

use crate::flat::{self, Halves, Numbers};

use super::{ATTENTION, CLOCK, COLUMNS, Column, LONGEST, REPEATS, Reading, SESSION, VERSION, WIDE};

/// Sequences of products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// The place after each sequence's last product, ascending.
    pub ends: Vec<u32>,
    /// Products, sequence by sequence, oldest first.
    pub products: Vec<u32>,
}

impl Sequences {
    /// Number of sequences.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One sequence.
    #[must_use]
    pub fn get(&self, sequence: usize) -> &[u32] {
        let start = match sequence {
            0 => 0,
            _ => self.ends[sequence - 1],
        };
        &self.products[start as usize..self.ends[sequence] as usize]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        (0..self.len()).map(|sequence| self.get(sequence))
    }

    /// Adds one at the end.
    pub fn push(&mut self, products: &[u32]) {
        self.products.extend_from_slice(products);
        self.ends.push(self.products.len() as u32);
    }
}

/// What the trainer has learnt of products beside the log.
#[derive(Clone, Debug, Default)]
pub struct Learnt {
    /// Width of the embedding; 0 for none.
    pub dims: usize,
    /// The embedding, product by product.
    pub embedding: Vec<f32>,
    /// Places on the line of what follows what; empty for none.
    pub order: Vec<f32>,
}

/// Writes the section of a log over so many products. Only the newest
/// [`LONGEST`] products of a sequence are kept.
///
/// # Panics
/// With a product beyond the catalogue, or an embedding of another size.
#[must_use]
pub fn write(reading: &Reading, log: &Sequences, products: usize, learnt: &Learnt) -> Vec<u8> {
    assert_eq!(learnt.embedding.len(), learnt.dims * products);
    assert!(learnt.order.is_empty() || learnt.order.len() == products);
    assert!(log.products.iter().all(|p| (*p as usize) < products));
    let mut cut = Sequences::default();
    for sequence in log.iter() {
        cut.push(&sequence[sequence.len().saturating_sub(LONGEST)..]);
    }
    let rows = quantise(learnt);
    let mut columns = columns(reading, &cut, products);
    if !learnt.order.is_empty() {
        columns[Column::Order as usize] = Some(learnt.order.clone());
    }
    if learnt.dims > 0 {
        columns[Column::Length as usize] = Some(
            rows.chunks_exact(learnt.dims)
                .map(|row| {
                    let square: i32 = row.iter().map(|x| i32::from(*x) * i32::from(*x)).sum();
                    if square == 0 {
                        0.0
                    } else {
                        1.0 / (square as f32).sqrt()
                    }
                })
                .collect(),
        );
    }

    let wide = flat::is_wide(products);
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    let mask = (0..COLUMNS)
        .filter(|i| columns[*i].is_some())
        .fold(0, |mask, i| mask | 1 << i);
    let mut words = vec![
        VERSION,
        flag(reading.clock, CLOCK)
            | flag(reading.repeats, REPEATS)
            | flag(reading.session, SESSION)
            | flag(reading.attention, ATTENTION)
            | flag(wide, WIDE),
        cut.len() as u32,
        cut.products.len() as u32,
        products as u32,
        learnt.dims as u32,
        mask,
        reading.candidates,
        reading.most,
        reading.near,
        reading.decay.to_bits(),
        reading.half_lives[0].to_bits(),
        reading.half_lives[1].to_bits(),
        reading.near_weight.to_bits(),
        reading.near_decay.to_bits(),
        0,
        reading.parts.len() as u32,
    ];
    for part in &reading.parts {
        words.extend([part.sum as u32, part.weight.to_bits(), part.quarters]);
    }
    let halves: Vec<(f32, Vec<u16>)> = columns.iter().flatten().map(|c| Halves::of(c)).collect();
    words.extend(halves.iter().map(|(scale, _)| scale.to_bits()));

    let mut out: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    flat::add(&mut out, cut.iter().map(|s| s.len() as u8));
    Numbers::add(&mut out, wide, cut.products.iter().copied());
    for (_, cells) in halves {
        Halves::add(&mut out, &cells);
    }
    flat::add(&mut out, rows.iter().map(|x| x.cast_unsigned()));
    out
}

/// What a log says of each product.
fn columns(reading: &Reading, log: &Sequences, products: usize) -> [Option<Vec<f32>>; COLUMNS] {
    let all = log.len();
    let mut columns = [const { None }; COLUMNS];
    let mut sequences = vec![0.0f32; products];
    let mut newest_of = vec![usize::MAX; products];
    let (tenth, third) = ((0.9 * all as f64) as usize, (0.97 * all as f64) as usize);
    let (mut newest_10, mut newest_3) = (vec![0.0f32; products], vec![0.0f32; products]);
    let (mut last, mut first) = (vec![1.0f32; products], vec![0.0f32; products]);
    for (number, sequence) in log.iter().enumerate() {
        let age = (all - number) as f32 / all as f32;
        for &product in sequence {
            let p = product as usize;
            if newest_of[p] == number {
                continue;
            }
            if newest_of[p] == usize::MAX {
                first[p] = age;
            }
            newest_of[p] = number;
            last[p] = age;
            sequences[p] += 1.0;
            newest_10[p] += f32::from(u8::from(number >= tenth));
            newest_3[p] += f32::from(u8::from(number >= third));
        }
    }
    let mut set = |column: Column, values: Vec<f32>| columns[column as usize] = Some(values);
    if reading.clock {
        set(Column::Newest10, newest_10);
        set(Column::Newest3, newest_3);
        set(Column::Last, last);
        set(Column::First, first);
    } else {
        let mut times = vec![0.0f32; products];
        let mut sums = [const { Vec::new() }; 3];
        sums.iter_mut().for_each(|sum| sum.resize(products, 0.0f32));
        for sequence in log.iter() {
            let mut power = 1.0f32;
            for (back, &product) in sequence.iter().rev().enumerate() {
                let p = product as usize;
                times[p] += 1.0;
                sums[0][p] += f32::from(u8::from(back < 2));
                sums[1][p] += power;
                sums[2][p] += back.min(20) as f32;
                power *= 0.7;
            }
        }
        let [at_end, mut near_end, mut from_end] = sums;
        for (p, times) in times.iter().enumerate() {
            near_end[p] /= times.max(1.0);
            from_end[p] /= times.max(1.0);
        }
        set(Column::AtEnd, at_end);
        set(Column::NearEnd, near_end);
        set(Column::FromEnd, from_end);
    }
    set(Column::Sequences, sequences);
    columns
}

/// Rows in whole numbers to 127, each with a scale of its own: only directions
/// count.
fn quantise(learnt: &Learnt) -> Vec<i8> {
    let mut cells = Vec::with_capacity(learnt.embedding.len());
    if learnt.dims > 0 {
        for row in learnt.embedding.chunks_exact(learnt.dims) {
            let largest = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            cells.extend(row.iter().map(|x| (x * scale).round() as i8));
        }
    }
    cells
}

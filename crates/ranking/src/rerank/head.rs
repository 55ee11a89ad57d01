//! The head of a catalogue: the few products that most customers buy.

use shelfedge_features::Tables;

/// Windows of `Stats::buyers`: the last 30 days, and ever.
const WINDOWS: [usize; 2] = [1, 3];

/// The smallest set of products, most bought first, with four fifths of the
/// buyers. Equally bought products are taken in the order of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    window: usize,
    /// Buyers of the least bought product in it.
    least: u32,
    /// The last product in it of those with so many.
    last: u32,
}

impl Head {
    pub(super) fn of(tables: &Tables<'_>) -> Self {
        let products = 0..u32::try_from(tables.len()).unwrap_or(u32::MAX);
        for window in WINDOWS {
            let buyers: Vec<u32> = products
                .clone()
                .map(|product| tables.stats(product).buyers[window])
                .collect();
            let sum = |of: &dyn Fn(u32) -> bool| -> u64 {
                let counted = buyers.iter().filter(|count| of(**count));
                counted.map(|count| u64::from(*count)).sum()
            };
            let total = sum(&|_| true);
            if total == 0 {
                continue;
            }
            let enough = |part: u64| part * 5 >= total * 4;
            // The largest number that those who have it or more are enough.
            let (mut least, mut most) = (1, buyers.iter().copied().max().unwrap_or(1));
            while least < most {
                let middle = most - (most - least) / 2;
                match enough(sum(&|count| count >= middle)) {
                    true => least = middle,
                    false => most = middle - 1,
                }
            }
            let mut part = sum(&|count| count > least);
            let mut last = 0;
            for (product, _) in (0..).zip(&buyers).filter(|(_, count)| **count == least) {
                if enough(part) {
                    break;
                }
                part += u64::from(least);
                last = product;
            }
            return Self {
                window,
                least,
                last,
            };
        }
        // Nobody ever bought anything: nothing is in the head.
        Self {
            window: 0,
            least: u32::MAX,
            last: 0,
        }
    }

    pub(super) fn holds(&self, tables: &Tables<'_>, product: u32) -> bool {
        let buyers = tables.stats(product).buyers[self.window];
        buyers > self.least || (buyers == self.least && product <= self.last)
    }
}

//! Fitting: from orders to tables, and from examples to a scaled spec. Used by
//! the trainer; the runtime never calls it.

use std::collections::BTreeMap;

use shelfedge_commerce::{Timestamp, time};

use crate::encode::Encoded;
use crate::spec::{Numeric, Spec};
use crate::tables::{ProductRow, Stats};

/// How tables are fitted.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions {
    /// Neighbours kept a product.
    pub neighbours: usize,
    /// Length of the popular list.
    pub popular: usize,
    /// Orders in common at which a similarity counts half.
    pub shrinkage: f32,
    /// Orders with more lines than this don't count for similarity: they are
    /// stock-ups, and cost the square of their size.
    pub largest_order: usize,
    /// Orders of one customer count for similarity as this many at most, so that
    /// nobody decides alone what goes with what.
    pub orders_of_one: u32,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            neighbours: 14,
            popular: 200,
            shrinkage: 6.0,
            largest_order: 150,
            orders_of_one: 50,
        }
    }
}

/// Tables before they are written.
#[derive(Clone, Debug, Default)]
pub struct FittedTables {
    /// Sorted by id.
    pub rows: Vec<ProductRow>,
    /// Neighbours of a row, at most.
    pub neighbours: usize,
    /// Indices of rows, most popular first.
    pub popular: Vec<u32>,
}

/// A product that may have been sold.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The shop's code.
    pub id: &'a str,
    /// What shoppers read.
    pub title: &'a str,
    /// Its embedding's index, from 1; 0 where it has none.
    pub slot: u32,
    /// Whether it has a row though nobody bought it yet.
    pub is_new: bool,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Sale<L> {
    /// Whose; an order without a customer is a buyer of its own.
    pub customer: Option<u32>,
    /// When.
    pub time: Timestamp,
    /// Products, by their place among those that are named, with the price of a
    /// piece in minor units.
    pub lines: L,
}

/// What is summed up of a product.
#[derive(Clone)]
struct Sums {
    /// Who bought it when.
    purchases: Vec<(u32, i64)>,
    price: u64,
    price_time: i64,
    first: i64,
    last: i64,
    orders: Vec<u32>,
}

/// An order that tells what goes with what.
struct Basket {
    customer: Option<u32>,
    /// Distinct, sorted.
    products: Vec<u32>,
    weight: f32,
    /// As how many orders it counts.
    count: f32,
}

/// Fits the tables on all orders before `as_of`, which may come in any order of
/// time. `products` are sorted by id; those without an order have no row.
///
/// Similarity of two products is the cosine of their orders, each order
/// weighing 1 / ln(e + lines), times n / (n + shrinkage) for n common orders
/// (Sarwar et al. 2001 with the damping of Deshpande and Karypis 2004). Orders of
/// a customer with more than `orders_of_one` count less, by so much.
#[must_use]
pub fn tables<L: Iterator<Item = (u32, i64)>>(
    sales: impl Iterator<Item = Sale<L>>,
    products: &[Named<'_>],
    as_of: Timestamp,
    options: TableOptions,
) -> FittedTables {
    let none = Sums {
        purchases: Vec::new(),
        price: 0,
        price_time: 0,
        first: i64::MAX,
        last: 0,
        orders: Vec::new(),
    };
    let mut sums = vec![none; products.len()];
    let mut baskets: Vec<Basket> = Vec::new();
    let mut orders_of: BTreeMap<u32, u32> = BTreeMap::new();
    for sale in sales.filter(|sale| sale.time < as_of) {
        let t = sale.time.millis();
        let mut basket: Vec<u32> = Vec::new();
        for (product, price) in sale.lines {
            let Some(sum) = sums.get_mut(product as usize) else {
                continue;
            };
            if let Some(customer) = sale.customer {
                sum.purchases.push((customer, t));
            }
            // The price last paid: what the shop asks now.
            if t >= sum.price_time && price > 0 {
                sum.price_time = t;
                sum.price = price.unsigned_abs();
            }
            sum.first = sum.first.min(t);
            sum.last = sum.last.max(t);
            basket.push(product);
        }
        basket.sort_unstable();
        basket.dedup();
        if basket.len() > 1 && basket.len() <= options.largest_order {
            let number = u32::try_from(baskets.len()).unwrap_or(u32::MAX);
            for product in &basket {
                sums[*product as usize].orders.push(number);
            }
            if let Some(customer) = sale.customer {
                *orders_of.entry(customer).or_default() += 1;
            }
            baskets.push(Basket {
                customer: sale.customer,
                products: basket,
                weight: 0.0,
                count: 1.0,
            });
        }
    }
    for basket in &mut baskets {
        let all = basket.customer.and_then(|it| orders_of.get(&it)).copied();
        let all = all.unwrap_or(1).max(1);
        basket.count = all.min(options.orders_of_one) as f32 / all as f32;
        let lines = core::f32::consts::E + basket.products.len() as f32;
        basket.weight = basket.count / shelfedge_engine::math::ln(lines);
    }

    let has_row = |product: usize| sums[product].first < i64::MAX || products[product].is_new;
    let kept: Vec<usize> = (0..products.len()).filter(|p| has_row(*p)).collect();
    let mut places = vec![0u32; products.len()];
    for (place, product) in (0u32..).zip(&kept) {
        places[*product] = place;
    }
    let day = |millis: i64| u32::try_from(millis.div_euclid(time::DAY)).unwrap_or(0);
    let mut rows: Vec<ProductRow> = Vec::with_capacity(kept.len());
    for &product in &kept {
        let (named, sum) = (&products[product], &mut sums[product]);
        if sum.first == i64::MAX {
            (sum.first, sum.last) = (as_of.millis(), as_of.millis());
        }
        sum.purchases.sort_unstable();
        let mut distinct = [0u32; 4];
        let mut again = 0u32;
        for purchases in sum.purchases.chunk_by(|a, b| a.0 == b.0) {
            let last = purchases.last().map_or(0, |p| p.1);
            for (count, window) in distinct.iter_mut().zip([14, 30, 90, i64::MAX / time::DAY]) {
                *count += u32::from(as_of.millis() - last < window * time::DAY);
            }
            again += u32::from(purchases.len() > 1);
        }
        rows.push(ProductRow {
            id: named.id.to_owned(),
            title: named.title.to_owned(),
            stats: Stats {
                slot: named.slot,
                price: sum.price,
                buyers: distinct,
                first_day: day(sum.first),
                last_day: day(sum.last),
                // Five imaginary buyers who never came back keep small counts
                // modest.
                repeat: again * 1000 / (distinct[3] + 5),
            },
            similar: Vec::new(),
        });
    }

    // One product at a time: memory grows with the catalogue, not its square.
    let norms: Vec<f32> = sums
        .iter()
        .map(|s| {
            let orders = s.orders.iter();
            orders.map(|o| baskets[*o as usize].weight).sum::<f32>()
        })
        .collect();
    let mut weight = vec![0.0f32; products.len()];
    let mut common = vec![0.0f32; products.len()];
    let mut touched: Vec<u32> = Vec::new();
    for (row, &product) in rows.iter_mut().zip(&kept) {
        for order in &sums[product].orders {
            let basket = &baskets[*order as usize];
            for other in &basket.products {
                if weight[*other as usize] == 0.0 {
                    touched.push(*other);
                }
                weight[*other as usize] += basket.weight;
                common[*other as usize] += basket.count;
            }
        }
        let mut list: Vec<(u32, f32)> = touched
            .iter()
            .filter(|other| **other as usize != product)
            .map(|other| {
                let o = *other as usize;
                let cosine = weight[o] / (norms[product] * norms[o]).sqrt();
                let damped = cosine * common[o] / (common[o] + options.shrinkage);
                (places[o], damped)
            })
            .collect();
        let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if list.len() > options.neighbours {
            list.select_nth_unstable_by(options.neighbours, better);
            list.truncate(options.neighbours);
            // Of a hundred thousand few stay; so many lists would take all memory.
            list.shrink_to_fit();
        }
        list.sort_unstable_by(better);
        row.similar = list;
        for other in touched.drain(..) {
            weight[other as usize] = 0.0;
            common[other as usize] = 0.0;
        }
    }

    let mut popular: Vec<u32> = (0u32..)
        .zip(&kept)
        .filter(|(_, product)| !products[**product].is_new)
        .map(|(row, _)| row)
        .collect();
    popular.sort_by_key(|i| {
        let [b14, b30, b90, ever] = rows[*i as usize].stats.buyers;
        (core::cmp::Reverse((b14, b30, b90, ever)), *i)
    });
    popular.truncate(options.popular);
    FittedTables {
        rows,
        neighbours: options.neighbours,
        popular,
    }
}

/// Sums of raw features, to fit their scaling.
#[derive(Clone, Debug)]
pub struct Fitter {
    spec: Spec,
    context: Vec<(f64, f64)>,
    candidate: Vec<(f64, f64)>,
    context_rows: f64,
    candidate_rows: f64,
}

impl Fitter {
    /// For examples encoded with [`Spec::unfitted`].
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let (c, f) = (spec.context.len(), spec.candidate.len());
        Self {
            spec,
            context: vec![(0.0, 0.0); c],
            candidate: vec![(0.0, 0.0); f],
            context_rows: 0.0,
            candidate_rows: 0.0,
        }
    }

    /// Adds an encoded example.
    pub fn add(&mut self, encoded: &Encoded) {
        fn sum(sums: &mut [(f64, f64)], values: &[f32]) {
            for row in values.chunks_exact(sums.len()) {
                for (s, x) in sums.iter_mut().zip(row) {
                    s.0 += f64::from(*x);
                    s.1 += f64::from(*x) * f64::from(*x);
                }
            }
        }
        sum(&mut self.context, &encoded.context);
        sum(&mut self.candidate, &encoded.candidate);
        self.context_rows += 1.0;
        let rows = encoded.rows as f64;
        self.candidate_rows += rows;
    }

    /// The spec with each number scaled to mean 0 and deviation 1, and limited
    /// to five deviations.
    #[must_use]
    pub fn finish(mut self) -> Spec {
        fn scale(features: &mut [Numeric], sums: &[(f64, f64)], rows: f64) {
            for (n, (sum, squares)) in features.iter_mut().zip(sums) {
                let rows = rows.max(1.0);
                let mean = sum / rows;
                let variance = (squares / rows - mean * mean).max(0.0);
                let (m, s) = (
                    mean as f32,
                    if variance > 1e-8 {
                        (1.0 / variance.sqrt()) as f32
                    } else {
                        0.0
                    },
                );
                n.mean = m;
                n.scale = s;
                n.limit = 5.0;
            }
        }
        scale(&mut self.spec.context, &self.context, self.context_rows);
        scale(
            &mut self.spec.candidate,
            &self.candidate,
            self.candidate_rows,
        );
        self.spec
    }
}

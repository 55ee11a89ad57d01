//! What is known of a shopper when a policy for whole lists chooses how the next one
//! is made: to show what is likely (exploit), to try out what little is known of
//! (explore), or to spread the list over many groups of products (diversify).
//!
//! The state is a row of [`WIDTH`] numbers between 0 and 1, computed from the
//! shopper's earlier visits alone: the simulator, the trainer and whoever serves such
//! a policy call this code. It knows no list that is being made, and draws nothing.

use shelfedge_commerce::time::{DAY, Timestamp};

/// Ways to make a list.
pub const ACTIONS: usize = 3;
/// Products of a shopper that are remembered as shown, at most; what is shown later
/// counts as new.
pub const MAX_PRODUCTS: usize = 4_096;
/// Groups of a shopper that clicks are counted for, at most; later ones count as one.
pub const MAX_GROUPS: usize = 256;
/// Numbers of products that stand for a group of their own, where none is known, begin
/// here.
pub const OWN_GROUP: u32 = 1 << 31;

/// How a list is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// What is most likely to be bought.
    Exploit,
    /// A few places try out what little is known of.
    Explore,
    /// Few products of each group.
    Diversify,
}

impl Action {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; ACTIONS] = [Self::Exploit, Self::Explore, Self::Diversify];

    /// The name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exploit => "exploit",
            Self::Explore => "explore",
            Self::Diversify => "diversify",
        }
    }

    /// The action of the largest value, in the order of [`Action::ALL`]; of equal ones the
    /// first. What isn't a number is never the largest.
    #[must_use]
    pub fn best(values: &[f32; ACTIONS]) -> Self {
        let mut best = (Self::Exploit, f32::NEG_INFINITY);
        for (action, value) in Self::ALL.into_iter().zip(values) {
            if *value > best.1 {
                best = (action, *value);
            }
        }
        best.0
    }

    /// The action of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// A product in a list that was shown, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which product, by any numbering that stays the same.
    pub product: u32,
    /// Its category, or another group of products; its own where none is known.
    pub group: u32,
    /// Whether it was clicked.
    pub clicked: bool,
    /// Whether it was ordered.
    pub ordered: bool,
}

/// The numbers of a state.
pub const NAMES: [&str; WIDTH] = [
    "visits",
    "first_visit",
    "days_since",
    "days_between",
    "visits_with_order",
    "ordered_a_visit",
    "lists_clicked",
    "places_clicked",
    "clicks_in_one_group",
    "groups_clicked",
    "shown_new",
    "last_shown_again",
    "last_clicked",
    "last_ordered",
    "lists_explored",
    "lists_diversified",
];
/// How many numbers a state has.
pub const WIDTH: usize = 16;

/// A shopper's visits so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visits {
    count: u32,
    first: i64,
    last: i64,
    with_order: u32,
    ordered: u32,
    lists_clicked: u32,
    shown: u32,
    clicked: u32,
    /// By number: lists that are sorted, since trees would be kilobytes of what a
    /// shopper downloads.
    products: Vec<u32>,
    /// Clicks of each group, by its number.
    groups: Vec<(u32, u32)>,
    new: u32,
    actions: [u32; ACTIONS],
    /// Of the last list: shown before, clicked and ordered, as shares of its places.
    of_last: [f32; 3],
}

/// From 0 for none to 1 for many; a half for `half`.
fn saturated(x: f32, half: f32) -> f32 {
    let x = x.max(0.0);
    x / (x + half)
}

/// A part of a whole; 0 of nothing.
fn share(part: u32, whole: u32) -> f32 {
    match whole {
        0 => 0.0,
        _ => part as f32 / whole as f32,
    }
}

impl Visits {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When the first one was.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        (self.count > 0).then_some(Timestamp(self.first))
    }

    /// Adds a visit: when it was, how its list was made, and what came of it. Visits
    /// are told in the order of time; one that is told late counts as being at the
    /// time of the last.
    pub fn push(&mut self, at: Timestamp, action: Action, list: &[Place]) {
        if self.count == 0 {
            self.first = at.0;
            self.last = at.0;
        }
        self.last = self.last.max(at.0);
        self.count = self.count.saturating_add(1);
        self.actions[action as usize] = self.actions[action as usize].saturating_add(1);
        let (mut again, mut clicked, mut ordered) = (0u32, 0u32, 0u32);
        // What is shown twice in one list is new the first time only.
        for place in list {
            match self.products.binary_search(&place.product) {
                Ok(_) => again += 1,
                Err(at) => {
                    self.new = self.new.saturating_add(1);
                    if self.products.len() < MAX_PRODUCTS {
                        self.products.insert(at, place.product);
                    }
                }
            }
            if place.clicked {
                clicked += 1;
                self.click(place.group);
            }
            ordered += u32::from(place.ordered);
        }
        let places = list.len() as u32;
        self.shown = self.shown.saturating_add(places);
        self.clicked = self.clicked.saturating_add(clicked);
        self.ordered = self.ordered.saturating_add(ordered);
        self.lists_clicked += u32::from(clicked > 0);
        self.with_order += u32::from(ordered > 0);
        self.of_last = [again, clicked, ordered].map(|part| share(part, places));
    }

    fn click(&mut self, group: u32) {
        let find =
            |groups: &[(u32, u32)], group: u32| groups.binary_search_by_key(&group, |it| it.0);
        let group = match find(&self.groups, group) {
            Err(_) if self.groups.len() >= MAX_GROUPS => u32::MAX,
            _ => group,
        };
        match find(&self.groups, group) {
            Ok(at) => self.groups[at].1 += 1,
            Err(at) => self.groups.insert(at, (group, 1)),
        }
    }

    /// The state at a moment, such as that of the next visit. Every number is in 0 to
    /// 1 and finite, whatever came before.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> [f32; WIDTH] {
        let days = |ms: i64| ms.max(0) as f32 / DAY as f32;
        let visits = self.count as f32;
        let [exploit, explore, diversify] = self.actions;
        let lists = exploit.saturating_add(explore).saturating_add(diversify);
        let (since, between) = match self.count {
            0 => (0.0, 0.0),
            n => (
                days(now.0.saturating_sub(self.last)),
                days(self.last.saturating_sub(self.first)) / n.saturating_sub(1).max(1) as f32,
            ),
        };
        // Herfindahl's index, of whole numbers: it doesn't depend on how groups are
        // numbered.
        let squares = self
            .groups
            .iter()
            .map(|(_, n)| f64::from(*n) * f64::from(*n));
        let squares: f64 = squares.sum();
        let clicks = f64::from(self.clicked.max(1));
        let in_one = (squares / (clicks * clicks)) as f32;
        let [again, clicked, ordered] = self.of_last;
        [
            saturated(visits, 3.0),
            f32::from(u8::from(self.count == 0)),
            saturated(since, 30.0),
            saturated(between, 30.0),
            share(self.with_order, self.count),
            saturated(self.ordered as f32 / visits.max(1.0), 2.0),
            share(self.lists_clicked, self.count),
            share(self.clicked, self.shown),
            in_one.min(1.0),
            saturated(self.groups.len() as f32, 4.0),
            share(self.new, self.shown),
            again,
            clicked,
            ordered,
            share(explore, lists),
            share(diversify, lists),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use shelfedge_commerce::rng::Rng;

    fn place(product: u32, group: u32, clicked: bool, ordered: bool) -> Place {
        Place {
            product,
            group,
            clicked,
            ordered,
        }
    }

    fn told(state: [f32; WIDTH]) -> String {
        let numbers = NAMES.iter().zip(state);
        let lines = numbers.map(|(name, x)| format!("{name} {x:.3}\n"));
        lines.collect()
    }

    #[test]
    fn nobody_knows_a_newcomer() {
        let state = Visits::default().state(Timestamp(5 * DAY));
        let mut expected = [0.0; WIDTH];
        expected[1] = 1.0;
        assert_eq!(state, expected);
    }

    #[test]
    fn two_visits() {
        let mut visits = Visits::default();
        let first = [
            place(1, 7, true, true),
            place(2, 7, true, false),
            place(3, 8, false, false),
            place(4, 9, true, false),
        ];
        visits.push(Timestamp(0), Action::Explore, &first);
        let second = [place(1, 7, false, false), place(5, 8, false, false)];
        visits.push(Timestamp(10 * DAY), Action::Exploit, &second);
        // Five of six places were new; of three clicks two are of one group: 4/9 + 1/9.
        expect![[r#"
            visits 0.400
            first_visit 0.000
            days_since 0.400
            days_between 0.250
            visits_with_order 0.500
            ordered_a_visit 0.200
            lists_clicked 0.500
            places_clicked 0.500
            clicks_in_one_group 0.556
            groups_clicked 0.333
            shown_new 0.833
            last_shown_again 0.500
            last_clicked 0.000
            last_ordered 0.000
            lists_explored 0.500
            lists_diversified 0.000
        "#]]
        .assert_eq(&told(visits.state(Timestamp(30 * DAY))));
        // A clock that goes backwards.
        assert_eq!(visits.state(Timestamp(i64::MIN))[2], 0.0);
    }

    #[test]
    fn whatever_is_told_the_numbers_stay_in_their_range() {
        let mut rng = Rng::new(4, 4);
        for _ in 0..40 {
            let mut visits = Visits::default();
            for _ in 0..rng.below(60) {
                let list: Vec<Place> = (0..rng.below(200))
                    .map(|_| {
                        let draw = rng.next_u64();
                        place(draw as u32, (draw >> 32) as u32, draw & 1 > 0, draw & 2 > 0)
                    })
                    .collect();
                let action = Action::ALL[rng.below(ACTIONS)];
                visits.push(Timestamp(rng.next_u64().cast_signed()), action, &list);
                let state = visits.state(Timestamp(rng.next_u64().cast_signed()));
                assert!(state.iter().all(|x| (0.0..=1.0).contains(x)), "{state:?}");
            }
            assert!(visits.products.len() <= MAX_PRODUCTS);
            assert!(visits.groups.len() <= MAX_GROUPS + 1);
        }
    }

    #[test]
    fn names_are_read_again() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.name()), Some(action));
        }
        assert_eq!(Action::parse("Exploit"), None);
    }

    #[test]
    fn of_equal_values_the_first_is_chosen() {
        assert_eq!(Action::best(&[1.0, 1.0, 0.5]), Action::Exploit);
        assert_eq!(Action::best(&[0.0, 1.0, 1.0]), Action::Explore);
        assert_eq!(Action::best(&[0.0, 1.0, 1.5]), Action::Diversify);
        assert_eq!(Action::best(&[f32::NAN, -1.0, f32::NAN]), Action::Explore);
        assert_eq!(Action::best(&[f32::NAN; 3]), Action::Exploit);
    }
}

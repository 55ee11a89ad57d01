//! Which kind of list a shopper gets next: a policy for whole lists, learnt by the
//! trainer and carried by a ranking model in a section of its own.
//!
//! The section is a compiled model from the numbers of
//! [`shelfedge_features::visits`] to a value for each action, with a section that says
//! how it was judged ([`Judged`]). Outside of what it was judged on, what ran before
//! goes on. Each choice has its propensity, by which the next policy can be judged.

use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::time::{DAY, Timestamp};
use shelfedge_engine::file::u32_at;
use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Input, Model, PortInfo, Workspace};
use shelfedge_features::TableError;
use shelfedge_features::visits::{ACTIONS, WIDTH};
pub use shelfedge_features::visits::{Action, OWN_GROUP, Place, Visits};

/// The section of a compiled ranking model.
pub const SECTION: &str = "policy";
/// The section of the policy's own compiled model.
pub const JUDGED: &str = "judged";
/// Visits that a request tells of, at most.
pub const MAX_VISITS: usize = 200;
/// The longest name of a group of products in a request, in bytes of UTF-8.
pub const MAX_GROUP_BYTES: usize = 128;
/// The version of that section.
const VERSION: u32 = 1;

/// Keeps what is drawn here apart from everything else that a seed fixes.
const PURPOSE: u64 = 0xA0_11C7;

/// What was judged, and against what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Share of the lists for which the action is drawn evenly; 0 to 1.
    pub even: f32,
    /// First visits of a shopper that were judged; 1 or more.
    pub visits: u32,
    /// Days after the first visit in which they were.
    pub days: u32,
    /// What ran, and goes on elsewhere; `None` draws evenly.
    pub current: Option<Action>,
}

impl Judged {
    /// The bytes of the section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let current = self.current.map_or(u32::MAX, |action| action as u32);
        let numbers = [
            VERSION,
            self.even.to_bits(),
            self.visits,
            self.days,
            current,
        ];
        numbers.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    /// Reads what [`Judged::write`] wrote.
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| u32_at(bytes, 4 * index);
        let judged = Self {
            even: f32::from_bits(number(1)?),
            visits: number(2)?,
            days: number(3)?,
            current: match number(4)? {
                u32::MAX => None,
                index => Some(*Action::ALL.get(index as usize)?),
            },
        };
        let is_right = bytes.len() == 20
            && number(0)? == VERSION
            && (0.0..=1.0).contains(&judged.even)
            && judged.visits > 0;
        is_right.then_some(judged)
    }
}

/// An action and the probability with which it was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// How the list is made.
    pub action: Action,
    /// Above 0, at most 1.
    pub propensity: f32,
}

/// A policy, read in place.
#[derive(Clone, Debug)]
pub struct ListPolicy<'a> {
    model: Model<&'a [u8]>,
    judged: Judged,
}

impl<'a> ListPolicy<'a> {
    /// Opens the section: checks its offsets and its ports, copies nothing.
    ///
    /// # Errors
    /// No compiled model, or one that isn't a policy's.
    pub fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        let bad = TableError {
            section: SECTION,
            missing: false,
        };
        let model = Model::open(bytes).map_err(|_| bad)?;
        let judged = model.section(JUDGED).and_then(Judged::read).ok_or(bad)?;
        let is = |port: Option<PortInfo<'_>>, name: &str, elements: usize| {
            port.is_some_and(|port| {
                let size = port.shape.len as usize * port.shape.width as usize;
                (port.name, port.kind, port.shape.rows, size)
                    == (name, Kind::F32, Rows::PerRow, elements)
            })
        };
        let (mut inputs, mut outputs) = (model.inputs(), model.outputs());
        let is_right = is(inputs.next(), "state", WIDTH)
            && is(outputs.next(), "value", ACTIONS)
            && inputs.next().is_none()
            && outputs.next().is_none();
        drop((inputs, outputs));
        match is_right {
            true => Ok(Self { model, judged }),
            false => Err(bad),
        }
    }

    /// What was judged, and against what.
    #[must_use]
    pub fn judged(&self) -> Judged {
        self.judged
    }

    /// With what probability each action is chosen at a moment after some visits, in
    /// the order of [`Action::ALL`]. They add up to 1.
    #[must_use]
    pub fn probabilities(&self, visits: &Visits, now: Timestamp) -> [f64; ACTIONS] {
        let evenly = |share: f64, action: Option<Action>| {
            let mut out = [share / ACTIONS as f64; ACTIONS];
            if let Some(action) = action {
                out[action as usize] += 1.0 - share;
            }
            out
        };
        let Judged {
            even,
            visits: first,
            days,
            current,
        } = self.judged;
        let of_first = visits.first().map_or(0, |first| now.since(first));
        let is_judged = visits.count() < first && of_first <= i64::from(days) * DAY;
        let mut workspace = Workspace::default();
        let state = visits.state(now);
        let input = [Input::F32(&state)];
        // An engine that fails has no opinion: what ran before goes on.
        if is_judged
            && self.model.run(&mut workspace, 1, &input).is_ok()
            && let Ok(values) = <[f32; ACTIONS]>::try_from(workspace.output(0))
        {
            return evenly(even.into(), Some(Action::best(&values)));
        }
        evenly(if current.is_none() { 1.0 } else { 0.0 }, current)
    }

    /// Chooses how the next list is made. The seed should be the request's own.
    #[must_use]
    pub fn choose(&self, visits: &Visits, now: Timestamp, seed: u64) -> Chosen {
        let probabilities = self.probabilities(visits, now);
        let mut left = Rng::new(seed, PURPOSE).unit64();
        let mut chosen = (Action::Exploit, 0.0);
        for (action, p) in Action::ALL.into_iter().zip(probabilities) {
            // Rounding may leave a rest after the last one that is possible.
            if p > 0.0 {
                chosen = (action, p);
                if left < p {
                    break;
                }
                left -= p;
            }
        }
        Chosen {
            action: chosen.0,
            propensity: chosen.1 as f32,
        }
    }
}

impl<B: AsRef<[u8]>> crate::Ranker<B> {
    /// The policy for whole lists, of a model that carries one.
    #[must_use]
    pub fn list_policy(&self) -> Option<ListPolicy<'_>> {
        ListPolicy::open(self.model.section(SECTION)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_engine::program::{
        Data, Op, Port, Program, Shape, Step, Tensor, TensorId, Unary, Value, ValueId,
    };

    const JUDGED_ON: Judged = Judged {
        even: 0.3,
        visits: 2,
        days: 30,
        current: Some(Action::Diversify),
    };

    /// Exploits at the first visit, and explores later.
    fn compiled(judged: &[u8]) -> Vec<u8> {
        let value = |width: usize| Value {
            shape: Shape {
                rows: Rows::PerRow,
                len: 1,
                width: width as u32,
            },
            kind: Kind::F32,
        };
        let port = |name: &str, value| Port {
            name: name.to_owned(),
            value: ValueId(value),
        };
        let mut weights = vec![0.0; ACTIONS * WIDTH];
        weights[1] = 1.0;
        weights[WIDTH] = 1.0;
        let program = Program {
            values: vec![value(WIDTH), value(ACTIONS)],
            inputs: vec![port("state", 0)],
            outputs: vec![port("value", 1)],
            steps: vec![Step {
                op: Op::Dense {
                    x: ValueId(0),
                    weight: TensorId(0),
                    bias: None,
                    addend: None,
                    activation: Unary::Identity,
                },
                result: ValueId(1),
            }],
            tensors: vec![Tensor {
                rows: ACTIONS as u32,
                cols: WIDTH as u32,
                data: Data::F32(weights),
            }],
            forests: Vec::new(),
        };
        let sections = vec![(JUDGED, judged.to_vec())];
        program.compile(&sections).expect("a model")
    }

    #[test]
    fn what_was_judged_is_read_again() {
        for current in Action::ALL.into_iter().map(Some).chain([None]) {
            let judged = Judged {
                current,
                ..JUDGED_ON
            };
            assert_eq!(Judged::read(&judged.write()), Some(judged));
        }
        let mut bytes = JUDGED_ON.write();
        bytes.push(0);
        assert_eq!(Judged::read(&bytes), None);
        for (at, value) in [(0, 2), (1, f32::NAN.to_bits()), (2, 0), (4, 3)] {
            let mut bytes = JUDGED_ON.write();
            bytes[4 * at..4 * at + 4].copy_from_slice(&u32::to_le_bytes(value));
            assert_eq!(Judged::read(&bytes), None, "{at}");
            assert!(ListPolicy::open(&compiled(&bytes)).is_err());
        }
        assert!(ListPolicy::open(b"no model").is_err());
    }

    #[test]
    fn beyond_what_was_judged_goes_on_what_ran() {
        let bytes = compiled(&JUDGED_ON.write());
        let policy = ListPolicy::open(&bytes).expect("a policy");
        let mut visits = Visits::default();
        let near = |found: [f64; ACTIONS], expected: [f64; ACTIONS]| {
            let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f64::max) < 1e-6, "{found:?} {expected:?}");
        };
        near(policy.probabilities(&visits, Timestamp(0)), [0.8, 0.1, 0.1]);
        visits.push(Timestamp(0), Action::Exploit, &[]);
        let later = Timestamp(30 * DAY);
        near(policy.probabilities(&visits, later), [0.1, 0.8, 0.1]);
        // A day too late, and a visit too many.
        near(
            policy.probabilities(&visits, later.plus(1)),
            [0.0, 0.0, 1.0],
        );
        visits.push(Timestamp(1), Action::Exploit, &[]);
        near(policy.probabilities(&visits, Timestamp(2)), [0.0, 0.0, 1.0]);
        let chosen = policy.choose(&visits, Timestamp(2), 3);
        assert_eq!((chosen.action, chosen.propensity), (Action::Diversify, 1.0));
    }

    #[test]
    fn choices_are_as_frequent_as_they_say() {
        let bytes = compiled(&JUDGED_ON.write());
        let policy = ListPolicy::open(&bytes).expect("a policy");
        let mut counts = [0u32; ACTIONS];
        const LISTS: u32 = 20_000;
        for seed in 0..LISTS {
            let chosen = policy.choose(&Visits::default(), Timestamp(0), seed.into());
            counts[chosen.action as usize] += 1;
            let expected = if chosen.action == Action::Exploit {
                0.8
            } else {
                0.1
            };
            assert!((chosen.propensity - expected).abs() < 1e-6);
        }
        for (count, p) in counts.into_iter().zip([0.8, 0.1, 0.1]) {
            let share = f64::from(count) / f64::from(LISTS);
            let error = (p * (1.0 - p) / f64::from(LISTS)).sqrt();
            assert!((share - p).abs() < 4.0 * error, "{counts:?}");
        }
    }
}

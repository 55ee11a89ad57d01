//! A flow as a graph.

use super::format::{Condition, Flows, Rule, Step};

/// A flow's states and ways, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    name: String,
    start: usize,
    /// A label for each state, and its shape.
    states: Vec<(String, Shape)>,
    /// From, to, and when.
    ways: Vec<(usize, usize, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Ask,
    Say,
    Call,
    Choose,
    End,
    Person,
}

impl Drawing {
    /// A flow of compiled flows, by its number.
    #[must_use]
    pub fn of<B: AsRef<[u8]>>(flows: &Flows<B>, flow: u32) -> Self {
        let flow = flows.flow(flow);
        let (first, count) = flow.states;
        let (mut states, mut ways) = (Vec::new(), Vec::new());
        for row in first..first + count {
            let from = (row - first) as usize;
            let mut way =
                |to: u32, when: &str| ways.push((from, (to - first) as usize, when.to_owned()));
            let (what, shape) = match flows.step(row) {
                Step::Ask { slot, next } => {
                    way(next, "");
                    (format!("ask {}", flows.slot(slot).name), Shape::Ask)
                }
                Step::Say { next, .. } => {
                    way(next, "");
                    ("say".to_owned(), Shape::Say)
                }
                Step::Call { action, on } => {
                    for ((outcome, _), to) in flows.outcomes(action).zip(on.iter()) {
                        way(to, outcome);
                    }
                    (format!("call {}", flows.action_name(action)), Shape::Call)
                }
                Step::Confirm { yes, no, slots, .. } => {
                    way(yes, "yes");
                    way(no, "no");
                    let names: Vec<&str> = slots.iter().map(|s| flows.slot(s).name).collect();
                    (format!("confirm {}", names.join(", ")), Shape::Ask)
                }
                Step::Choose { rules, other } => {
                    for Rule { when, to } in flows.rules(rules) {
                        let is = |right| if right { "is" } else { "is not" };
                        let when = match when {
                            Condition::Slot(slot, value, right) => {
                                format!("{} {} {value}", flows.slot(slot).name, is(right))
                            }
                            Condition::SlotKnown(slot) => {
                                format!("{} is known", flows.slot(slot).name)
                            }
                            Condition::Fact(fact, value, right) => {
                                format!("{} {} {value}", flows.fact(fact), is(right))
                            }
                            Condition::FactKnown(fact) => format!("{} is known", flows.fact(fact)),
                        };
                        way(to, &when);
                    }
                    way(other, "else");
                    ("choose".to_owned(), Shape::Choose)
                }
                Step::End { .. } => ("end".to_owned(), Shape::End),
                Step::Person { reason } => (format!("person: {reason}"), Shape::Person),
            };
            states.push((format!("{}\n{what}", flows.state_name(row)), shape));
        }
        Self {
            name: flow.name.to_owned(),
            start: (flow.start - first) as usize,
            states,
            ways,
        }
    }

    /// For Graphviz (the DOT language).
    #[must_use]
    pub fn dot(&self) -> String {
        let mut out = format!("digraph {} {{\n  rankdir=LR;\n", quoted(&self.name));
        out += &format!("  start [shape=point];\n  start -> s{};\n", self.start);
        for (i, (label, shape)) in self.states.iter().enumerate() {
            let shape = match shape {
                Shape::Ask => "box",
                Shape::Say => "note",
                Shape::Call => "component",
                Shape::Choose => "diamond",
                Shape::End => "doublecircle",
                Shape::Person => "house",
            };
            out += &format!("  s{i} [label={}, shape={shape}];\n", quoted(label));
        }
        for (from, to, when) in &self.ways {
            let label = match when.is_empty() {
                true => String::new(),
                false => format!(" [label={}]", quoted(when)),
            };
            out += &format!("  s{from} -> s{to}{label};\n");
        }
        out + "}\n"
    }

    /// For Mermaid (a flowchart).
    #[must_use]
    pub fn mermaid(&self) -> String {
        let plain = |text: &str| {
            let plain = text.replace('"', "'").replace(['<', '>', '|'], " ");
            plain.replace('\n', "<br>")
        };
        let mut out = format!("flowchart LR\n  start(( )) --> s{}\n", self.start);
        for (i, (label, shape)) in self.states.iter().enumerate() {
            let (open, close) = match shape {
                Shape::Ask => ("[", "]"),
                Shape::Say => ("(", ")"),
                Shape::Call => ("[[", "]]"),
                Shape::Choose => ("{", "}"),
                Shape::End => ("(((", ")))"),
                Shape::Person => ("{{", "}}"),
            };
            out += &format!("  s{i}{open}\"{}\"{close}\n", plain(label));
        }
        for (from, to, when) in &self.ways {
            out += &match when.is_empty() {
                true => format!("  s{from} --> s{to}\n"),
                false => format!("  s{from} -->|\"{}\"| s{to}\n", plain(when)),
            };
        }
        out
    }
}

/// A text in quotes, as DOT reads them.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

//! What may be done with a text, what the fixed rules do, and what a network reads of it.

use crate::flow::Setting;

use super::Heard;
use super::policy::{Action, Moment};
use super::state::Asking;
use super::turn::Turn;

/// Probability from which a text that answers an open question, or names what is asked for,
/// begins another flow.
const SURE_SWITCH: f32 = 0.9;
/// Tokens above which it never does: long answers speak of many things.
const LONG_ANSWER: usize = 12;
/// Probability below which a text isn't about a flow.
const LEAST: f32 = 0.05;
/// Intents that answer what is asked.
const ANSWERS: [&str; 4] = ["affirm", "deny", "correct", "inform"];

impl<B: AsRef<[u8]>> Turn<'_, B> {
    /// The two flows other than the one under way that a text means most probably.
    pub(super) fn other_flows(&self, heard: &Heard<'_>) -> Vec<(u32, f32)> {
        let under_way = self.state.frames.last().map(|frame| frame.flow);
        let mut meant = self.meant_flows(heard);
        meant.retain(|(flow, chance)| Some(*flow) != under_way && *chance >= LEAST);
        meant.truncate(2);
        meant
    }

    pub(super) fn moment(
        &self,
        heard: &Heard<'_>,
        intent: &str,
        chance: f32,
        asked_which: bool,
    ) -> Moment {
        let clarifies = !asked_which && self.two_meant(heard).is_some();
        let under_way = self.state.frames.last().map(|frame| frame.flow);
        let chooses = self.names_a_choice();
        let others = self.other_flows(heard);
        let fills = chance < SURE_SWITCH
            && others
                .first()
                .is_some_and(|(flow, _)| self.fills_rather(heard, *flow));
        let stays = chooses || fills;
        let least = match self.is_open_question() {
            true if self.text.tokens().len() > LONG_ANSWER => 2.0,
            true => SURE_SWITCH,
            // One of the answers that are offered is an answer.
            false if stays => 2.0,
            false if self.answers(heard) => SURE_SWITCH,
            false => self.flows.share(Setting::Switch),
        };
        let wanted = self.flow_meant(intent, heard);
        let rule = if wanted.is_some() && wanted != under_way && chance >= least {
            Action::Begin
        } else if under_way.is_none() && clarifies {
            Action::Clarify
        } else {
            Action::Follow
        };
        // A wish that is that clear is never put off.
        let clear = rule == Action::Begin && chance >= SURE_SWITCH;
        let flag = |is: bool| f32::from(u8::from(is));
        let at = |place: usize| others.get(place).map_or(0.0, |(_, chance)| *chance);
        let of_flow = self.meant_flows(heard).into_iter();
        let of_flow = of_flow.filter(|(flow, _)| Some(*flow) == under_way);
        let answers = heard.intents.iter();
        let answers = answers.filter(|(name, _)| ANSWERS.contains(name));
        let kind = self.asked().map(|slot| self.flows.slot(slot).entity);
        let names = |of: &str| heard.entities.iter().any(|it| it.kind == of);
        let failed = f32::from(self.state.failed) / self.flows.setting(Setting::FailedTurns) as f32;
        let features = [
            at(0),
            at(1),
            at(0) - at(1),
            of_flow.map(|(_, chance)| chance).sum(),
            answers.map(|(_, chance)| chance).sum(),
            flag(heard.intents.is_empty()),
            flag(under_way.is_some()),
            flag(kind == Some("text")),
            flag(kind == Some("choice")),
            flag(matches!(self.state.asking, Asking::Check | Asking::Confirm)),
            flag(kind.is_some_and(names)),
            flag(!heard.entities.is_empty()),
            flag(names("product")),
            self.text.tokens().len().min(40) as f32 / 20.0,
            failed,
            self.state.mood.satisfaction(),
            flag(asked_which),
            flag(self.state.chinese),
        ];
        Moment {
            features,
            allowed: [
                !clear,
                !others.is_empty() && !stays,
                !clear && !stays && others.len() > 1,
                !clear && clarifies,
            ],
            rule,
        }
    }
}

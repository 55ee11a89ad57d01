//! Tells the people who answer that a conversation needs them: attempts, back-off, and
//! what is told of a delivery that failed. The call itself is the boundary's.

use crate::handler::{Clock, Profiles};
use crate::settings::{self, BadVariable, Variables};
use shelfedge_assistant::dialogue::Packet;
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::chatwoot::{Inbox, Opening};
use shelfedge_wire::handover::{Call, Delivery, Errand, Reply, Target, Unsent, Webhook, event};
use shelfedge_wire::manifest::hex;
use shelfedge_wire::seal::Conversation;
use shelfedge_wire::webhook::Secret;

/// Attempts of one hand-over: one, and one more for each call that failed.
const ATTEMPTS: u32 = 3;
/// Milliseconds before the second attempt; four times as many before each next one.
const BACK_OFF_MS: u64 = 200;

/// Where calls go out.
pub trait Outbound {
    /// Calls the target and reads the whole answer, within so many milliseconds. A redirect
    /// is an answer like any other.
    ///
    /// # Errors
    /// When there is no whole answer.
    fn call(&self, target: &Target, call: &Call, within_ms: u64) -> Result<Reply, Unsent>;

    /// Lets so many milliseconds pass.
    fn wait(&self, ms: u64);

    /// Writes a line for whoever runs the shop.
    fn log(&self, line: &str);
}

/// Where hand-overs go, and how.
#[derive(Debug)]
pub struct Receiver {
    target: Target,
    desk: Desk,
    deadline_ms: u64,
}

#[derive(Debug)]
enum Desk {
    Webhook(Secret),
    Chatwoot(Inbox),
}

impl Receiver {
    /// As the variables say; none where they name no address.
    ///
    /// # Errors
    /// An address, a kind or a secret that can't be one.
    pub fn of(variables: &dyn Variables) -> Result<Option<Self>, BadVariable> {
        let url = settings::HANDOVER_URL.text(variables)?;
        if url.is_empty() {
            return Ok(None);
        }
        let bad = |variable: settings::Variable, cause: &str| BadVariable {
            name: variable.name,
            cause: cause.to_owned(),
        };
        let target = Target::parse(&url).map_err(|why| bad(settings::HANDOVER_URL, why))?;
        let secret = settings::HANDOVER_SECRET.text(variables)?;
        let bad_secret = |why: &str| bad(settings::HANDOVER_SECRET, why);
        let desk = match &settings::HANDOVER_KIND.text(variables)?[..] {
            "webhook" => {
                Desk::Webhook(Secret::parse(&secret).map_err(|why| bad_secret(&why.to_string()))?)
            }
            "chatwoot" => {
                Inbox::check_token(&secret).map_err(bad_secret)?;
                let inbox = Inbox::parse(&target, &secret);
                Desk::Chatwoot(inbox.map_err(|why| bad(settings::HANDOVER_URL, why))?)
            }
            other => {
                let why = format!("is `{other}` and must be webhook or chatwoot");
                return Err(bad(settings::HANDOVER_KIND, &why));
            }
        };
        let deadline_ms = settings::HANDOVER_DEADLINE_MS.number(variables, 100, 10_000)?;
        Ok(Some(Self {
            target,
            desk,
            deadline_ms,
        }))
    }
}

/// What a hand-over needs of the boundary.
pub struct With<'a> {
    /// Time.
    pub clock: &'a dyn Clock,
    /// The way out.
    pub outbound: &'a dyn Outbound,
}

impl With<'_> {
    /// Tells the receiver, once for a conversation unless `again`; every attempt has the
    /// same id. A store that can't be read or written costs a second delivery at worst.
    pub fn deliver(
        &self,
        receiver: &Receiver,
        conversation: &Conversation,
        packet: &Packet,
        again: bool,
        store: &mut dyn Profiles,
    ) -> Delivery {
        if packet.reason.is_empty() {
            return Delivery::NotNeeded;
        }
        let key = ["handover:", &hex(&conversation.id)].concat();
        if !again && matches!(store.get(&key), Ok(Some(_))) {
            return Delivery::Already;
        }
        let id = shelfedge_wire::handover::id(conversation);
        let (mut webhook, mut opening);
        let errand: &mut dyn Errand = match &receiver.desk {
            Desk::Webhook(secret) => {
                let body = event(packet, conversation, Timestamp(self.clock.unix_ms()));
                webhook = Webhook::new(secret, &receiver.target.path, &id, body);
                &mut webhook
            }
            Desk::Chatwoot(inbox) => {
                opening = Opening::new(inbox, conversation, packet, &id);
                &mut opening
            }
        };
        let begun = self.clock.elapsed_us() / 1_000;
        let end = begun + receiver.deadline_ms;
        let mut attempt = 1;
        while let Some(call) = errand.call(self.clock.unix_ms()) {
            let left = end.saturating_sub(self.clock.elapsed_us() / 1_000);
            let answer = self.outbound.call(&receiver.target, &call, left.max(1));
            let Err(failure) = errand.hear(answer.as_ref().map_err(|unsent| *unsent)) else {
                continue;
            };
            let wait = failure.retry_after.map_or_else(
                || BACK_OFF_MS << (2 * (attempt - 1)),
                |seconds| seconds.saturating_mul(1_000),
            );
            let next = (self.clock.elapsed_us() / 1_000).saturating_add(wait);
            if !failure.passes || attempt == ATTEMPTS || next >= end {
                self.outbound.log(&format!(
                    "handover {id}: {} after {attempt} attempts: {}",
                    failure.code.id, failure.cause
                ));
                if errand.has_told() {
                    // The conversation is open, without its labels or priority.
                    break;
                }
                return Delivery::Failed(failure, attempt);
            }
            self.outbound.wait(wait);
            attempt += 1;
        }
        let _ = store.set(&key, &[1]);
        Delivery::Delivered(attempt)
    }
}

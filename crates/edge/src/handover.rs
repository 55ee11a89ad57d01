//! Tells the people who answer that a conversation needs them: attempts, back-off, and
//! what is told of a delivery that failed. The call itself is the boundary's.

use crate::handler::{Clock, Profiles};
use crate::settings::{self, BadVariable, Variables};
use shelfedge_assistant::dialogue::Packet;
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::handover::{Call, Delivery, Failure, Reply, Target, Unsent, event, webhook};
use shelfedge_wire::manifest::hex;
use shelfedge_wire::seal::Conversation;
use shelfedge_wire::webhook::Secret;

/// Attempts of one hand-over.
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

/// Where hand-overs go, and how they are signed.
#[derive(Debug)]
pub struct Receiver {
    target: Target,
    secret: Secret,
    deadline_ms: u64,
}

impl Receiver {
    /// As the variables say; none where they name no address.
    ///
    /// # Errors
    /// An address or a secret that can't be one.
    pub fn of(variables: &dyn Variables) -> Result<Option<Self>, BadVariable> {
        let url = settings::HANDOVER_URL.text(variables)?;
        if url.is_empty() {
            return Ok(None);
        }
        let bad = |variable: settings::Variable, cause: String| BadVariable {
            name: variable.name,
            cause,
        };
        let target = Target::parse(&url).map_err(|why| bad(settings::HANDOVER_URL, why.into()))?;
        let secret = settings::HANDOVER_SECRET.text(variables)?;
        let secret = Secret::parse(&secret)
            .map_err(|why| bad(settings::HANDOVER_SECRET, why.to_string()))?;
        let deadline_ms = settings::HANDOVER_DEADLINE_MS.number(variables, 100, 10_000)?;
        Ok(Some(Self {
            target,
            secret,
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
        let body = event(packet, conversation, Timestamp(self.clock.unix_ms()));
        let begun = self.clock.elapsed_us() / 1_000;
        let end = begun + receiver.deadline_ms;
        let mut attempt = 1;
        loop {
            let left = end.saturating_sub(self.clock.elapsed_us() / 1_000);
            let now = self.clock.unix_ms();
            let call = webhook(&receiver.secret, &receiver.target.path, &id, &body, now);
            let failure = match self.outbound.call(&receiver.target, &call, left.max(1)) {
                Err(unsent) => Failure::from(unsent),
                Ok(reply) => match reply.success() {
                    Err(failure) => failure,
                    Ok(()) => {
                        let _ = store.set(&key, &[1]);
                        return Delivery::Delivered(attempt);
                    }
                },
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
                return Delivery::Failed(failure, attempt);
            }
            self.outbound.wait(wait);
            attempt += 1;
        }
    }
}

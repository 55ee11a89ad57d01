//! A conversation that is handed over to people: the event that tells them, calls and
//! replies as data, and what the answer says of the delivery. Sending is the boundary's.

use sha2::{Digest as _, Sha256};
use shelfedge_assistant::dialogue::Packet;
use shelfedge_commerce::Timestamp;
use shelfedge_commerce::codes::Code;

use crate::assist::write_packet;
use crate::codes;
use crate::json::Writer;
use crate::manifest::hex;
use crate::seal::Conversation;
use crate::webhook::Secret;

/// The event's type.
pub const TYPE: &str = "handover.requested";
/// Longest answer of a receiver that is read, in bytes.
pub const MAX_REPLY: usize = 256 << 10;

/// A request to send, below the address that was configured.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, from `/`.
    pub path: String,
    /// Headers, with names in lower case. They hold secrets and are not to be logged.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for `GET`.
    pub body: Vec<u8>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Seconds of the header `retry-after`, where there are some.
    pub retry_after: Option<u64>,
    /// The body, of at most [`MAX_REPLY`] bytes.
    pub body: Vec<u8>,
}

/// Why a call brought no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The host doesn't let the component call the address.
    Denied,
    /// There was no connection, or it broke off.
    Unreachable,
    /// There was no whole answer in time.
    Timeout,
    /// The answer was longer than [`MAX_REPLY`].
    TooLarge,
}

/// Why a conversation wasn't handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, with what to do.
    pub code: &'static Code,
    /// What it was this time, without personal data or secrets.
    pub cause: String,
    /// Whether another attempt may do better.
    pub passes: bool,
    /// Seconds that the receiver wants to be left alone.
    pub retry_after: Option<u64>,
}

impl From<Unsent> for Failure {
    fn from(unsent: Unsent) -> Self {
        let (code, cause) = match unsent {
            Unsent::Denied => (&codes::HANDOVER_DENIED, "the host refused the call"),
            Unsent::Unreachable => (
                &codes::HANDOVER_UNREACHABLE,
                "no connection, or it broke off",
            ),
            Unsent::Timeout => (&codes::HANDOVER_UNREACHABLE, "no answer in time"),
            Unsent::TooLarge => (&codes::HANDOVER_REFUSED, "the answer is too long"),
        };
        Self {
            code,
            cause: cause.to_owned(),
            passes: matches!(unsent, Unsent::Unreachable | Unsent::Timeout),
            retry_after: None,
        }
    }
}

impl Reply {
    /// The reply, where its status is a success.
    ///
    /// # Errors
    /// Any other status. Redirects aren't followed: the answer to a signed request is the
    /// configured address's own.
    pub fn success(&self) -> Result<(), Failure> {
        if (200..300).contains(&self.status) {
            return Ok(());
        }
        let passes = matches!(self.status, 408 | 425 | 429 | 500..=599);
        Err(Failure {
            code: match passes {
                true => &codes::HANDOVER_UNREACHABLE,
                false => &codes::HANDOVER_REFUSED,
            },
            cause: format!("answered with status {}", self.status),
            passes,
            retry_after: self.retry_after,
        })
    }
}

/// The calls of one hand-over, one after another; each may be made again while its answer
/// hasn't been heard.
pub trait Errand {
    /// The next call, at a time in milliseconds since 1970; none once it is delivered.
    fn call(&mut self, now: i64) -> Option<Call>;

    /// Takes the answer to the last call.
    ///
    /// # Errors
    /// An answer, or none, that doesn't lead on.
    fn hear(&mut self, answer: Result<&Reply, Unsent>) -> Result<(), Failure>;

    /// Whether people have been told, though a call is left that says more.
    fn has_told(&self) -> bool {
        false
    }
}

/// What became of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The conversation needs nobody: nothing was sent.
    NotNeeded,
    /// It was delivered before, and isn't sent again unless that is asked for.
    Already,
    /// It is delivered, at this attempt, from 1.
    Delivered(u32),
    /// It isn't, after so many attempts.
    Failed(Failure, u32),
}

impl Delivery {
    pub(crate) fn write(&self, json: &mut Writer, id: &str) {
        json.key("delivery");
        json.open(b'{');
        json.key("status");
        json.string(match self {
            Delivery::NotNeeded => "not_needed",
            Delivery::Already => "already_delivered",
            Delivery::Delivered(_) => "delivered",
            Delivery::Failed(..) => "failed",
        });
        json.key("id");
        json.string(id);
        let attempts = match self {
            Delivery::NotNeeded | Delivery::Already => 0,
            Delivery::Delivered(attempts) | Delivery::Failed(_, attempts) => *attempts,
        };
        json.key("attempts");
        json.unsigned(attempts.into());
        if let Delivery::Failed(failure, _) = self {
            for (name, text) in [
                ("code", failure.code.id),
                ("cause", &failure.cause),
                ("action", failure.code.action),
            ] {
                json.key(name);
                json.string(text);
            }
        }
        json.close(b'}');
    }
}

/// The event's id: the same for one conversation whenever it is sent, so that who receives
/// it twice can tell.
pub fn id(conversation: &Conversation) -> String {
    let mut sha = Sha256::new();
    sha.update(TYPE.as_bytes());
    sha.update(conversation.id);
    ["msg_", &hex(&sha.finalize()[..16])].concat()
}

/// The event's body. Its texts are masked as the packet's are.
pub fn event(packet: &Packet, conversation: &Conversation, now: Timestamp) -> Vec<u8> {
    let mut json = Writer::with_capacity(2048);
    json.open(b'{');
    json.key("type");
    json.string(TYPE);
    json.key("timestamp");
    json.string(&now.to_string());
    json.key("data");
    json.open(b'{');
    json.key("conversation");
    json.string(&hex(&conversation.id));
    json.key("place");
    match packet.flows.last() {
        None => json.null(),
        Some((flow, state)) => {
            json.open(b'{');
            for (name, text) in [("flow", flow), ("state", state)] {
                json.key(name);
                json.string(text);
            }
            json.close(b'}');
        }
    }
    json.key("packet");
    write_packet(&mut json, packet);
    json.close(b'}');
    json.close(b'}');
    json.finish()
}

/// A hand-over by one signed webhook.
pub struct Webhook<'a> {
    secret: &'a Secret,
    path: &'a str,
    id: &'a str,
    body: Vec<u8>,
    is_told: bool,
}

impl<'a> Webhook<'a> {
    /// The event's way to the path.
    pub fn new(secret: &'a Secret, path: &'a str, id: &'a str, event: Vec<u8>) -> Self {
        Self {
            secret,
            path,
            id,
            body: event,
            is_told: false,
        }
    }
}

impl Errand for Webhook<'_> {
    /// Signed anew for each attempt.
    fn call(&mut self, now: i64) -> Option<Call> {
        if self.is_told {
            return None;
        }
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let seconds = now.div_euclid(1000);
        headers.extend(self.secret.headers(self.id, seconds, &self.body));
        Some(Call {
            method: "POST",
            path: self.path.to_owned(),
            headers,
            body: self.body.clone(),
        })
    }

    fn hear(&mut self, answer: Result<&Reply, Unsent>) -> Result<(), Failure> {
        answer?.success()?;
        self.is_told = true;
        Ok(())
    }
}

/// An address that may be configured: its origin and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether the connection is encrypted.
    pub is_https: bool,
    /// Host and port, as in the header `host`.
    pub authority: String,
    /// From `/`; `/` where the address has none.
    pub path: String,
}

impl Target {
    /// Reads `https://host[:port][/path][?query]`; `http` only where the host is this
    /// machine itself.
    ///
    /// # Errors
    /// Why it is no such address; the address isn't repeated, for its path may be secret.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if url.len() > 2000 || !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("must be at most 2000 printable ASCII characters");
        }
        let (is_https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("must begin with https://"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.contains('#') {
            return Err("must have no fragment");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_port = |port: &str| {
            let is_number = port.bytes().all(|b| b.is_ascii_digit());
            is_number && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        let of_host = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        let is_host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(of_host),
        };
        if !is_host || !port.is_none_or(is_port) {
            return Err("must name a host, and no user or password");
        }
        if !is_https && !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            return Err("must begin with https://, unless the host is this machine itself");
        }
        Ok(Self {
            is_https,
            authority: authority.to_ascii_lowercase(),
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => ["/", path].concat(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_conversations_and_no_others() {
        let one = Conversation {
            id: [1; 16],
            ..Conversation::default()
        };
        let later = Conversation {
            turn: 9,
            state: vec![1],
            ..one.clone()
        };
        assert_eq!(id(&one), id(&later));
        assert_ne!(id(&one), id(&Conversation::default()));
        assert!(id(&one).len() == 36 && id(&one).starts_with("msg_"));
    }

    #[test]
    fn addresses_are_https_or_this_machine() {
        let target = |url| Target::parse(url);
        let full = target("https://Help.example:8443/in?x=1").expect("an address");
        assert_eq!(
            (&full.authority[..], &full.path[..], full.is_https),
            ("help.example:8443", "/in?x=1", true)
        );
        assert_eq!(target("https://a.example").expect("an address").path, "/");
        assert_eq!(
            target("https://a.example?x").expect("an address").path,
            "/?x"
        );
        assert!(target("http://127.0.0.1:8080/hook").is_ok());
        assert!(target("http://[::1]:8080/hook").is_ok() && target("https://[::1]/").is_ok());
        for bad in [
            "",
            "help.example",
            "ftp://help.example",
            "http://help.example/",
            "http://127.0.0.1.example/",
            "https://",
            "https:///x",
            "https://user:word@help.example/",
            "https://help.example:0/",
            "https://help.example:/",
            "https://help.example:70000/",
            "https://help.example/#x",
            "https://help.example/ x",
            "https://[::1/",
            "https://he\u{e9}.example/",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_that_pass_are_told_from_those_that_do_not() {
        for (status, passes) in [
            (302, false),
            (401, false),
            (410, false),
            (429, true),
            (503, true),
        ] {
            let reply = Reply {
                status,
                retry_after: Some(2),
                ..Reply::default()
            };
            let failure = reply.success().expect_err("a failure");
            assert_eq!(
                (failure.passes, failure.retry_after),
                (passes, Some(2)),
                "{status}"
            );
        }
        let reply = Reply {
            status: 204,
            ..Reply::default()
        };
        assert_eq!(reply.success(), Ok(()));
    }
}

//! A conversation with an assistant in a terminal. What the flows ask of the shop is answered
//! by a file, by what the assistant knows of products, or by whoever sits at the terminal.

use std::io::{BufRead, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shelfedge_assistant::dialogue::{Call, Item, Line, Outcome, Who};
use shelfedge_assistant::entities::Clock;
use shelfedge_assistant::flow::ENTITY_KINDS;
use shelfedge_assistant::{Assistant, Happened, TurnBuffers};
use shelfedge_wire::assist::{self, Around, Done};
use shelfedge_wire::limits::Limits;
use shelfedge_wire::problem::Problem;
use shelfedge_wire::seal::{Conversation, Seal};

/// Longest file that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;
/// Longest line, in bytes: no longer than a request.
const MOST_LINE: u64 = 2 << 20;
/// Calls after one thing that was said.
const MOST_CALLS: usize = 32;
/// The outcome of a call that brought nothing.
const FAILED: &str = "failed";

/// What a shop answers a call: the first whose inputs agree.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    when: std::collections::BTreeMap<String, String>,
    outcome: String,
    #[serde(default)]
    facts: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    items: Vec<Listed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    kind: String,
    value: String,
    label: String,
}

/// A made-up shop: what each action answers.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    from: PathBuf,
    answers: std::collections::BTreeMap<String, Vec<Answer>>,
}

impl Answers {
    /// Reads a file such as `models/assistant/shop.toml`.
    ///
    /// # Errors
    /// A file that can't be read or isn't one, with line and column.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = read(file)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| anyhow::anyhow!("{} isn't UTF-8: save it as UTF-8", file.display()))?;
        let answers = toml::from_str(text).with_context(|| file.display().to_string())?;
        Ok(Self {
            from: file.to_owned(),
            answers,
        })
    }

    fn of(&self, call: &Call) -> Option<Done> {
        let agrees = |answer: &&Answer| {
            let mut when = answer.when.iter();
            when.all(|(name, value)| call.inputs.iter().any(|(n, v)| n == name && v == value))
        };
        let found = self.answers.get(&call.action)?.iter().find(agrees)?;
        Some(Done {
            call: call.id,
            name: found.outcome.clone(),
            facts: (found.facts.iter())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            items: (found.items.iter())
                .map(|it| [it.kind.clone(), it.value.clone(), it.label.clone()])
                .collect(),
        })
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let name = || file.display().to_string();
    let size = std::fs::metadata(file).with_context(name)?.len();
    if size > MOST_BYTES {
        bail!("{} has {size} bytes, and {MOST_BYTES} are the most", name());
    }
    std::fs::read(file).with_context(name)
}

/// Where a conversation takes place.
#[derive(Debug)]
pub struct Terminal<R, W> {
    /// What the customer writes, and the operator.
    pub input: R,
    /// What is said.
    pub output: W,
    /// Whether somebody sits there: without, nobody is asked for what isn't known.
    pub is_person: bool,
    /// Whether what is written must be shown: a terminal does that by itself.
    pub echoes: bool,
}

impl<R: BufRead, W: Write> Terminal<R, W> {
    /// The next line without its end; none at the end of the input.
    fn line(&mut self) -> anyhow::Result<Option<String>> {
        let mut bytes = Vec::new();
        self.output.flush()?;
        let read = (&mut self.input)
            .take(MOST_LINE)
            .read_until(b'\n', &mut bytes)
            .context("what was written can't be read")?;
        if read as u64 == MOST_LINE {
            bail!("a line has more than {MOST_LINE} bytes: write shorter ones");
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        if self.echoes && read > 0 {
            writeln!(self.output, "{text}")?;
        }
        Ok((read > 0).then(|| text.to_owned()))
    }

    fn ask(&mut self, prompt: &str) -> anyhow::Result<String> {
        write!(self.output, "{prompt} ")?;
        Ok(self.line()?.unwrap_or_default())
    }
}

/// A conversation's parts.
pub struct Chat<'a> {
    assistant: Assistant<&'a [u8]>,
    digest: String,
    answers: Answers,
    clock: &'a dyn Fn() -> Clock,
    state: Vec<u8>,
    transcript: Vec<(Who, String)>,
    buffers: TurnBuffers,
}

/// The bytes of a bundle's compiled model, and the bundle's digest.
///
/// # Errors
/// A folder that isn't a whole bundle.
pub fn bundle(folder: &Path) -> anyhow::Result<(Vec<u8>, String)> {
    let bundle = crate::bundles::check_folder(folder)?;
    Ok((read(&folder.join("model.shelf"))?, bundle.digest))
}

impl<'a> Chat<'a> {
    /// Begins a conversation.
    ///
    /// # Errors
    /// A file that is no assistant.
    pub fn new(
        file: &'a [u8],
        digest: String,
        answers: Answers,
        clock: &'a dyn Fn() -> Clock,
    ) -> anyhow::Result<Self> {
        let assistant = Assistant::open(file)
            .context("this bundle isn't an assistant: `shelfedge-train assistant` makes one")?;
        Ok(Self {
            assistant,
            digest,
            answers,
            clock,
            state: Vec::new(),
            transcript: Vec::new(),
            buffers: TurnBuffers::default(),
        })
    }

    /// Converses until the input ends, the customer takes leave or writes `:quit`.
    ///
    /// # Errors
    /// Input or output that fails.
    pub fn converse(
        &mut self,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<()> {
        let flows = self.assistant.flows();
        let titles: Vec<String> = (0..flows.len())
            .map(|row| flows.title(row).join(" / "))
            .collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        writeln!(terminal.output, "{}", titles.join(" | "))?;
        writeln!(
            terminal.output,
            "Write as a customer would. :handover shows what a person would see, :silence lets time \
             pass, :quit ends."
        )?;
        loop {
            let line = {
                write!(terminal.output, "you> ")?;
                terminal.line()?
            };
            let Some(line) = line else {
                writeln!(terminal.output)?;
                return Ok(());
            };
            match line.trim() {
                "" => {}
                ":quit" => return Ok(()),
                ":handover" => self.handover(terminal)?,
                ":silence" => {
                    self.turn(&Happened::Silence, terminal)?;
                }
                text => {
                    self.transcript.push((Who::Customer, text.to_owned()));
                    if self.turn(&Happened::Said(text), terminal)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One turn with its calls. Whether the customer said goodbye.
    fn turn(
        &mut self,
        first: &Happened<'_>,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<bool> {
        let buffers = &mut self.buffers;
        let mut turn = (self.assistant).turn(&self.state, (self.clock)(), first, buffers)?;
        if let Some((intent, probability)) = &turn.intent {
            let feeling = turn.sentiment.map_or(String::new(), |it| {
                format!(", sentiment {:+} ({:.2})", it.level, it.confidence)
            });
            writeln!(terminal.output, "     {intent} ({probability:.2}){feeling}")?;
        }
        for calls in 0.. {
            let output = turn.output;
            self.state = output.state;
            for reply in output.replies {
                writeln!(terminal.output, "bot> {}", reply.replace('\n', "\n     "))?;
                self.transcript.push((Who::Assistant, reply));
            }
            let Some(call) = output.call else {
                if !output.quick.is_empty() {
                    writeln!(terminal.output, "     [{}]", output.quick.join("] ["))?;
                }
                if let Some(reason) = output.person {
                    writeln!(terminal.output, "     a person is needed: {reason}")?;
                }
                return Ok(output.ended);
            };
            if calls >= MOST_CALLS {
                bail!("the flows call without end");
            }
            let done = self.shop(&call, terminal)?;
            let facts: Vec<(&str, &str)> =
                (done.facts.iter()).map(|(n, v)| (&n[..], &v[..])).collect();
            let items: Vec<Item<'_>> = (done.items.iter())
                .map(|[kind, value, label]| Item { kind, value, label })
                .collect();
            let outcome = Outcome {
                call: done.call,
                name: &done.name,
                facts: &facts,
                items: &items,
            };
            for misfit in self.assistant.misfits(&self.state, &outcome)? {
                let fault = assist::misfit(&misfit);
                writeln!(
                    terminal.output,
                    "     {}: {}: {}",
                    fault.path, fault.code, fault.cause
                )?;
            }
            let happened = Happened::Done(outcome);
            turn =
                (self.assistant).turn(&self.state, (self.clock)(), &happened, &mut self.buffers)?;
        }
        Ok(false)
    }

    /// What the shop answers a call.
    fn shop(
        &self,
        call: &Call,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<Done> {
        let inputs: Vec<String> = (call.inputs.iter())
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let name = &call.action;
        writeln!(terminal.output, "     {name}({})", inputs.join(", "))?;
        if let Some(done) = self.answers.of(call) {
            let from = self.answers.from.display();
            writeln!(terminal.output, "     -> {} ({from})", done.name)?;
            return Ok(done);
        }
        if let Some(done) = self.known(call) {
            writeln!(terminal.output, "     -> {} (the graph)", done.name)?;
            return Ok(done);
        }
        let failed = Done {
            call: call.id,
            name: FAILED.to_owned(),
            ..Done::default()
        };
        if !terminal.is_person {
            writeln!(
                terminal.output,
                "     -> {FAILED}: nothing answers {name} here"
            )?;
            return Ok(failed);
        }
        self.operator(call, failed, terminal)
    }

    /// What the assistant knows: an answer to a question about a product, or products that
    /// are looked for.
    fn known(&self, call: &Call) -> Option<Done> {
        let value = |name: &str| {
            let input = call.inputs.iter().find(|(input, _)| input == name);
            input.map(|(_, value)| value.as_str())
        };
        if let ("find_products", Some(wanted)) = (call.action.as_str(), value("wanted")) {
            return Some(self.found(call.id, wanted));
        }
        let (product, question) = (value("product")?, value("question")?);
        let known = (self.assistant.ask(question))
            .or_else(|| self.assistant.ask(&format!("{question} {product}")))?;
        Some(Done {
            call: call.id,
            name: "answered".to_owned(),
            facts: vec![("answer".to_owned(), known.text)],
            items: Vec::new(),
        })
    }

    fn found(&self, call: u32, wanted: &str) -> Done {
        let known = self.assistant.ask(wanted);
        let products = known.map_or(Vec::new(), |it| it.products);
        let items: Vec<[String; 3]> = (products.into_iter())
            .map(|[_, name, shown]| ["product".to_owned(), name, shown])
            .collect();
        let name = if items.is_empty() { "none" } else { "found" };
        Done {
            call,
            name: name.to_owned(),
            items,
            ..Done::default()
        }
    }

    /// Whoever sits at the terminal plays the shop.
    fn operator(
        &self,
        call: &Call,
        failed: Done,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<Done> {
        let flows = self.assistant.flows();
        let action = (0..flows.actions()).find(|row| flows.action_name(*row) == call.action);
        let outcomes: Vec<(&str, Vec<&str>)> = (action.into_iter())
            .flat_map(|action| flows.outcomes(action))
            .map(|(name, facts)| (name, facts.iter().map(|fact| flows.fact(fact)).collect()))
            .collect();
        for (i, (name, facts)) in outcomes.iter().enumerate() {
            writeln!(
                terminal.output,
                "     {}. {name} {}",
                i + 1,
                facts.join(", ")
            )?;
        }
        let chosen = terminal.ask("     shop's outcome>")?;
        let chosen = chosen.trim();
        let place = chosen.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let found = match place {
            Some(place) => outcomes.get(place),
            None => outcomes.iter().find(|(name, _)| *name == chosen),
        };
        let Some((name, facts)) = found else {
            writeln!(terminal.output, "     -> {FAILED}")?;
            return Ok(failed);
        };
        let mut done = Done {
            name: (*name).to_owned(),
            ..failed
        };
        for fact in facts {
            if *fact != "items" {
                let value = terminal.ask(&format!("     {fact}>"))?;
                done.facts.push(((*fact).to_owned(), value));
                continue;
            }
            let kinds = ENTITY_KINDS.join(", ");
            writeln!(
                terminal.output,
                "     items: kind value label, an empty line ends; kinds: {kinds}"
            )?;
            loop {
                let item = terminal.ask("     item>")?;
                let mut parts = item.trim().splitn(3, ' ').map(str::to_owned);
                let (Some(kind), Some(value)) = (parts.next(), parts.next()) else {
                    break;
                };
                let label = parts.next().unwrap_or_else(|| value.clone());
                done.items.push([kind, value, label]);
            }
        }
        Ok(done)
    }

    fn handover(
        &mut self,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<()> {
        let lines: Vec<Line<'_>> = (self.transcript.iter())
            .map(|(who, text)| Line { who: *who, text })
            .collect();
        let packet = self.assistant.packet(&self.state, &lines)?;
        let out = &mut terminal.output;
        writeln!(out, "     {}", packet.summary)?;
        writeln!(out, "     satisfaction {:.2}", packet.satisfaction)?;
        for slot in &packet.slots {
            let sure = if slot.confirmed { ", confirmed" } else { "" };
            writeln!(
                out,
                "     {}: {} ({:.2}{sure})",
                slot.slot, slot.value, slot.belief
            )?;
        }
        for (who, text) in &packet.transcript {
            let who = match who {
                Who::Customer => "customer",
                Who::Assistant => "assistant",
            };
            writeln!(out, "     | {who}: {}", text.replace('\n', "\n     |   "))?;
        }
        for reply in &packet.suggested {
            writeln!(out, "     suggested: {reply}")?;
        }
        Ok(())
    }

    /// Answers requests as `POST /v1/assist` has them, one a line, with the answers of that
    /// or a problem, one a line. The state goes on by itself.
    ///
    /// # Errors
    /// Input or output that fails.
    pub fn answer(
        &mut self,
        terminal: &mut Terminal<impl BufRead, impl Write>,
    ) -> anyhow::Result<()> {
        let mut conversation = Conversation::default();
        while let Some(line) = terminal.line()? {
            if line.trim().is_empty() {
                continue;
            }
            let clock = (self.clock)();
            let around = Around {
                model: &self.digest,
                seal: Seal::Plain,
                now: clock.now.millis(),
            };
            let answer =
                assist::parse(line.as_bytes(), &Limits::DEFAULT).and_then(|mut request| {
                    request.now.get_or_insert(clock);
                    if request.state.is_some() {
                        conversation = request.conversation(&around, conversation.id)?;
                    }
                    let buffers = &mut self.buffers;
                    assist::respond(&self.assistant, &request, &conversation, &around, buffers)
                });
            let answer = answer.unwrap_or_else(|faults| Problem::from(faults).to_json());
            let answer = String::from_utf8(answer)?;
            writeln!(terminal.output, "{answer}")?;
            let told: serde_json::Value = serde_json::from_str(&answer)?;
            if let Some(state) = told["state"].as_str() {
                conversation = Conversation::unseal(state, Seal::Plain, around.now)
                    .map_err(|fault| anyhow::anyhow!("{}", fault.cause))?;
            }
        }
        Ok(())
    }
}

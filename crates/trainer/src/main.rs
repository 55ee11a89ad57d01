//! `shelfedge-train`: see the README beside this crate's manifest.
//!
//! The command only parses arguments, shows progress and prints; the work is
//! in the library.

use std::io::IsTerminal;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shelfedge_commerce::time::Timestamp;
use shelfedge_trainer::error::Error;
use shelfedge_trainer::learn::Settings;
use shelfedge_trainer::plan::LastMonth;
use shelfedge_trainer::watch::Watch;
use shelfedge_trainer::{
    assistant, attention, basket, bench, best, bundle, evaluate, generate, graph, images, import,
    intent, next, policy, ranking, settings, shoppers, slots,
};

const AFTER: &str = "\
A first session:
  shelfedge-train import  --shop my-shop                       what is in the tables, what is refused
  shelfedge-train ranking --shop my-shop --out models/ranking  learn, measure, write the bundle

my-shop holds the order lines as .parquet or .csv, and a mapping.toml that names their columns; the
README of this command shows a short one. Results go to stdout, progress and faults to stderr.

Exit codes: 0 done; 1 failed, with code, place, cause and action of every fault; 2 arguments that
can't be understood; 3 import --check found nothing that can teach; 130 stopped by Ctrl-C. What is
written is there whole or not at all.";

/// Learns a shop's ranking from its order history
#[derive(Parser)]
#[command(name = "shelfedge-train", version, after_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a shop's order lines and report what was kept and what was refused
    ///
    /// Writes nothing unless it is told where. Every rule is listed with the rows it refused or noticed
    /// and the first few of them, with file and row, so that a mapping can be corrected before anything is
    /// learnt.
    #[command(verbatim_doc_comment)]
    Import {
        #[command(flatten)]
        source: Source,
        /// Say what the data is good for; exit code 3 if no command could learn from it
        #[arg(long, conflicts_with_all = ["into", "impressions"])]
        check: bool,
        /// Keep what is read in a store, and read new files only
        ///
        /// The other commands take a store as --shop. A file counts once, under whatever name, also when it
        /// is gone from the shop's folder; one that changed is refused. Stopping leaves the store as it was.
        #[arg(long, value_name = "FOLDER", verbatim_doc_comment)]
        into: Option<PathBuf>,
        /// Customers to remove from the store and to leave out from now on: their ids, one a line
        #[arg(long, value_name = "FILE", requires = "into")]
        erase: Option<PathBuf>,
        /// Join the lists that were shown with what was clicked and bought, as Parquet
        #[arg(long, value_name = "FILE")]
        impressions: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn both rankings that orders allow, and write the better one's bundle
    ///
    /// `basket` and `ranking` are learnt from what came before the newest 30 days and asked for what
    /// customers bought in them. What is written is learnt again from all orders: `ranking`, which is
    /// smaller and follows a session, unless the lists of `basket` are better by more than chance.
    /// CARD.md says why. Where the history is too short for one of them, it is the other.
    #[command(verbatim_doc_comment)]
    Best {
        #[command(flatten)]
        source: Source,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Fixes all sampling
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn a ranking, measure it and write its bundle
    ///
    /// The history is split by calendar months: the last is held back to be scored, the one before it
    /// stops the learning, up to six before that teach. Needs at least five months and customers who
    /// come back. Prints NDCG@10, recall@20 and hit rate@10 beside two baselines; CARD.md in the bundle
    /// says more.
    #[command(verbatim_doc_comment)]
    Ranking {
        #[command(flatten)]
        source: Source,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Hold no month back: the last one stops the learning, and nothing unseen is scored
        ///
        /// For the model to ship once a run without this has told what such a model is worth: it learns
        /// from the newest month too. Four months are enough.
        #[arg(long, verbatim_doc_comment)]
        no_test: bool,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome, with the validation curve, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn what customers order next from orders alone, and write a bundle
    ///
    /// The best lists for shops whose customers come back: one of everything, one of what is new to the
    /// customer. Up to eight windows of 30 days teach; at least three months of orders are needed. The newest 30
    /// days are held back first to measure what such a model is worth, beside two baselines; then a model
    /// that knows them too is written. It looks at no session: `ranking` makes a model for that.
    #[command(verbatim_doc_comment)]
    Basket {
        #[command(flatten)]
        source: Source,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Measure nothing: half the time
        #[arg(long)]
        no_test: bool,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn what comes next from sequences of products alone, and write a bundle
    ///
    /// For sessions (the looks of visitors nobody knows) or shoppers (what each did, in order): needs no
    /// prices, titles or times. The mapping has a section for sequences; the README of this command shows
    /// one. The newest part is held back first to measure what such a model is worth, beside two
    /// baselines; then a model that knows all of it is written.
    #[command(verbatim_doc_comment)]
    Next {
        #[command(flatten)]
        source: Source,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Measure nothing: half the time
        #[arg(long)]
        no_test: bool,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn a sequence model (self-attention) by itself, and write it as ONNX and compiled
    ///
    /// For whoever wants the network without a ranking around it, or to see what it is worth alone: `next`
    /// makes it one of the sources of its ranking (the section [attention] of its settings file, which this
    /// command reads, too). The newest part of the sequences measures it, beside two baselines.
    #[command(verbatim_doc_comment)]
    Attention {
        #[command(flatten)]
        source: Source,
        /// The folder for attention.onnx and attention.shelf
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome, with the validation curve, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn to say what a text is about: intents, or sentiment
    ///
    /// From texts with labels, as Parquet or CSV; the label oos is for texts that have none of the others.
    /// Linear scores over runs of words and parts of them, and a small network, are tried on texts that are
    /// held back; the smallest of what is nearly best is learnt again from all, and written.
    #[command(verbatim_doc_comment)]
    Intent {
        /// A table of texts; may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        data: Vec<PathBuf>,
        /// The column of texts
        #[arg(long, value_name = "NAME", default_value = "text")]
        text_column: String,
        /// The column of labels
        #[arg(long, value_name = "NAME", default_value = "label")]
        label_column: String,
        /// What people put right, as CSV, Parquet or JSON lines: text, label and perhaps was; may be repeated
        #[arg(long, value_name = "FILE")]
        feedback: Vec<PathBuf>,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Bytes of the compiled model, at most
        #[arg(long, value_name = "BYTES", default_value_t = 5_000_000)]
        max_bytes: usize,
        #[command(flatten)]
        teacher: TeacherFiles,
        /// Fixes all sampling
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn to find slots in texts: a product, a size, a seller
    ///
    /// From texts with their slots marked, as `a [large](size) [pizza](food)` in the column text of CSV or
    /// Parquet (rows of one conversation have the same in a column conversation), or with a token and a tag in
    /// each line (.conll, .bio). A fifth is kept aside to measure with, beside a dictionary of what was marked.
    #[command(verbatim_doc_comment)]
    Slots {
        /// A file of texts; may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        texts: Vec<PathBuf>,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Bytes of the compiled model, at most
        #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
        max_bytes: usize,
        /// Says which texts are kept aside
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the texts that are worth a person's label: those that the model can't tell, and that speak for others
    ///
    /// Writes CSV with the columns text (masked), label (empty), was (the model's guess), probability, margin,
    /// count (how often it was written) and covers. With the labels filled in it is what intent --feedback reads.
    #[command(verbatim_doc_comment)]
    LabelNext {
        /// The bundle of the model
        #[arg(long, value_name = "FOLDER", default_value = "models/intent")]
        model: PathBuf,
        /// What customers wrote, as CSV, Parquet or JSON lines with a text; may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        unlabelled: Vec<PathBuf>,
        /// Texts that are labelled already, and aren't asked for again; may be repeated
        #[arg(long, value_name = "FILE")]
        labelled: Vec<PathBuf>,
        /// How many texts to list
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        count: usize,
        /// What order numbers look like, which are masked: # for a digit, ? for a letter; may be repeated
        #[arg(long, value_name = "PATTERN")]
        orders: Vec<String>,
        /// Where phone numbers without a country code are from: CN, GB or US
        #[arg(long, value_name = "CODE")]
        country: Option<String>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compile what the shop knows into one file: products and their facts
    ///
    /// From a catalogue (CSV with a header, or JSON-LD with Products and Offers of schema.org), from triples
    /// (subject, relation and object with tabs between, relations declared by @relation), or from both.
    #[command(verbatim_doc_comment)]
    Graph {
        /// A catalogue: .csv, .json or .jsonld; may be repeated
        #[arg(long, value_name = "FILE", required_unless_present = "triples")]
        catalogue: Vec<PathBuf>,
        /// A file of triples, or a folder with files .tsv; may be repeated
        #[arg(long, value_name = "PATH")]
        triples: Vec<PathBuf>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Put an assistant together: models, flows and what the shop knows, in one bundle
    ///
    /// The bundle is what the browser, the edge and `shelfedge chat` open. Flows are checked against the intents
    /// that the model can tell apart.
    #[command(verbatim_doc_comment)]
    Assistant {
        /// The bundle of the model of intents
        #[arg(long, value_name = "FOLDER", default_value = "models/intent")]
        intent: PathBuf,
        /// The bundle of a model of sentiment, with five labels from very_negative to very_positive
        #[arg(long, value_name = "FOLDER")]
        sentiment: Option<PathBuf>,
        /// The bundle of a tagger that `slots` wrote; each of its tags is an entity of the flows, or one of their
        /// slots for text
        #[arg(long, value_name = "FOLDER")]
        slots: Option<PathBuf>,
        /// The file of flows
        #[arg(
            long,
            value_name = "FILE",
            default_value = "models/assistant/flows.toml"
        )]
        flows: PathBuf,
        /// What the shop knows, compiled by `graph`
        #[arg(long, value_name = "FILE")]
        graph: Option<PathBuf>,
        /// What chooses among the dialogue's allowed actions, as the example `policy` of the crate assistant writes it
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// What order numbers look like: # for a digit, ? for a letter, the rest as it is; may be repeated
        #[arg(long, value_name = "PATTERN", required = true)]
        orders: Vec<String>,
        /// What the numbers of its articles look like, by such patterns; may be repeated
        #[arg(long, value_name = "PATTERN")]
        skus: Vec<String>,
        /// The shop's currency, by its code of ISO 4217
        #[arg(long, value_name = "CODE")]
        currency: Option<String>,
        /// Where the shop is: CN, GB or US; says where phone numbers without a country code are from, and which of
        /// 3/4 is the month
        #[arg(long, value_name = "CODE")]
        country: Option<String>,
        /// The bundle's folder: replaced as a whole if it is a bundle, refused if it holds anything else
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn to compare photos of products, and write the encoder and the embeddings
    ///
    /// From the photos alone, without labels: CODE.jpg (.png, .webp) is a product's photo, a folder CODE
    /// holds the frames of its video. Writes photos.onnx, embeddings.parquet and CARD.md. `basket` does this
    /// by itself where the mapping names photos.
    #[command(verbatim_doc_comment)]
    Images {
        #[command(flatten)]
        source: Source,
        /// The folder of photos [default: the one that the mapping names]
        #[arg(long, value_name = "FOLDER")]
        photos: Option<PathBuf>,
        /// Any image-embedding ONNX instead of one that is learnt
        #[arg(long, value_name = "FILE")]
        encoder: Option<PathBuf>,
        /// The folder for photos.onnx, embeddings.parquet and CARD.md
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Learn a policy for whole lists (exploit, explore, diversify), and write it if it may ship
    ///
    /// For what a shopper orders over several visits: double deep Q-learning from a log of lists (--log,
    /// JSON lines), or from a log that simulated shoppers make, who are fitted to the shop's orders (--shop).
    /// Half of the shoppers teach, the other half judges. The policy is written only if off-policy estimates
    /// say that it is no worse than what runs; CARD.md and report.json always. The README of this command
    /// shows a line of a log.
    #[command(verbatim_doc_comment)]
    Policy {
        /// The order lines, to fit shoppers to: a folder of tables, one table, or a store
        #[arg(long, value_name = "FOLDER|FILE", required_unless_present = "log")]
        shop: Option<PathBuf>,
        /// Which column means what [default: mapping.toml beside the tables]
        #[arg(long, value_name = "FILE", requires = "shop")]
        mapping: Option<PathBuf>,
        /// A log of lists, to learn from instead
        #[arg(long, value_name = "FILE", conflicts_with = "shop")]
        log: Option<PathBuf>,
        /// The folder for policy.onnx, policy.shelf, CARD.md and report.json; those of an earlier run go
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        #[command(flatten)]
        learning: Learning,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a bundle that carries a policy for whole lists
    ///
    /// Requests with the field `policy` are then answered with the list that it chooses, with the choice
    /// and its propensity. Only a policy that may ship has the file that this takes.
    #[command(verbatim_doc_comment)]
    AttachPolicy {
        /// The bundle's folder
        #[arg(long, value_name = "FOLDER")]
        bundle: PathBuf,
        /// The folder that `shelfedge-train policy` wrote
        #[arg(long, value_name = "FOLDER")]
        policy: PathBuf,
        /// The folder for the bundle with the policy; may be that of the bundle
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what a bundle is worth, on what it did not learn from
    ///
    /// Asks its compiled model, in the engine that the shop runs, about the newest orders or sequences
    /// that had no part in it, beside three baselines: metrics with 95 % intervals and paired
    /// differences, segments of shoppers and products, what is shown of the catalogue, calibration, what
    /// the scores come from, what was learnt when, and what rules for a list cost. A bundle that knows
    /// everything in the folder is refused unless --splits or --from is given. Changes no bundle.
    #[command(verbatim_doc_comment)]
    Evaluate {
        /// The bundle's folder
        #[arg(long, value_name = "FOLDER")]
        model: PathBuf,
        #[command(flatten)]
        source: Source,
        /// The folder to write report.html and report.json into
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// First day (or moment) of the window [default: the first that the bundle had no part in]
        ///
        /// Named, it may lie in what the bundle learnt from: then the report says so.
        #[arg(long, value_name = "TIME", value_parser = evaluate::moment, verbatim_doc_comment)]
        from: Option<Timestamp>,
        /// First day (or moment) after the window [default: after the newest order]
        #[arg(long, value_name = "TIME", value_parser = evaluate::moment)]
        until: Option<Timestamp>,
        /// Also train again at so many earlier cut-offs, and show mean and deviation
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=24), hide_default_value = true)]
        splits: u8,
        /// How to train again, as TOML; by default as the bundle's command does without it
        #[arg(long, value_name = "FILE", requires = "splits")]
        settings: Option<PathBuf>,
        /// Fixes the bootstrap's draws [default: 1], and the learning of --splits
        #[arg(long)]
        seed: Option<u64>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a benchmark's task on a folder that was prepared for it
    ///
    /// With the product's own learning and prediction. Prints one line of JSON: task, seed, cpu_s (CPU
    /// seconds), peak_bytes (largest memory) and shipped_bytes (the compiled model with its tables).
    #[command(verbatim_doc_comment)]
    Bench {
        #[command(subcommand)]
        task: Task,
    },
    /// Make up a shop as large as one likes, to the statistics of a real one
    ///
    /// To see what time and memory a shop of that size takes. Customers follow real ones, drawn with
    /// replacement, and the catalogue is repeated; so how good a list is for it says nothing.
    #[command(verbatim_doc_comment)]
    Generate {
        #[command(flatten)]
        source: Source,
        /// Customers
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
        customers: u32,
        /// Products, at least: whole copies of the catalogue
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        products: u32,
        /// Fixes all that is drawn
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A new folder, for tables and their mapping
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Write about two dozen anonymous customers for a demonstration
    ///
    /// Of varied kinds and countries, with their orders in the form in which a rank request carries
    /// them.
    #[command(verbatim_doc_comment)]
    Shoppers {
        #[command(flatten)]
        source: Source,
        /// The JSON file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct Source {
    /// The order lines: a folder of .parquet, .csv and .jsonl tables, one table, or a store of import --into
    #[arg(long, value_name = "FOLDER|FILE")]
    shop: PathBuf,
    /// Which column means what [default: mapping.toml beside the tables]
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

impl Source {
    fn read(&self, watch: &mut dyn Watch) -> Result<import::Imported, Error> {
        import::import(&self.shop, self.mapping.as_deref(), watch)
    }
}

#[derive(Args)]
struct Learning {
    /// Fixes initial weights, order and sampling: the same seed gives the same bytes [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// How to learn, as TOML; the README lists each command's keys and their defaults
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Learning {
    fn settings<S: Default>(
        &self,
        load: fn(&Path) -> Result<S, Error>,
        seed: fn(&mut S) -> &mut u64,
    ) -> Result<S, Error> {
        settings::chosen(self.settings.as_deref(), self.seed, load, seed)
    }

    fn of_ranking(&self) -> Result<Settings, Error> {
        self.settings(Settings::load, |settings| &mut settings.seed)
    }

    fn of_basket(&self) -> Result<basket::Settings, Error> {
        self.settings(basket::Settings::load, |settings| &mut settings.seed)
    }

    fn of_images(&self) -> Result<images::Settings, Error> {
        self.settings(images::Settings::load, |settings| &mut settings.seed)
    }

    fn of_policy(&self) -> Result<policy::Settings, Error> {
        self.settings(policy::Settings::load, |settings| &mut settings.seed)
    }

    fn of_next(&self) -> Result<next::Settings, Error> {
        self.settings(next::Settings::load, |settings| &mut settings.seed)
    }
}

#[derive(Subcommand)]
enum Task {
    /// Rank what each customer buys next
    ///
    /// Reads train.parquet and, to predict test, valid.parquet: one row for each line of each order, with
    /// the columns customer, invoice, item, date, quantity and price; and items.parquet with item and
    /// description, if it is there. Writes query (the customer), list ('all', or 'new' to the customer),
    /// rank (1 to 20) and item, for every customer of the history. What is to be predicted is never read.
    #[command(verbatim_doc_comment)]
    NextBasket(Prepared),
    /// Rank what comes next in sessions of nobody known
    ///
    /// Reads train.parquet (session, pos, item; sessions in the order of time) and the beginnings of other
    /// sessions in test.parquet (query, pos, item). For valid: the sessions before valid_cut of meta.json,
    /// and valid.parquet. Writes query, list ('all'), rank (1 to 20) and item. Answers are never read.
    #[command(verbatim_doc_comment)]
    Session(Prepared),
    /// Rank what each shopper comes to next
    ///
    /// Reads train.parquet (user, item, in the order of time) and, to predict test, valid.parquet, whose
    /// rows go on with the users' sequences. Writes query (the user), list ('all'), rank (1 to 20) and item.
    /// What is to be predicted is never read.
    #[command(verbatim_doc_comment)]
    Sequence(Prepared),
    /// Say which intent a text has
    ///
    /// Reads train.parquet and, to predict test, valid.parquet: the columns text and label, where the
    /// label oos is for texts that have none of the intents. Of what is to be predicted it reads row and
    /// text alone. Writes row, label and score, the label's probability.
    #[command(verbatim_doc_comment)]
    Intent(PreparedTexts),
    /// Say how near models of sentiment come to the levels that people gave
    #[command(verbatim_doc_comment)]
    Levels {
        /// The bundle of a model; may be repeated
        #[arg(long, value_name = "FOLDER", required = true)]
        model: Vec<PathBuf>,
        /// A table of texts with levels
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what it is worth to choose which texts are labelled next
    ///
    /// Reads train.parquet and valid.parquet: the columns text and label. Learns from a few texts of each
    /// label, then has more labelled in rounds, by chance and as label-next lists them.
    #[command(verbatim_doc_comment)]
    LabelNext {
        /// The prepared folder
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// Texts of each label to begin with
        #[arg(long, value_name = "COUNT", default_value_t = 5)]
        first: usize,
        /// Rounds after that
        #[arg(long, value_name = "COUNT", default_value_t = 5)]
        rounds: usize,
        /// Texts that are labelled in each
        #[arg(long, value_name = "COUNT", default_value_t = 200)]
        each: usize,
        /// How many seeds, from --seed on
        #[arg(long, value_name = "COUNT", default_value_t = 3)]
        seeds: u64,
        /// Fixes all sampling
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what people's corrections are worth, and how much each should count
    ///
    /// Learns from half of the texts, takes the wrong answers to three tenths as corrections, and asks for
    /// the rest.
    #[command(verbatim_doc_comment)]
    Corrections {
        /// A table of texts with labels; may be repeated
        #[arg(long, value_name = "FILE", required = true)]
        data: Vec<PathBuf>,
        /// How many seeds, from --seed on
        #[arg(long, value_name = "COUNT", default_value_t = 5)]
        seeds: u64,
        /// Fixes all sampling
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Bytes of a compiled model, at most
        #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
        max_bytes: usize,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether a text is for or against
    ///
    /// As for intents, with two labels that are whole numbers; score is the probability of the larger one.
    #[command(verbatim_doc_comment)]
    Sentiment(PreparedTexts),
    /// Say which slots and entities a turn has, and its intent
    ///
    /// Of train it reads domain, cluster, tokens, tags and intent, in Parquet; of what is to be predicted
    /// row, domain, cluster and tokens. Writes row, tags and, where train has some, intent.
    #[command(verbatim_doc_comment)]
    Slots(PreparedTexts),
    /// Choose items, from a log with propensities, and predict clicks
    ///
    /// Reads log_random.parquet and log_bts.parquet: row, cluster, item, position, click, propensity, and
    /// a0, a1, ... (what the shopper has to do with each item, above 0). Writes row, p0, p1, ... (with what
    /// probability the policy shows each item to this row's shopper at its position) and p_click (of the
    /// item that was shown), for every row of one log; it learns from the other one alone.
    #[command(verbatim_doc_comment)]
    Bandit {
        /// The prepared folder
        #[arg(long, value_name = "FOLDER")]
        data: PathBuf,
        /// The policy file to write, as Parquet
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Which log to score
        #[arg(
            long,
            value_enum,
            default_value_t = Logged::Random,
            hide_possible_values = true,
            value_name = "random|bts"
        )]
        window: Logged,
        /// Told in the line that is printed; nothing is drawn
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measure what questions are worth to shoppers whom nobody knows
    ///
    /// To the customers who first order in the 31 days after a bundle's data ends: their answers are
    /// those of somebody who is after one half of that order, and the lists are scored on the other half,
    /// with answers and without, beside what most customers buy. Prints JSON with paired intervals instead
    /// of the line. For a bundle that was learnt from the beginning of the shop's history.
    #[command(verbatim_doc_comment)]
    ColdStart {
        #[command(flatten)]
        source: Source,
        /// The bundle's folder
        #[arg(long, value_name = "FOLDER")]
        model: PathBuf,
        /// Fixes the intervals
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measure how well products that nobody bought yet are ranked
    ///
    /// Takes all orders of a share of the products out of the history, leaves their titles, learns what
    /// `basket` learns from what came before the newest 30 days, and ranks these products for the
    /// customers who bought one of them in those days, beside chance and the likeness of titles. Prints
    /// JSON with paired intervals instead of the line.
    #[command(verbatim_doc_comment)]
    NewProducts {
        #[command(flatten)]
        source: Source,
        /// Share of the products that are held out
        #[arg(long, default_value_t = 0.1, value_parser = share)]
        share: f64,
        #[command(flatten)]
        learning: Learning,
    },
    /// Measure how well photos find others of their category
    ///
    /// Every labelled photo asks for those most like it, among all others: the share whose nearest one is of
    /// the same category, and the mean average precision, over photos whose category has another. What is
    /// learnt from these photos without their labels stands beside the same network untrained and a
    /// histogram of colours, with 95 % intervals and paired differences.
    #[command(verbatim_doc_comment)]
    Images {
        /// The folder that the labels' paths begin in
        #[arg(long, value_name = "FOLDER")]
        photos: PathBuf,
        /// A CSV with a photo's path and its category
        #[arg(long, value_name = "FILE")]
        labels: PathBuf,
        /// Its column of paths; leading folders that are not there are passed over
        #[arg(long, value_name = "COLUMN", default_value = "photo")]
        photo_column: String,
        /// Its column of categories
        #[arg(long, value_name = "COLUMN", default_value = "category")]
        category_column: String,
        /// Any image-embedding ONNX, to stand beside them
        #[arg(long, value_name = "FILE")]
        encoder: Option<PathBuf>,
        #[command(flatten)]
        learning: Learning,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
}

/// A share above 0 and below 1.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a number".to_owned())?;
    match share > 0.0 && share < 1.0 {
        true => Ok(share),
        false => Err("above 0 and below 1".to_owned()),
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Logged {
    Random,
    Bts,
}

#[derive(Args)]
struct Prepared {
    /// The prepared folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The prediction file to write, as Parquet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to predict: valid from train (the way to tune), or test from train and valid; valid, too,
    /// where the folder has no test.parquet
    #[arg(
        long,
        value_enum,
        default_value_t = Part::Test,
        hide_possible_values = true,
        value_name = "valid|test",
        verbatim_doc_comment
    )]
    window: Part,
    /// Also write the bundle that the predictions come from
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    learning: Learning,
}

impl Prepared {
    fn target(&self) -> bench::Target {
        self.window.target()
    }

    fn outputs(&self) -> bench::Outputs<'_> {
        bench::Outputs {
            predictions: &self.out,
            bundle: self.bundle.as_deref(),
        }
    }
}

#[derive(Args)]
struct PreparedTexts {
    /// The prepared folder
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The prediction file to write, as Parquet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to predict: valid from train (the way to tune), or test from train and valid; valid, too,
    /// where the folder has no test.parquet
    #[arg(
        long,
        value_enum,
        default_value_t = Part::Test,
        hide_possible_values = true,
        value_name = "valid|test",
        verbatim_doc_comment
    )]
    window: Part,
    /// Fixes all sampling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bytes of the compiled model, at most
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<usize>,
    #[command(flatten)]
    teacher: TeacherFiles,
}

#[derive(Debug, Args)]
struct TeacherFiles {
    /// A large model of sentences, as ONNX, that the small one learns from; it isn't shipped
    #[arg(long, value_name = "FILE")]
    teacher: Option<PathBuf>,
    /// Its tokenizer; without, the tokenizer.json beside it
    #[arg(long, value_name = "FILE", requires = "teacher")]
    tokenizer: Option<PathBuf>,
}

impl TeacherFiles {
    fn open(&self) -> shelfedge_trainer::error::Result<Option<intent::Teacher>> {
        let open = |model: &PathBuf| intent::Teacher::open(model, self.tokenizer.as_deref());
        self.teacher.as_ref().map(open).transpose()
    }
}

impl PreparedTexts {
    fn settings(&self, max_bytes: usize) -> intent::Settings {
        intent::Settings {
            seed: self.seed,
            max_bytes: self.max_bytes.unwrap_or(max_bytes),
            ..intent::Settings::default()
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    Valid,
    Test,
}

impl Part {
    fn target(self) -> bench::Target {
        match self {
            Self::Valid => bench::Target::Valid,
            Self::Test => bench::Target::Test,
        }
    }
}

fn main() -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Without a handler the process just ends, which is safe too: a bundle
    // appears only by a rename.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    match run(Arguments::parse(), stop) {
        Ok(code) => code,
        Err(error) => {
            let cancelled = matches!(error.downcast_ref::<Error>(), Some(Error::Cancelled));
            complain(&format!("{error:#}"));
            ExitCode::from(if cancelled { 130 } else { 1 })
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a command says on stderr how far it is and why it failed"
)]
fn complain(text: &str) {
    eprintln!("shelfedge-train: {text}");
}

/// Answers on stdout.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("the answer can't be written to stdout")
}

fn run(arguments: Arguments, stop: Arc<AtomicBool>) -> anyhow::Result<ExitCode> {
    let mut watch = Terminal::new(stop);
    match arguments.command {
        Command::Import {
            source,
            check: true,
            json,
            ..
        } => {
            let found = import::check(&source.shop, source.mapping.as_deref(), &mut watch)?;
            watch.clear();
            print(&found, import::Check::table, json)?;
            if found.usable_by.is_empty() {
                return Ok(ExitCode::from(3));
            }
        }
        Command::Import {
            source,
            into,
            erase,
            impressions,
            json,
            ..
        } => {
            let mapping = source.mapping.as_deref();
            if let Some(out) = &impressions {
                let folders = [Some(&source.shop), into.as_ref()];
                folders
                    .into_iter()
                    .flatten()
                    .try_for_each(|shop| import::outside(shop, out))?;
            }
            let update = match &into {
                None => None,
                Some(into) => Some(import::update(
                    &source.shop,
                    mapping,
                    into,
                    erase.as_deref(),
                    &mut watch,
                )?),
            };
            let (shop, mapping) = match &into {
                None => (&source.shop, mapping),
                Some(into) => (into, None),
            };
            let joined = match &impressions {
                None => None,
                Some(out) => {
                    let out = Some(out.as_path());
                    Some(import::impressions(shop, mapping, out, &mut watch)?)
                }
            };
            let report = match (&update, &joined) {
                (None, None) => source.read(&mut watch)?.report,
                // There is more in events than orders.
                _ => import::report(shop, mapping, &mut watch)?,
            };
            watch.clear();
            let found = Found {
                report,
                update,
                impressions: joined,
            };
            print(&found, Found::table, json)?;
        }
        Command::Best {
            source,
            out,
            seed,
            json,
        } => {
            let mapping = source.mapping.as_deref();
            let outcome = best::run(&source.shop, mapping, &out, seed, &mut watch)?;
            watch.clear();
            print(&outcome, best::Outcome::table, json)?;
        }
        Command::Ranking {
            source,
            out,
            no_test,
            learning,
            json,
        } => {
            let settings = learning.of_ranking()?;
            let mapping = source.mapping.as_deref();
            let last = if no_test {
                LastMonth::StopsLearning
            } else {
                LastMonth::Scored
            };
            let outcome = ranking::run(&source.shop, mapping, &out, last, &settings, &mut watch)?;
            watch.clear();
            print(&outcome, ranking::Outcome::table, json)?;
        }
        Command::Basket {
            source,
            out,
            no_test,
            learning,
            json,
        } => {
            let settings = learning.of_basket()?;
            let mapping = source.mapping.as_deref();
            let outcome =
                basket::run(&source.shop, mapping, &out, !no_test, &settings, &mut watch)?;
            watch.clear();
            print(&outcome, basket::Outcome::table, json)?;
        }
        Command::Next {
            source,
            out,
            no_test,
            learning,
            json,
        } => {
            let settings = learning.of_next()?;
            let mapping = source.mapping.as_deref();
            let outcome = next::run(&source.shop, mapping, &out, !no_test, &settings, &mut watch)?;
            watch.clear();
            print(&outcome, next::Outcome::table, json)?;
        }
        Command::Graph {
            catalogue,
            triples,
            out,
            json,
        } => {
            let outcome = graph::run(&catalogue, &triples, &out, &mut watch)?;
            watch.clear();
            print(&outcome, graph::Outcome::table, json)?;
        }
        Command::Assistant {
            intent,
            sentiment,
            slots,
            flows,
            graph,
            policy,
            orders,
            skus,
            currency,
            country,
            out,
            json,
        } => {
            let parts = assistant::Parts {
                intent: &intent,
                sentiment: sentiment.as_deref(),
                slots: slots.as_deref(),
                flows: &flows,
                graph: graph.as_deref(),
                policy: policy.as_deref(),
                orders,
                skus,
                currency: currency.as_deref(),
                country: country.as_deref(),
            };
            let outcome = assistant::run(parts, &out)?;
            watch.clear();
            print(&outcome, assistant::Outcome::table, json)?;
        }
        Command::Intent {
            data,
            text_column,
            label_column,
            feedback,
            out,
            max_bytes,
            teacher,
            seed,
            json,
        } => {
            let teacher = teacher.open()?;
            let settings = intent::Settings {
                seed,
                max_bytes,
                ..intent::Settings::default()
            };
            let sources = intent::Sources {
                data: &data,
                columns: [&text_column, &label_column],
                feedback: &feedback,
            };
            let outcome = intent::run(sources, &out, teacher.as_ref(), &settings, &mut watch)?;
            watch.clear();
            print(&outcome, intent::Outcome::table, json)?;
        }
        Command::Slots {
            texts,
            out,
            max_bytes,
            seed,
            json,
        } => {
            let settings = slots::Settings { seed, max_bytes };
            let outcome = slots::run(&texts, &out, settings, &mut watch)?;
            watch.clear();
            print(&outcome, slots::Outcome::table, json)?;
        }
        Command::LabelNext {
            model,
            unlabelled,
            labelled,
            count,
            orders,
            country,
            out,
            json,
        } => {
            let asking = intent::Asking {
                model: &model,
                unlabelled: &unlabelled,
                labelled: &labelled,
                count,
                orders: &orders,
                country: country.as_deref(),
            };
            let outcome = intent::label_next(asking, &out, &mut watch)?;
            watch.clear();
            print(&outcome, intent::Listed::table, json)?;
        }
        Command::Attention {
            source,
            out,
            learning,
            json,
        } => {
            let next = learning.of_next()?;
            let settings = attention::Settings {
                seed: next.seed,
                ..next.attention
            };
            let mapping = source.mapping.as_deref();
            let outcome = attention::run(&source.shop, mapping, &out, &settings, &mut watch)?;
            watch.clear();
            print(&outcome, attention::Outcome::table, json)?;
        }
        Command::Images {
            source,
            photos,
            encoder,
            out,
            learning,
            json,
        } => {
            let asked = images::Asked {
                shop: &source.shop,
                mapping: source.mapping.as_deref(),
                photos: photos.as_deref(),
                encoder: encoder.as_deref(),
                settings: learning.settings.as_deref(),
                seed: learning.seed,
            };
            let outcome = images::run(&asked, &out, &mut watch)?;
            watch.clear();
            print(&outcome, images::Outcome::table, json)?;
        }
        Command::Policy {
            shop,
            mapping,
            log,
            out,
            learning,
            json,
        } => {
            let settings = learning.of_policy()?;
            let source = match (&shop, &log) {
                (Some(path), _) => policy::Source::Shop {
                    path,
                    mapping: mapping.as_deref(),
                },
                (None, Some(log)) => policy::Source::Log(log),
                (None, None) => anyhow::bail!("give --shop or --log"),
            };
            let outcome = policy::run(source, &out, &settings, &mut watch)?;
            watch.clear();
            print(&outcome, policy::Outcome::table, json)?;
        }
        Command::AttachPolicy {
            bundle,
            policy,
            out,
            json,
        } => {
            let attached = policy::attach(&bundle, &policy, &out)?;
            print(&attached, policy::Attached::table, json)?;
        }
        Command::Evaluate {
            model,
            source,
            out,
            from,
            until,
            splits,
            settings,
            seed,
            json,
        } => {
            let options = evaluate::Options {
                model: &model,
                shop: &source.shop,
                mapping: source.mapping.as_deref(),
                from,
                until,
                splits: splits.into(),
                settings: settings.as_deref(),
                seed,
            };
            evaluate::check_out(&out)?;
            let report = evaluate::run(&options, &mut watch)?;
            report.write(&out)?;
            watch.clear();
            if json {
                say(&report.json()?)?;
            } else {
                let page = out.join("report.html");
                say(&format!("{}{}", report.table(), page.display()))?;
            }
        }
        Command::Bench { task } => {
            let line = match &task {
                Task::ColdStart {
                    source,
                    model,
                    seed,
                } => {
                    let found = bench::cold_start(&source.read(&mut watch)?, model, *seed)?;
                    watch.clear();
                    say(&serde_json::to_string_pretty(&found).context("the outcome as JSON")?)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::NewProducts {
                    source,
                    share,
                    learning,
                } => {
                    let settings = learning.of_basket()?;
                    let mut imported = source.read(&mut watch)?;
                    images::give(&mut imported, settings.seed, &mut watch)?;
                    let found = bench::new_products(&imported, *share, &settings, &mut watch)?;
                    watch.clear();
                    say(&serde_json::to_string_pretty(&found).context("the outcome as JSON")?)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::Images {
                    photos,
                    labels,
                    photo_column,
                    category_column,
                    encoder,
                    learning,
                    json,
                } => {
                    let labels = bench::Labels {
                        file: labels,
                        photo: photo_column,
                        category: category_column,
                    };
                    let settings = learning.of_images()?;
                    let encoder = encoder.as_deref();
                    let found = bench::images(photos, labels, encoder, &settings, &mut watch)?;
                    watch.clear();
                    print(&found, bench::Retrieval::table, *json)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::NextBasket(of) => {
                    let settings = of.learning.of_basket()?;
                    bench::next_basket(&of.data, of.outputs(), of.target(), &settings, &mut watch)?
                }
                Task::Session(of) => {
                    let settings = of.learning.of_next()?;
                    bench::session(&of.data, of.outputs(), of.target(), &settings, &mut watch)?
                }
                Task::Sequence(of) => {
                    let settings = of.learning.of_next()?;
                    bench::sequence(&of.data, of.outputs(), of.target(), &settings, &mut watch)?
                }
                Task::Intent(of) => {
                    let (settings, teacher) = (of.settings(5_000_000), of.teacher.open()?);
                    bench::intent(
                        &of.data,
                        &of.out,
                        of.window.target(),
                        teacher.as_ref(),
                        &settings,
                        &mut watch,
                    )?
                }
                Task::Levels { model, data, json } => {
                    let found = bench::levels(model, data, &mut watch)?;
                    watch.clear();
                    print(&found, bench::Levels::table, *json)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::LabelNext {
                    data,
                    first,
                    rounds,
                    each,
                    seeds,
                    seed,
                    json,
                } => {
                    let settings = intent::Settings {
                        seed: *seed,
                        ..intent::Settings::default()
                    };
                    let rounds = bench::Rounds {
                        first: *first,
                        rounds: *rounds,
                        each: *each,
                        seeds: *seeds,
                    };
                    let found = bench::label_next(data, rounds, &settings, &mut watch)?;
                    watch.clear();
                    print(&found, bench::Curves::table, *json)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::Corrections {
                    data,
                    seeds,
                    seed,
                    max_bytes,
                    json,
                } => {
                    let settings = intent::Settings {
                        seed: *seed,
                        max_bytes: *max_bytes,
                        ..intent::Settings::default()
                    };
                    let found = bench::corrections(data, *seeds, &settings, &mut watch)?;
                    watch.clear();
                    print(&found, bench::Corrected::table, *json)?;
                    return Ok(ExitCode::SUCCESS);
                }
                Task::Sentiment(of) => {
                    let (settings, teacher) = (of.settings(3_000_000), of.teacher.open()?);
                    bench::sentiment(
                        &of.data,
                        &of.out,
                        of.window.target(),
                        teacher.as_ref(),
                        &settings,
                        &mut watch,
                    )?
                }
                Task::Slots(of) => {
                    let settings = of.settings(3_000_000);
                    bench::slots(&of.data, &of.out, of.window.target(), &settings, &mut watch)?
                }
                Task::Bandit {
                    data,
                    out,
                    window,
                    seed,
                } => {
                    let scored = match window {
                        Logged::Random => bench::Scored::Random,
                        Logged::Bts => bench::Scored::Bts,
                    };
                    bench::bandit(data, out, scored, *seed, &mut watch)?
                }
            };
            watch.clear();
            say(&serde_json::to_string(&line).context("the outcome as JSON")?)?;
        }
        Command::Generate {
            source,
            customers,
            products,
            seed,
            out,
        } => {
            let imported = source.read(&mut watch)?;
            let size = generate::Size {
                customers,
                products,
                seed,
            };
            let made = generate::generate(&imported.shop, size, &out, &mut watch)?;
            watch.clear();
            say(&serde_json::to_string(&made).context("the outcome as JSON")?)?;
        }
        Command::Shoppers { source, out } => {
            let imported = source.read(&mut watch)?;
            watch.clear();
            let text = shoppers::shoppers(&imported.shop);
            bundle::write_file(&out, text.as_bytes())?;
            say(&format!("{} ({} bytes)", out.display(), text.len()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What an import tells.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    report: import::Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<import::Update>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impressions: Option<import::ImpressionReport>,
}

impl Found {
    fn table(&self) -> String {
        let tables = [
            self.update.as_ref().map(import::Update::text),
            Some(self.report.table()),
            self.impressions.as_ref().map(|found| found.table()),
        ];
        tables
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

/// Prints an outcome, for a person or for a program.
fn print<T: Serialize>(found: &T, table: fn(&T) -> String, json: bool) -> anyhow::Result<()> {
    if json {
        say(&serde_json::to_string_pretty(found).context("the outcome as JSON")?)?;
    } else {
        say(&table(found))?;
    }
    Ok(())
}

/// Progress on stderr: bars on a terminal, else a line for every tenth of a
/// stage, so that a log shows it too.
struct Terminal {
    stop: Arc<AtomicBool>,
    bars: bool,
    bar: Option<(&'static str, ProgressBar)>,
    /// The stage and the tenths of it that were last told in a line.
    told: Option<(&'static str, u64)>,
}

impl Terminal {
    fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            stop,
            bars: std::io::stderr().is_terminal(),
            bar: None,
            told: None,
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, stage: &'static str, done: u64, total: u64, note: &str) {
        let tenths = (10 * done).checked_div(total).unwrap_or(0);
        if self.told == Some((stage, tenths)) {
            return;
        }
        self.told = Some((stage, tenths));
        complain(format!("{stage} {:>3} % {note}", 10 * tenths).trim_end());
    }
}

impl Watch for Terminal {
    fn step(&mut self, stage: &'static str, done: u64, total: u64, note: &str) {
        if !self.bars {
            return self.line(stage, done, total, note);
        }
        if self.bar.as_ref().is_none_or(|(name, _)| *name != stage) {
            if let Some((_, bar)) = self.bar.take() {
                bar.finish();
            }
            let bar = ProgressBar::new(total);
            bar.set_style(
                ProgressStyle::with_template("{prefix:>12} {wide_bar} {pos}/{len} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(stage);
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some((stage, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(note.to_owned());
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

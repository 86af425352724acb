//! The command line: what is parsed, and which verb does it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{interrupt, lock};
use crate::lab::Lab;
use crate::series::patches::Needs;
use crate::series::{export, worktree};
use crate::toolchain::enter::Whose;
use crate::toolchain::root::Toolchain;
use crate::verbs;

/// Builds, boots and judges the kernels of this repository
#[derive(Debug, Parser)]
#[command(
    name = "cargo lab",
    bin_name = "cargo lab",
    disable_help_subcommand = true
)]
#[command(help_template = TEMPLATE, before_help = verbs_by_use())]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    all: Everywhere,
}

const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

{before-help}Options:
{options}

Results go to out/ in this clone; toolchain, kernel source and compiled objects to
~/.cache/cargo-lab (XDG_CACHE_HOME moves it). Deleting either costs only time.";

/// The verbs, by what they are for.
const USES: [(&str, &[&str]); 5] = [
    ("Show", &["demo", "boot", "shell"]),
    ("Develop", &["tree", "export", "build", "check", "fits"]),
    (
        "Verify",
        &["test", "kunit", "inside", "model", "compile-fail", "soak"],
    ),
    ("Hand out", &["board"]),
    ("Measure", &["bench", "ab", "report"]),
];

/// [`USES`], with the first line of each verb's help.
fn verbs_by_use() -> String {
    let command = Verb::augment_subcommands(clap::Command::new(""));
    let mut text = String::new();
    for (heading, names) in USES {
        text += &format!("{heading}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(|it| it.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            text += &format!("  {name:<13}{about}\n");
        }
    }
    text
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
struct Everywhere {
    /// Start from this kernel tree, not from Debian's package
    #[arg(long, global = true, value_name = "PATH")]
    linux: Option<PathBuf>,
    /// Only these series, and those that they need (2-mtd,3-spi)
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    series: Vec<String>,
    /// Whose compilers and QEMU
    #[arg(long, global = true, value_name = "WHOSE", default_value = "own")]
    toolchain: Whose,
    /// Stop a build that takes longer than this
    #[arg(long, global = true, value_name = "N", default_value_t = 180.0)]
    build_minutes: f64,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(verbs::demo::Args),
    Test(verbs::test::Args),
    Check(verbs::check::Args),
    Fits(verbs::fits::Args),
    Kunit(verbs::kunit::Args),
    Inside(verbs::inside::Args),
    Ab(verbs::ab::Args),
    CompileFail(verbs::compile_fail::Args),
    Model(verbs::model::Args),
    Soak(verbs::soak::Args),
    Bench(verbs::bench::Args),
    /// Make out/report.html of what was found out
    Report,
    /// Make linux/, the kernel worktree, from patches/
    ///
    /// Makes linux/ with all series as commits on the branch `series`; the tag `base`
    /// is the stock tree. Each commit names its series in a trailer (Series: 2-mtd). When it is there already it is brought up to date with
    /// patches/, and nothing is thrown away: with commits that were not exported, or
    /// changes that were not committed, it stops and says so.
    ///
    /// Takes half a minute, and three more the first time on a machine. Writes linux/,
    /// out/src/ and the cache.
    #[command(verbatim_doc_comment)]
    Tree,
    /// Write the commits of linux/ to patches/
    ///
    /// Writes base..series as mails with neutral author and date, the same bytes on
    /// every machine, and the files that the series adds to their kernel paths in this
    /// repository (listed in patches/EXPORTED). A commit goes to the folder that its
    /// trailer names (Series: 2-mtd), without one to that of the commit before it.
    /// Refuses commits with a Signed-off-by, without an Assisted-by, or waiting to be
    /// squashed, and series that are not in the order of their names.
    ///
    /// Takes seconds. Writes patches/ and the exported files.
    #[command(verbatim_doc_comment)]
    Export,
    /// Build a kernel
    ///
    /// Takes about ten minutes the first time, a minute or two after changes, seconds
    /// when nothing changed. Writes the build directory (out/build/, or the cache for
    /// the stock kernel) and out/logs/build-*.log, and prints the release, the source
    /// commit and the image's path.
    #[command(verbatim_doc_comment)]
    Build(verbs::build::Args),
    Boot(verbs::boot::Args),
    Board(verbs::board::Args),
    Shell(verbs::shell::Args),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> Result<ExitCode> {
        interrupt::handle_signals()?;
        let ui = match self.verb {
            Verb::Check(_) => Ui::new().quiet(),
            _ => Ui::new(),
        };
        let mut paths = Paths::find()?;
        let _lock = lock::lock_clone(&paths)?;
        let linux = match &self.verb {
            Verb::Fits(args) => Some(&args.path),
            _ => self.all.linux.as_ref(),
        };
        if let Some(linux) = linux {
            let tree = linux
                .canonicalize()
                .with_context(|| format!("there is no kernel tree {}", linux.display()))?;
            paths.local = Some(tree);
        }
        if !self.all.series.is_empty() {
            let whole = match &self.verb {
                Verb::Tree | Verb::Export => "linux/ has all series",
                Verb::Check(_) | Verb::Fits(_) => "each series is checked by itself",
                Verb::Test(_) => "all series are tested",
                _ => "",
            };
            if !whole.is_empty() {
                bail!("{whole}; --series has no place there");
            }
            Needs::read(&paths.patches())?.closure(&self.all.series)?;
            paths.series = self.all.series.clone();
            paths.series.sort();
            paths.series.dedup();
        }
        let build_limit = Duration::try_from_secs_f64(self.all.build_minutes * 60.0)
            .context("--build-minutes is no time")?;
        // What was typed wrong is told before anything is made.
        match &self.verb {
            Verb::Demo(args) => args.demo(&paths).map(drop)?,
            Verb::Ab(args) => args.check(&paths)?,
            Verb::Boot(args) => args.check(&paths)?,
            Verb::Board(args) => args.check(&paths)?,
            Verb::Shell(args) => args.check(&paths)?,
            Verb::Soak(args) => args.check(&paths)?,
            Verb::Test(args) => args.check()?,
            Verb::Check(_) if paths.local.is_some() => {
                bail!("which patches apply to another kernel tree: cargo lab fits PATH")
            }
            Verb::Export if paths.local.is_some() => {
                bail!("export writes what linux/ has; --linux has no place there")
            }
            _ => {}
        }
        let open = || -> Result<Lab> {
            Ok(Lab {
                toolchain: Toolchain::ensure(&paths, &ui, self.all.toolchain)?,
                paths: paths.clone(),
                ui: ui.clone(),
                build_limit,
            })
        };
        match self.verb {
            Verb::Demo(args) => verbs::demo::run(&open()?, &args),
            Verb::Test(args) => verbs::test::run(&open()?, &args),
            Verb::Fits(args) => verbs::fits::run(&paths, &ui, &args),
            Verb::Check(args) => verbs::check::run(&open()?, args),
            Verb::Kunit(args) => verbs::kunit::run(&open()?, args),
            Verb::Inside(args) => verbs::inside::run(&open()?, args),
            Verb::Ab(args) => verbs::ab::run(&open()?, &args),
            Verb::CompileFail(args) => verbs::compile_fail::run(&open()?, args),
            Verb::Model(args) => verbs::model::run(&open()?, args),
            Verb::Soak(args) => verbs::soak::run(&open()?, args),
            Verb::Bench(args) => verbs::bench::run(&open()?, args),
            Verb::Report => verbs::report::run(&paths),
            Verb::Tree => worktree::tree(&paths, &ui).map(|()| ExitCode::SUCCESS),
            Verb::Export => export::export(&paths, &ui).map(|()| ExitCode::SUCCESS),
            Verb::Build(args) => verbs::build::run(&open()?, args),
            Verb::Boot(args) => verbs::boot::run(&open()?, args),
            Verb::Board(args) => verbs::board::run(&open()?, args),
            Verb::Shell(args) => verbs::shell::run(&open()?, args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn help_has_every_verb_once_and_fits_one_screen() {
        let cli = Cli::command();
        let mut named: Vec<&str> = USES.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut known: Vec<&str> = cli.get_subcommands().map(|it| it.get_name()).collect();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known);
        for asked in ["-h", "--help"] {
            let help = Cli::try_parse_from(["cargo lab", asked]).err();
            let text = help.map(|it| it.to_string()).unwrap_or_default();
            assert!(text.contains("Hand out:\n  board "), "{text}");
            assert!(text.lines().count() <= 40, "{text}");
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        }
    }
}

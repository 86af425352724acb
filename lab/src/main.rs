//! `cargo lab`: builds, boots and judges the kernels of this repository.

mod ab;
mod apt;
mod bench;
mod board;
mod check;
mod compile_fail;
mod console;
mod demo;
mod devicetree;
mod dtb;
mod git;
mod given;
mod guest;
mod host;
mod hosttools;
mod image;
mod inside;
mod kernel;
mod ktap;
mod kunit;
mod labgrid;
mod lint;
mod machine;
mod measured;
mod model;
mod mutants;
mod overlay;
mod patches;
mod paths;
mod process;
mod qemu;
mod rustc;
mod scenario;
mod series;
mod soak;
mod source;
mod test;
mod toolchain;
mod ui;
mod unsafety;
mod venv;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use kernel::Lab;
use patches::Needs;
use paths::Paths;
use toolchain::{Toolchain, Whose};
use ui::Ui;

/// Builds, boots and judges the kernels of this repository
///
/// Everything is set up as needed: a Debian toolchain root, the kernel source and
/// compiled objects go to ~/.cache/cargo-lab (XDG_CACHE_HOME moves it), the rest to
/// out/ in this clone. Deleting either costs nothing but time. Runs as root, or as any
/// user who may make user namespaces.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    all: Everywhere,
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every verb")]
struct Everywhere {
    /// Start from this kernel tree, not from Debian's package
    ///
    /// The top directory of a git tree (its last commit is used) or of an unpacked
    /// tarball, or a file linux-*.tar.* or linux-source-*.deb. It is only read: a copy
    /// goes to the cache (a minute, 2 GB; three are kept). `check --linux PATH` tells
    /// which patches apply to it, and does nothing else.
    #[arg(long, global = true, value_name = "PATH", verbatim_doc_comment)]
    linux: Option<PathBuf>,
    /// Only these series of patches/, and those that they need (2-mtd,3-spi)
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
    Demo(demo::Args),
    Test(test::Args),
    Check(check::Args),
    Kunit(kunit::Args),
    Inside(inside::Args),
    Ab(ab::Args),
    CompileFail(compile_fail::Args),
    Model(model::Args),
    Soak(soak::Args),
    Bench(bench::Args),
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
    Build(kernel::BuildArgs),
    Boot(qemu::BootArgs),
    Board(board::Args),
    Shell(qemu::ShellArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(_) if process::interrupted() => {
            eprintln!("interrupted");
            ExitCode::from(process::EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {}", explained(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error in full; of a full disk, what to do comes first. Not every program says why
/// it cannot write.
fn explained(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let full = Paths::find().map(|paths| host::full(&paths));
    let full = full.unwrap_or_default();
    if full.is_empty() && !host::is_about_space(&text) {
        return text;
    }
    // Whoever says that the disk is full has nothing more to say.
    let why = match host::is_about_space(&text) {
        true => text.lines().next().unwrap_or_default(),
        false => &text,
    };
    format!(
        "the disk is full{full}; make room (XDG_CACHE_HOME moves the cache) and run it again: \
         what was half made is made anew ({why})"
    )
}

fn run(cli: Cli) -> Result<ExitCode> {
    process::handle_signals()?;
    let ui = match cli.verb {
        Verb::Check(_) => Ui::new().quiet(),
        _ => Ui::new(),
    };
    let mut paths = Paths::find()?;
    let _lock = host::lock_clone(&paths)?;
    if let Some(given) = &cli.all.linux {
        let given = given
            .canonicalize()
            .with_context(|| format!("there is no kernel tree {}", given.display()))?;
        paths.given = Some(given);
    }
    if !cli.all.series.is_empty() {
        let whole = match &cli.verb {
            Verb::Tree | Verb::Export => "linux/ has all series",
            Verb::Check(_) => "each series is checked by itself",
            Verb::Test(_) => "all series are tested",
            _ => "",
        };
        if !whole.is_empty() {
            bail!("{whole}; --series has no place there");
        }
        Needs::read(&paths.patches())?.closure(&cli.all.series)?;
        paths.series = cli.all.series.clone();
        paths.series.sort();
        paths.series.dedup();
    }
    let build_limit = Duration::try_from_secs_f64(cli.all.build_minutes * 60.0)
        .context("--build-minutes is no time")?;
    // What was typed wrong is told before anything is made.
    match &cli.verb {
        Verb::Demo(args) => args.check(&paths)?,
        Verb::Ab(args) => args.check(&paths)?,
        Verb::Boot(args) => args.check(&paths)?,
        Verb::Board(args) => args.check(&paths)?,
        Verb::Shell(args) => args.check(&paths)?,
        Verb::Soak(args) => args.check(&paths)?,
        Verb::Export if paths.given.is_some() => {
            bail!("export writes what linux/ has; --linux has no place there")
        }
        _ => {}
    }
    let open = || -> Result<Lab> {
        Ok(Lab {
            toolchain: Toolchain::ensure(&paths, &ui, cli.all.toolchain)?,
            paths: paths.clone(),
            ui: ui.clone(),
            build_limit,
        })
    };
    match cli.verb {
        Verb::Demo(args) => demo::run(&open()?, args),
        Verb::Test(args) => test::run(&open()?, args),
        Verb::Check(args) => match &paths.given {
            Some(given) => given::report(&paths, &ui, given),
            None => check::run(&open()?, args),
        },
        Verb::Kunit(args) => kunit::run(&open()?, args),
        Verb::Inside(args) => inside::run(&open()?, args),
        Verb::Ab(args) => ab::run(&open()?, args),
        Verb::CompileFail(args) => compile_fail::run(&open()?, args),
        Verb::Model(args) => model::run(&open()?, args),
        Verb::Soak(args) => soak::run(&open()?, args),
        Verb::Bench(args) => bench::run(&open()?, args),
        Verb::Tree => series::tree(&paths, &ui).map(|()| ExitCode::SUCCESS),
        Verb::Export => series::export(&paths, &ui).map(|()| ExitCode::SUCCESS),
        Verb::Build(args) => kernel::build_verb(&open()?, args),
        Verb::Boot(args) => qemu::boot_verb(&open()?, args),
        Verb::Board(args) => board::run(&open()?, args),
        Verb::Shell(args) => qemu::shell_verb(&open()?, args),
    }
}

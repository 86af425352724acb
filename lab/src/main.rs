//! `cargo lab`: builds, boots and judges the kernels of this repository.

mod apt;
mod check;
mod compile_fail;
mod console;
mod demo;
mod dtb;
mod git;
mod guest;
mod host;
mod image;
mod kernel;
mod ktap;
mod kunit;
mod lint;
mod machine;
mod mutants;
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
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use kernel::Lab;
use paths::Paths;
use ui::Ui;

/// Builds, boots and judges the kernels of this repository
///
/// Everything is set up as needed: a Debian toolchain root, the kernel source and
/// compiled objects go to ~/.cache/cargo-lab (XDG_CACHE_HOME moves it), the rest to
/// out/ in this clone. Deleting either costs nothing but time. Needs root for now.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Test(test::Args),
    Check(check::Args),
    Kunit(kunit::Args),
    CompileFail(compile_fail::Args),
    Soak(soak::Args),
    /// Make linux/, the kernel worktree, from patches/
    ///
    /// Makes linux/ with the series as commits on the branch `series`; the tag `base`
    /// is the stock tree. When it is there already it is brought up to date with
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
    /// repository (listed in patches/EXPORTED). Refuses commits with a Signed-off-by,
    /// without an Assisted-by, or waiting to be squashed.
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
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    process::handle_signals()?;
    let ui = match cli.verb {
        Verb::Check(_) => Ui::new().quiet(),
        _ => Ui::new(),
    };
    let paths = Paths::find()?;
    let _lock = host::lock_clone(&paths)?;
    let open = || -> Result<Lab> {
        Ok(Lab {
            toolchain: toolchain::Toolchain::ensure(&paths, &ui)?,
            paths: paths.clone(),
            ui: ui.clone(),
        })
    };
    match cli.verb {
        Verb::Demo(args) => demo::run(&open()?, args),
        Verb::Test(args) => test::run(&open()?, args),
        Verb::Check(args) => check::run(&open()?, args),
        Verb::Kunit(args) => kunit::run(&open()?, args),
        Verb::CompileFail(args) => compile_fail::run(&open()?, args),
        Verb::Soak(args) => soak::run(&open()?, args),
        Verb::Tree => series::tree(&paths, &ui).map(|()| ExitCode::SUCCESS),
        Verb::Export => series::export(&paths, &ui).map(|()| ExitCode::SUCCESS),
        Verb::Build(args) => kernel::build_verb(&open()?, args),
        Verb::Boot(args) => qemu::boot_verb(&open()?, args),
        Verb::Shell(args) => qemu::shell_verb(&open()?, args),
    }
}

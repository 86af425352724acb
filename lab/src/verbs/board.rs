//! `cargo lab board`

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::base::paths::Paths;
use crate::board::{pack, prove};
use crate::build::kernels;
use crate::data::board::{self, Board, CONFIG};
use crate::data::named;
use crate::lab::Lab;
use crate::run::guest;
use crate::toolchain::arch::Arch;
use crate::verbs::which::Which;

/// Build what the owner of a real board needs to run the tests
///
/// Writes out/board/NAME/ (with --stock, out/board/NAME-stock/): the kernel image, the
/// board's device tree as the kernel has it, modules, an initramfs that runs the
/// kselftest and prints KTAP on the serial console, README.txt with what to type in
/// U-Boot, and labgrid/ for farms of boards. Nothing of it has been booted on a board.
///
/// With --prove, labgrid boots the same kernel and modules in QEMU (amd-versal-virt, with
/// the controller of Stratix 10), and the test that is for boards has to pass with the
/// series, and to fail on the stock kernel by what that reports after the unbind. The
/// i.MX8M boards' own files are booted on QEMU's models of these boards, which have no
/// flash controller: the test must not take skipped tests for passes.
///
/// Takes ten to twenty minutes the first time, then a minute for each board.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// A file of lab/data/boards/, or `all`
    #[arg(required_unless_present = "prove")]
    name: Option<String>,
    /// Run the test of labgrid/ on QEMU in place of a board
    #[arg(long, conflicts_with_all = ["name", "stock", "patched", "patches"])]
    prove: bool,
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        self.boards(paths).map(drop)
    }

    fn boards(&self, paths: &Paths) -> Result<Vec<Board>> {
        let names = match self.name.as_deref() {
            None => Vec::new(),
            Some("all") => named::names(&board::dir(paths))?,
            Some(name) => vec![name.to_owned()],
        };
        names.iter().map(|name| Board::load(paths, name)).collect()
    }
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let variant = args.which.variant(&lab.paths)?;
    if args.prove {
        return prove::prove(lab, &variant);
    }
    let boards = args.boards(&lab.paths)?;
    let kernel = kernels::build(lab, &variant, CONFIG, Arch::Arm64)?;
    let initramfs = pack::compressed(lab, &guest::initramfs(lab, &kernel)?)?;
    for board in boards {
        let step = lab.ui.step(format!("Packing for {}", board.name));
        let (dir, found) = pack::pack(lab, &board, &kernel, &initramfs)
            .with_context(|| format!("nothing is made for {}", board.name))?;
        step.done(format!("{} on {}", found.flashes.join(", "), board.driver));
        println!("{}", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

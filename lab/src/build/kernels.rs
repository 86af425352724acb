//! Builds kernels, or finds that nothing changed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::base::{lock, process};
use crate::build::directory::{self, Stamp};
use crate::build::kernel::{self, Kernel, Tree};
use crate::build::make::Build;
use crate::build::overlay::Overlay;
use crate::build::variant::Variant;
use crate::build::{kconfig, layers};
use crate::data::kernel_config::{self, Config};
use crate::lab::Lab;
use crate::series::{repository, tree, worktree};
use crate::source;
use crate::source::tree::Source;
use crate::toolchain::arch::Arch;

/// Builds a kernel, or finds that nothing changed since it was built.
pub fn build(lab: &Lab, variant: &Variant, config_name: &str, arch: Arch) -> Result<Kernel> {
    let paths = &lab.paths;
    let config = kernel_config::config(paths, config_name)?;
    if config.arch != arch {
        bail!(
            "the configuration {config_name} is for {}, not for {arch}",
            config.arch
        );
    }
    let source = source::ensure(paths, &lab.ui)?;
    let tree = source_tree(lab, &source, variant)?;
    build_tree(lab, variant, tree, None, config_name, &config)
}

/// The source that a variant is built from.
fn source_tree(lab: &Lab, source: &Source, variant: &Variant) -> Result<Tree> {
    let paths = &lab.paths;
    Ok(match *variant {
        Variant::Stock => Tree {
            dir: source.dir.clone(),
            id: source.base.clone(),
            dirty: false,
        },
        Variant::Series { upto } => {
            let (dir, id) = repository::checkout(paths, &lab.ui, source, upto)?;
            Tree {
                dir,
                id,
                dirty: false,
            }
        }
        Variant::Tree if !paths.series.is_empty() => {
            bail!("linux/ has all series; --series has no place with --tree")
        }
        Variant::Tree => {
            let (id, dirty) = worktree::tree_state(paths, source)?;
            Tree {
                dir: paths.linux(),
                id,
                dirty,
            }
        }
        Variant::Mutant | Variant::Overlaid { .. } | Variant::Bench => {
            bail!("a {variant} kernel is built on top of another source")
        }
    })
}

/// Builds the source of `below` with `overlay` laid over it; a new build starts from `seed`,
/// a kernel of `below` with another configuration, as far as that is the same.
pub fn build_overlaid(
    lab: &Lab,
    below: &Variant,
    overlay: &Overlay,
    config_name: &str,
    seed: Option<&Kernel>,
) -> Result<Kernel> {
    let config = kernel_config::config(&lab.paths, config_name)?;
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let under = source_tree(lab, &source, below)?;
    if under.dirty {
        bail!("linux/ has changes that are not committed; what is laid over it needs a commit");
    }
    let (dir, id) =
        layers::checkout_overlay(&lab.paths, &lab.ui, &source, &under.dir, &under.id, overlay)?;
    let tree = Tree {
        dir,
        id,
        dirty: false,
    };
    let stock = *below == Variant::Stock;
    build_tree(
        lab,
        &Variant::Overlaid { stock },
        tree,
        seed,
        config_name,
        &config,
    )
}

/// `below` with a patch on top, in a tree of its own; starts from what was built for
/// `below`. The configuration may be another one, for the same architecture.
pub fn build_patched(lab: &Lab, below: &Kernel, patch: &[u8], config_name: &str) -> Result<Kernel> {
    if below.source_id.ends_with("-dirty") {
        bail!("linux/ has changes that are not committed; a patch needs a commit below it");
    }
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let (dir, id) = layers::checkout_mutant(
        &lab.paths,
        &lab.ui,
        &source,
        &below.source_dir,
        &below.source_id,
        patch,
    )?;
    let config = kernel_config::config(&lab.paths, config_name)?;
    let tree = Tree {
        dir,
        id,
        dirty: false,
    };
    build_tree(
        lab,
        &Variant::Mutant,
        tree,
        Some(below),
        config_name,
        &config,
    )
}

/// Builds the tree `dir`, in which the trees of all variants of a benchmark stand one
/// after the other: make compiles what differs from the one before.
pub fn build_bench(lab: &Lab, config_name: &str, dir: PathBuf, id: String) -> Result<Kernel> {
    let config = kernel_config::config(&lab.paths, config_name)?;
    let tree = Tree {
        dir,
        id,
        dirty: false,
    };
    build_tree(lab, &Variant::Bench, tree, None, config_name, &config)
}

fn build_tree(
    lab: &Lab,
    variant: &Variant,
    tree: Tree,
    below: Option<&Kernel>,
    config_name: &str,
    config: &Config,
) -> Result<Kernel> {
    let paths = &lab.paths;
    let arch = config.arch;
    let source = source::ensure(paths, &lab.ui)?;
    let wanted = kconfig::wanted(paths, config)?;
    let text = kconfig::fragment(&wanted);
    let stamp = Stamp {
        source_version: source.version.clone(),
        source_id: tree.id.clone(),
        config_sha256: format!("{:x}", Sha256::digest(&text)),
        toolchain: lab.toolchain.key().to_owned(),
        tree: tree::tree_id(&tree.dir),
    };
    let own_stock = directory::stock_dir(paths, config_name, &stamp);
    let dir = match variant {
        Variant::Stock => own_stock.clone(),
        _ => directory::build_dir(paths, variant, config_name),
    };
    // A copy of a build is right in another tree only if all that differs from stock in
    // the one is newer than its import in the other: so with stock, and with what a
    // mutant is on top of.
    let seed = match (below, &config.like) {
        (Some(below), _) => directory::build_dir(paths, &below.variant, &below.config),
        (None, Some(like)) if Stamp::read(&own_stock).is_none() => {
            let other = kconfig::fragment(&kconfig::wanted_of(paths, like)?);
            let stamp = Stamp {
                config_sha256: format!("{:x}", Sha256::digest(&other)),
                ..stamp.clone()
            };
            directory::stock_dir(paths, like, &stamp)
        }
        (None, _) => own_stock,
    };

    // The stock build is shared by all clones; nobody copies it while it is made.
    let lock = lock::lock_cache(paths, &lab.ui, &format!("build-{config_name}"))?;
    let fresh = !tree.dirty
        && Stamp::read(&dir).as_ref() == Some(&stamp)
        && dir.join(kernel::image(arch)).is_file();
    if !fresh {
        directory::prepare(lab, variant, &dir, &seed, &stamp, source.imported()?)?;
        if *variant != Variant::Stock {
            drop(lock);
        }
        let suffix = match variant {
            Variant::Stock => String::new(),
            _ => paths.suffix(),
        };
        let step = lab.ui.step(format!(
            "Building the {variant}{suffix} kernel ({config_name})"
        ));
        let log = paths.log(&format!("build-{variant}{suffix}-{config_name}"));
        process::fresh_log(&log)?;
        let build = Build {
            lab,
            arch,
            tree: &tree,
            build_dir: &dir,
            log: &log,
        };
        let compiled = build.run(&wanted, &text, &step)?;
        stamp.write(&dir)?;
        step.done(format!("{compiled} files compiled"));
    }

    let release = dir.join("include/config/kernel.release");
    Ok(Kernel {
        variant: *variant,
        config: config_name.to_owned(),
        arch,
        image: dir.join(kernel::image(arch)),
        build_dir: dir.clone(),
        release: fs::read_to_string(&release)
            .with_context(|| format!("cannot read {}", release.display()))?
            .trim()
            .to_owned(),
        source_dir: tree.dir,
        source_version: stamp.source_version,
        source_id: tree.id,
        config_sha256: stamp.config_sha256,
    })
}

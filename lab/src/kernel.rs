//! Kernel builds: which source, which configuration, and whether anything changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::git;
use crate::host;
use crate::overlay::Overlay;
use crate::patches;
use crate::paths::Paths;
use crate::process;
use crate::series;
use crate::source::Source;
use crate::toolchain::{Arch, Bind, Toolchain, finish, key, temporary};
use crate::ui::{Step, Ui};

/// What every verb that builds or boots works with; opened once.
#[derive(Clone, Debug)]
pub struct Lab {
    pub paths: Paths,
    pub ui: Ui,
    pub toolchain: Toolchain,
    /// What one build may take.
    pub build_limit: Duration,
}

/// Which source a kernel is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The Debian source package as it is.
    Stock,
    /// Stock with patches/ applied (the chosen series), all or the first `upto` of them.
    Series { upto: Option<usize> },
    /// The developer's worktree linux/ as it stands.
    Tree,
    /// One of the above with a mutant of lab/kernel/mutants/ on top.
    Mutant,
    /// One of the above with code on top that is never mailed.
    Overlaid { stock: bool },
    /// One of the above with a benchmark of lab/kernel/bench/ on top.
    Bench,
}

impl Variant {
    /// As arguments of a verb say; `last` is a number or a patch.
    pub fn chosen(paths: &Paths, stock: bool, tree: bool, last: Option<&str>) -> Result<Self> {
        let upto = last
            .map(|last| patches::count_to(paths, last))
            .transpose()?;
        Ok(match (stock, tree) {
            (true, _) => Self::Stock,
            (_, true) => Self::Tree,
            _ => Self::Series { upto },
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stock => f.pad("stock"),
            Self::Series { upto: None } => f.pad("patched"),
            Self::Series { upto: Some(n) } => f.pad(&format!("patched-{n}")),
            Self::Tree => f.pad("tree"),
            Self::Mutant => f.pad("mutant"),
            Self::Overlaid { stock: false } => f.pad("overlaid"),
            Self::Overlaid { stock: true } => f.pad("overlaid-stock"),
            Self::Bench => f.pad("bench"),
        }
    }
}

/// A kernel that was built.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub variant: Variant,
    pub config: String,
    pub arch: Arch,
    pub image: PathBuf,
    pub build_dir: PathBuf,
    pub source_dir: PathBuf,
    /// `7.3.4`, what `uname -r` says.
    pub release: String,
    /// Version of the Debian package.
    pub source_version: String,
    /// Git commit of the source, with a suffix when the tree has changes on top.
    pub source_id: String,
    pub config_sha256: String,
}

impl Kernel {
    /// The modules that were built, sorted.
    pub fn modules(&self) -> Result<Vec<PathBuf>> {
        let list = self.build_dir.join("modules.order");
        if !has_modules(&self.build_dir)? {
            return Ok(Vec::new());
        }
        let text =
            fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
        let module = |line: &str| self.build_dir.join(line).with_extension("ko");
        let mut modules: Vec<_> = text.lines().map(module).collect();
        modules.sort();
        Ok(modules)
    }
}

/// One entry of `lab/data/kernel/configs.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// One line for `--help` and error messages.
    pub about: String,
    pub arch: Arch,
    /// A configuration that differs little: what is built for that is a good start.
    #[serde(default)]
    like: Option<String>,
    /// The lab's own modules are built for it, for the guest.
    #[serde(default)]
    pub guest_modules: bool,
    fragments: Vec<String>,
}

/// All named configurations.
pub fn configs(paths: &Paths) -> Result<BTreeMap<String, Config>> {
    let file = paths.data().join("kernel/configs.toml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
}

/// A named configuration.
pub fn config(paths: &Paths, name: &str) -> Result<Config> {
    let mut all = configs(paths)?;
    let Some(found) = all.remove(name) else {
        let known: Vec<String> = all
            .iter()
            .map(|(name, config)| format!("{name} ({})", config.about))
            .collect();
        bail!(
            "there is no kernel configuration {name}; there are: {}",
            known.join(", ")
        );
    };
    Ok(found)
}

/// Whether the configuration of a build directory has modules in it.
fn has_modules(build_dir: &Path) -> Result<bool> {
    let file = build_dir.join(".config");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(symbols(&text)?.values().any(|value| value == "m"))
}

/// What was asked of each symbol; the name without `CONFIG_`.
type Symbols = BTreeMap<String, String>;

/// Symbols of a fragment or of a `.config`; "is not set" is `n`.
fn symbols(text: &str) -> Result<Symbols> {
    let mut symbols = Symbols::new();
    for line in text.lines().map(str::trim) {
        let off = line
            .strip_prefix("# CONFIG_")
            .and_then(|rest| rest.strip_suffix(" is not set"));
        if let Some(name) = off {
            symbols.insert(name.to_owned(), "n".to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.split_once('='))
                .with_context(|| format!("not a line of a kernel configuration: {line}"))?;
            symbols.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(symbols)
}

/// The fragments of a configuration merged.
fn wanted(paths: &Paths, config: &Config) -> Result<Symbols> {
    let mut merged = Symbols::new();
    for fragment in &config.fragments {
        let file = paths.data().join(format!("kernel/{fragment}.config"));
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        merged.extend(symbols(&text).with_context(|| format!("in {}", file.display()))?);
    }
    Ok(merged)
}

/// The text of a fragment that asks for `symbols`.
fn fragment(symbols: &Symbols) -> String {
    symbols
        .iter()
        .map(|(name, value)| match value.as_str() {
            "n" => format!("# CONFIG_{name} is not set\n"),
            value => format!("CONFIG_{name}={value}\n"),
        })
        .collect()
}

/// Symbols that the final configuration has otherwise than asked, as lines.
fn unmet(wanted: &Symbols, have: &Symbols) -> Vec<String> {
    let off = "n".to_owned();
    wanted
        .iter()
        .filter_map(|(name, want)| {
            let have = have.get(name).unwrap_or(&off);
            (have != want).then(|| format!("CONFIG_{name}: asked for {want}, is {have}"))
        })
        .collect()
}

/// What a build directory was made from. Kept in it once the build is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    source_version: String,
    source_id: String,
    config_sha256: String,
    toolchain: String,
    /// Which of the trees that stood in this place over time.
    tree: String,
}

const STAMP: &str = "lab-stamp.json";

impl Stamp {
    fn read(build_dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(build_dir.join(STAMP)).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn write(&self, build_dir: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("a stamp has no JSON form")?;
        let file = build_dir.join(STAMP);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether make can carry on from what `other` left behind: it sees changed
    /// files and symbols, not another compiler, release or tree.
    fn continues(&self, other: &Self) -> bool {
        self.toolchain == other.toolchain
            && self.source_version == other.source_version
            && self.tree == other.tree
    }
}

/// While a build runs and after it failed, in place of [`STAMP`].
const PARTIAL: &str = "lab-partial.json";

/// The kernel image that make leaves, below the build directory.
fn image(arch: Arch) -> &'static str {
    match arch {
        Arch::Arm64 => "arch/arm64/boot/Image",
        Arch::Arm => "arch/arm/boot/zImage",
        Arch::X86_64 => "arch/x86/boot/bzImage",
        Arch::Um => "linux",
    }
}

/// A source tree ready to build.
struct Tree {
    dir: PathBuf,
    id: String,
    /// Files differ from the commit, so the id does not say all.
    dirty: bool,
}

/// The symbols of another configuration.
fn wanted_of(paths: &Paths, config_name: &str) -> Result<Symbols> {
    wanted(paths, &config(paths, config_name)?)
}

/// Builds a kernel, or finds that nothing changed since it was built.
pub fn build(lab: &Lab, variant: &Variant, config_name: &str, arch: Arch) -> Result<Kernel> {
    let paths = &lab.paths;
    let config = config(paths, config_name)?;
    if config.arch != arch {
        bail!(
            "the configuration {config_name} is for {}, not for {arch}",
            config.arch
        );
    }
    let source = Source::ensure(paths, &lab.ui)?;
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
            let (dir, id) = series::checkout(paths, &lab.ui, source, upto)?;
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
            let (id, dirty) = series::tree_state(paths, source)?;
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
    let config = config(&lab.paths, config_name)?;
    let source = Source::ensure(&lab.paths, &lab.ui)?;
    let under = source_tree(lab, &source, below)?;
    if under.dirty {
        bail!("linux/ has changes that are not committed; what is laid over it needs a commit");
    }
    let (dir, id) =
        series::checkout_overlay(&lab.paths, &lab.ui, &source, &under.dir, &under.id, overlay)?;
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
    let source = Source::ensure(&lab.paths, &lab.ui)?;
    let (dir, id) = series::checkout_mutant(
        &lab.paths,
        &lab.ui,
        &source,
        &below.source_dir,
        &below.source_id,
        patch,
    )?;
    let config = config(&lab.paths, config_name)?;
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
    let config = config(&lab.paths, config_name)?;
    let tree = Tree {
        dir,
        id,
        dirty: false,
    };
    build_tree(lab, &Variant::Bench, tree, None, config_name, &config)
}

/// Names what a configuration asks for; another word in its fragments, another key.
pub fn config_key(paths: &Paths, config_name: &str) -> Result<String> {
    let config = config(paths, config_name)?;
    Ok(key(&[&fragment(&wanted(paths, &config)?)]))
}

/// Compiles a device tree of the kernel's own source, named as below `boot/dts`, without
/// an ending.
pub fn device_tree(lab: &Lab, kernel: &Kernel, name: &str) -> Result<PathBuf> {
    let _lock = host::lock_cache(&lab.paths, &lab.ui, &format!("build-{}", kernel.config))?;
    let log = lab.paths.log("device-tree");
    process::fresh_log(&log)?;
    let mut make = make(lab, kernel.arch, &kernel.source_dir, &kernel.build_dir);
    process::run_logged(make.arg(format!("{name}.dtb")), &log, |_| ())
        .with_context(|| format!("the kernel's source has no device tree {name}"))?;
    let dir = kernel.build_dir.join("arch").join(kernel.arch.kernel());
    Ok(dir.join("boot/dts").join(format!("{name}.dtb")))
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
    let source = Source::ensure(paths, &lab.ui)?;
    let wanted = wanted(paths, config)?;
    let text = fragment(&wanted);
    let stamp = Stamp {
        source_version: source.version.clone(),
        source_id: tree.id.clone(),
        config_sha256: format!("{:x}", Sha256::digest(&text)),
        toolchain: lab.toolchain.key().to_owned(),
        tree: series::tree_id(&tree.dir),
    };
    let own_stock = stock_dir(paths, config_name, &stamp);
    let dir = match variant {
        Variant::Stock => own_stock.clone(),
        _ => build_dir(paths, variant, config_name),
    };
    // A copy of a build is right in another tree only if all that differs from stock in
    // the one is newer than its import in the other: so with stock, and with what a
    // mutant is on top of.
    let seed = match (below, &config.like) {
        (Some(below), _) => build_dir(paths, &below.variant, &below.config),
        (None, Some(like)) if Stamp::read(&own_stock).is_none() => {
            let other = fragment(&wanted_of(paths, like)?);
            let stamp = Stamp {
                config_sha256: format!("{:x}", Sha256::digest(&other)),
                ..stamp.clone()
            };
            stock_dir(paths, like, &stamp)
        }
        (None, _) => own_stock,
    };

    // The stock build is shared by all clones; nobody copies it while it is made.
    let lock = host::lock_cache(paths, &lab.ui, &format!("build-{config_name}"))?;
    let fresh = !tree.dirty
        && Stamp::read(&dir).as_ref() == Some(&stamp)
        && dir.join(image(arch)).is_file();
    if !fresh {
        prepare(lab, variant, &dir, &seed, &stamp, source.imported()?)?;
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
        image: dir.join(image(arch)),
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

/// Where a kernel that is not stock is built.
fn build_dir(paths: &Paths, variant: &Variant, config: &str) -> PathBuf {
    paths.build().join(format!("{variant}-{config}"))
}

fn stock_dir(paths: &Paths, config: &str, stamp: &Stamp) -> PathBuf {
    let key = key(&[
        &stamp.source_version,
        &stamp.config_sha256,
        &stamp.toolchain,
    ]);
    // Other names, so that trees that are given do not push the package's builds out.
    let base = match paths.given {
        Some(_) => "given",
        None => "stock",
    };
    paths.cache.join(format!("build-{base}-{config}-{key}"))
}

/// Makes the build directory, keeping what make can carry on from. A new one starts
/// as a copy of `seed`, the stock build as a rule: source trees are copies of the stock tree with its
/// file times, so make then compiles only what the patches change.
fn prepare(
    lab: &Lab,
    variant: &Variant,
    build_dir: &Path,
    seed: &Path,
    stamp: &Stamp,
    imported: SystemTime,
) -> Result<()> {
    let paths = &lab.paths;
    let old = Stamp::read(build_dir).or_else(|| {
        let text = fs::read_to_string(build_dir.join(PARTIAL)).ok()?;
        serde_json::from_str(&text).ok()
    });
    if !old.is_some_and(|old| stamp.continues(&old)) {
        // The cache and the clone may be on different file systems.
        let parent = build_dir.parent().unwrap_or(build_dir);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        host::check_space(parent, 3, "a kernel build")?;
        if build_dir.exists() {
            fs::remove_dir_all(build_dir)
                .with_context(|| format!("cannot remove {}", build_dir.display()))?;
        }
        let temporary = temporary(build_dir)?;
        if *variant != Variant::Stock && Stamp::read(seed).is_some() {
            let step = lab.ui.step("Starting from another build");
            copy(seed, &temporary)?;
            age(&temporary, imported)?;
            step.done("");
        } else {
            fs::create_dir(&temporary)
                .with_context(|| format!("cannot make {}", temporary.display()))?;
        }
        finish(&temporary, build_dir)?;
        if *variant == Variant::Stock {
            prune(build_dir)?;
        }
    }
    let partial = serde_json::to_string(stamp).context("a stamp has no JSON form")?;
    fs::write(build_dir.join(PARTIAL), partial)
        .with_context(|| format!("cannot write into {}", build_dir.display()))?;
    match fs::remove_file(build_dir.join(STAMP)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot write into {}", build_dir.display()))
        }
        _ => fs::create_dir_all(paths.ccache()).context("cannot make the ccache directory"),
    }
}

/// How many stock builds of a configuration stay in the cache: clones may stand at
/// different versions of it.
const STOCK_BUILDS: usize = 3;

/// Removes the oldest stock builds beside `build_dir`, whose names differ in the key.
fn prune(build_dir: &Path) -> Result<()> {
    let name = build_dir.file_name().unwrap_or_default().to_string_lossy();
    let (Some(parent), Some((stem, _))) = (build_dir.parent(), name.rsplit_once('-')) else {
        return Ok(());
    };
    let mut builds = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let other = entry.file_name().to_string_lossy().into_owned();
        if other
            .rsplit_once('-')
            .is_some_and(|(other, _)| other == stem)
        {
            builds.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    builds.sort();
    let excess = builds.len().saturating_sub(STOCK_BUILDS);
    for (_, old) in builds
        .into_iter()
        .take(excess)
        .filter(|(_, old)| old != build_dir)
    {
        fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}

/// Gives every file the time at which the stock source was imported: not older than
/// any stock file, and older than any file that was changed since, also when that was
/// before the stock build.
fn age(dir: &Path, time: SystemTime) -> Result<()> {
    for entry in WalkDir::new(dir) {
        let entry = entry.context("cannot read a build directory")?;
        if entry.file_type().is_file() {
            File::open(entry.path())
                .and_then(|file| file.set_modified(time))
                .with_context(|| format!("cannot set the time of {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// `cp -a`, sharing blocks where the file system can.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    process::output(
        Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(from)
            .arg(to),
    )
    .with_context(|| format!("cannot copy {}", from.display()))
    .map(drop)
}

/// One build: make with the same paths, names and dates everywhere, so that ccache
/// finds objects made in another clone.
struct Build<'a> {
    lab: &'a Lab,
    arch: Arch,
    tree: &'a Tree,
    build_dir: &'a Path,
    log: &'a Path,
}

impl Build<'_> {
    /// How many files were compiled.
    fn run(&self, wanted: &Symbols, text: &str, step: &Step) -> Result<usize> {
        step.note("configuring");
        let request = self.build_dir.join("lab.config");
        fs::write(&request, text).with_context(|| format!("cannot write {}", request.display()))?;
        let mut make = self.make();
        make.env("KCONFIG_ALLCONFIG", "/build/lab.config")
            .arg("allnoconfig");
        process::run_logged(&mut make, self.log, |_| ())?;
        self.check(wanted)?;

        let mut compiled = 0;
        let target = Path::new(image(self.arch)).file_name().unwrap_or_default();
        let limit = self.lab.build_limit;
        let start = Instant::now();
        let mut make = self.make();
        make.arg(target);
        if has_modules(self.build_dir)? {
            make.arg("modules");
        }
        let built = process::run_logged_within(&mut make, self.log, Some(limit), |line| {
            let mut words = line.split_whitespace();
            if let (true, Some("CC" | "AS" | "RUSTC"), Some(file)) =
                (line.starts_with("  "), words.next(), words.last())
            {
                compiled += 1;
                step.note(format!("{compiled} files compiled, {file}"));
            }
        });
        match built {
            Err(error) if start.elapsed() >= limit => Err(error).context(format!(
                "the build took longer than {}; what was compiled is kept: run it again to go \
                 on, with --build-minutes for more time",
                crate::ui::duration(limit)
            )),
            built => built.map(|()| compiled),
        }
    }

    /// Kconfig drops what it cannot have without a word; say it.
    fn check(&self, wanted: &Symbols) -> Result<()> {
        let file = self.build_dir.join(".config");
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut unmet = unmet(wanted, &symbols(&text)?);
        if !unmet.is_empty() && !self.lab.paths.series.is_empty() {
            self.leave_out_unknown(&mut unmet)?;
        }
        if !unmet.is_empty() {
            bail!(
                "the kernel configuration is not what was asked for; see the dependencies of \
                 these symbols, and lab/data/kernel/:\n{}",
                unmet.join("\n")
            );
        }
        Ok(())
    }

    /// With some of the series only, a tree may not have all symbols.
    fn leave_out_unknown(&self, unmet: &mut Vec<String>) -> Result<()> {
        let mut grep = git::git(&self.tree.dir);
        grep.args(["grep", "-hE", "^(menu)?config ", "--", "*Kconfig*"]);
        let all = process::output(&mut grep).context("cannot read the Kconfig files")?;
        let known: BTreeSet<&str> = all
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        unmet.retain(|line| {
            let name = line.split(':').next().unwrap_or_default();
            let is_known = known.contains(name.trim_start_matches("CONFIG_"));
            if !is_known {
                let ui = &self.lab.ui;
                ui.println(format!("these series have no {name}; it is left out"));
            }
            is_known
        });
        Ok(())
    }

    fn make(&self) -> Command {
        make(self.lab, self.arch, &self.tree.dir, self.build_dir)
    }
}

/// Modules from a directory `from` that is not of the kernel's source, built for `kernel` in
/// `to`, where make carries on from what is there.
pub fn build_modules(lab: &Lab, kernel: &Kernel, from: &Path, to: &Path) -> Result<Vec<PathBuf>> {
    // As a build of the kernel itself: nobody may make it anew at the same time.
    let _lock = host::lock_cache(&lab.paths, &lab.ui, &format!("build-{}", kernel.config))?;
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let log = lab.paths.log("guest-modules");
    process::fresh_log(&log)?;
    let binds = vec![
        Bind::read_only(from, "/guest/modules"),
        Bind::writable(to, "/guest/built"),
    ];
    let (source, build) = (&kernel.source_dir, &kernel.build_dir);
    let mut make = make_with(lab, kernel.arch, source, build, binds);
    make.args(["M=/guest/modules", "MO=/guest/built", "modules"]);
    process::run_logged(&mut make, &log, |_| ())
        .with_context(|| format!("cannot build the modules in {}", from.display()))?;
    let list = to.join("modules.order");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let names = text.lines().filter_map(|line| Path::new(line).file_stem());
    Ok(names.map(|it| to.join(it).with_extension("ko")).collect())
}

/// make for a build directory, without a target.
fn make(lab: &Lab, arch: Arch, source_dir: &Path, build_dir: &Path) -> Command {
    make_with(lab, arch, source_dir, build_dir, Vec::new())
}

/// As [`make`], with more to be seen.
fn make_with(
    lab: &Lab,
    arch: Arch,
    source_dir: &Path,
    build_dir: &Path,
    mut binds: Vec<Bind>,
) -> Command {
    binds.extend([
        Bind::read_only(source_dir, "/linux"),
        Bind::writable(build_dir, "/build"),
        Bind::writable(lab.paths.ccache(), "/ccache"),
    ]);
    let mut make = lab.toolchain.command(&binds, "make");
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    make.env("CCACHE_DIR", "/ccache")
        .env("CCACHE_MAXSIZE", "10G")
        .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 2026")
        .env("KBUILD_BUILD_VERSION", "1")
        .env("KBUILD_BUILD_USER", "lab")
        .env("KBUILD_BUILD_HOST", "lab")
        // Set though empty: otherwise a "+" marks a tree that is not a release.
        .env("LOCALVERSION", "")
        .args(["-C", "/linux", "O=/build"])
        .arg(lab.toolchain.llvm())
        // One word: it is also the linker of rustc's host programs.
        .arg(format!("CC=ccache {}", lab.toolchain.clang()))
        .arg(format!("HOSTCC={}", lab.toolchain.clang()))
        .arg(format!("ARCH={}", arch.kernel()))
        .arg(format!("-j{jobs}"));
    make
}

/// `build`: arguments.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// Build the Debian source as it is
    #[arg(long, group = "what")]
    stock: bool,
    /// Build stock with patches/ applied (the default)
    #[arg(long, group = "what")]
    patched: bool,
    /// Build the worktree linux/ as it stands
    #[arg(long, group = "what")]
    tree: bool,
    /// With --patched: apply the patches up to this one only (a number, or 2-mtd/0005)
    #[arg(long, value_name = "LAST", conflicts_with_all = ["stock", "tree"])]
    patches: Option<String>,
    /// A name from lab/data/kernel/configs.toml
    #[arg(default_value = "arm64-kasan")]
    config: String,
}

/// The verb `build`.
pub fn build_verb(lab: &Lab, args: BuildArgs) -> Result<ExitCode> {
    let last = args.patches.as_deref();
    let variant = Variant::chosen(&lab.paths, args.stock, args.tree, last)?;
    let arch = config(&lab.paths, &args.config)?.arch;
    let kernel = build(lab, &variant, &args.config, arch)?;
    println!(
        "{} {} {}",
        kernel.release,
        kernel.source_id,
        kernel.image.display()
    );
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_merge_and_print() -> Result<()> {
        let mut merged = symbols("# a comment\nCONFIG_A=y\nCONFIG_S=\"x=y\"\n")?;
        merged.extend(symbols("# CONFIG_A is not set\nCONFIG_N=8\n")?);
        assert_eq!(
            fragment(&merged),
            "# CONFIG_A is not set\nCONFIG_N=8\nCONFIG_S=\"x=y\"\n"
        );
        assert!(symbols("FOO=y").is_err());
        Ok(())
    }

    #[test]
    fn dropped_symbols_are_named() -> Result<()> {
        let wanted = symbols("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=8\n")?;
        let have = symbols("CONFIG_A=y\nCONFIG_D=4\n# CONFIG_B is not set\n")?;
        assert_eq!(
            unmet(&wanted, &have),
            ["CONFIG_B: asked for y, is n", "CONFIG_D: asked for 8, is 4"]
        );
        Ok(())
    }

    #[test]
    fn every_committed_configuration_reads() -> Result<()> {
        let paths = Paths::find()?;
        for (name, config) in configs(&paths)? {
            assert!(!config.about.is_empty(), "{name}");
            assert!(!wanted(&paths, &config)?.is_empty(), "{name}");
        }
        Ok(())
    }

    #[test]
    fn make_does_not_carry_on_over_a_new_compiler() {
        let stamp = |toolchain: &str, source_id: &str| Stamp {
            source_version: "1".into(),
            source_id: source_id.into(),
            config_sha256: "c".into(),
            toolchain: toolchain.into(),
            tree: "t".into(),
        };
        assert!(stamp("a", "x").continues(&stamp("a", "y")));
        assert!(!stamp("a", "x").continues(&stamp("b", "x")));
    }
}

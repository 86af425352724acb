//! Debian packages without touching the machine's own package state: which mirror
//! to use, mmdebstrap, and downloads into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{interrupt, process, space};
use crate::toolchain::host;

/// The Debian release that everything is taken from, with its backports.
pub const SUITE: &str = "trixie";

pub const BACKPORTS: &str = "trixie-backports";

/// It takes two minutes; a slow mirror may take a while.
const ROOT_LIMIT: Duration = Duration::from_secs(2 * 3600);

/// Options that keep apt from changing users (it could not read the cache then)
/// and from waiting long for a dead mirror.
const APT_OPTIONS: &[&str] = &[
    "-oAPT::Sandbox::User=root",
    "-oAcquire::http::Timeout=20",
    "-oAcquire::https::Timeout=20",
    "-oAcquire::Retries=2",
];

/// A Debian mirror that has [`SUITE`] and [`BACKPORTS`]; its URI without a slash at
/// the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror(pub String);

impl Mirror {
    /// From the machine's own apt configuration when a mirror there serves the
    /// suites, otherwise the one that mmdebstrap would write into a new root.
    pub fn find(paths: &Paths, ui: &Ui) -> Result<Self> {
        let step = ui.step("Looking for a Debian mirror");
        let log = paths.log("apt");
        process::fresh_log(&log)?;
        let listing = process::output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(ORIGIN)",
            "Created-By: Packages",
        ]))
        .context("cannot read the machine's apt configuration")?;
        for uri in candidates(&listing) {
            step.note(uri.as_str());
            if serves_suites(&uri, &log)? {
                step.done(&uri);
                return Ok(Self(uri));
            }
        }
        let uri = mmdebstrap_default(paths, ui, &log)?;
        if !serves_suites(&uri, &log)? {
            bail!(
                "no mirror in this machine's apt configuration serves {SUITE} and {BACKPORTS}, \
                 and neither does {uri}; check the network and try again, add a Debian mirror to \
                 /etc/apt/sources.list.d, or name a kernel tree with --linux (see {})",
                log.display()
            );
        }
        step.done(&uri);
        Ok(Self(uri))
    }

    /// Lines of a sources.list for these suites.
    pub fn sources(&self, suites: &[&str]) -> Vec<String> {
        suites
            .iter()
            .map(|suite| format!("deb {} {suite} main", self.0))
            .collect()
    }
}

/// Mirrors worth asking: Debian's, or unknown because no list was ever downloaded.
fn candidates(listing: &str) -> Vec<String> {
    let mut uris = Vec::new();
    for line in listing.lines() {
        let Some((uri, origin)) = line.split_once(' ') else {
            continue;
        };
        let uri = uri.trim_end_matches('/').to_owned();
        // apt leaves a field that it does not know as it stands.
        let debian = matches!(origin.trim(), "Debian" | "" | "$(ORIGIN)");
        if debian && !uri.is_empty() && !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    uris
}

fn serves_suites(uri: &str, log: &Path) -> Result<bool> {
    let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
    for suite in [SUITE, BACKPORTS] {
        let mut helper = Command::new("/usr/lib/apt/apt-helper");
        helper
            .args(APT_OPTIONS)
            .arg("download-file")
            .arg(format!("{uri}/dists/{suite}/InRelease"))
            .arg(dir.path().join(suite));
        let answer = process::run_logged(&mut helper, log, |_| ());
        interrupt::check_interrupted()?;
        if answer.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lets mmdebstrap set up a root, takes the mirror from its sources.list, and stops
/// it there.
fn mmdebstrap_default(paths: &Paths, ui: &Ui, log: &Path) -> Result<String> {
    let mut command = Mmdebstrap::ensure(paths, ui)?.command();
    command
        .arg("--variant=extract")
        // Its own choice of suites follows from the machine's apt; name one.
        .arg(r#"--setup-hook=sed 's/^/LAB: /' "$1/etc/apt/sources.list" >&2; exit 1"#)
        .arg(SUITE)
        .arg("/dev/null");
    let mut sources = String::new();
    // The hook makes it fail; what counts is what it printed.
    let result = process::run_logged(&mut command, log, |line| {
        if let Some(source) = line.strip_prefix("LAB: ") {
            sources.push_str(source);
            sources.push('\n');
        }
    });
    interrupt::check_interrupted()?;
    match (first_mirror(&sources), result) {
        (Some(uri), _) => Ok(uri),
        (None, Err(error)) => Err(error.context("mmdebstrap names no mirror")),
        (None, Ok(())) => bail!("mmdebstrap names no mirror; see {}", log.display()),
    }
}

/// The mirror of the first `deb` line for [`SUITE`] itself.
fn first_mirror(sources: &str) -> Option<String> {
    sources.lines().find_map(|line| {
        let mut words = line.split_whitespace().peekable();
        (words.next()? == "deb").then_some(())?;
        if words.peek()?.starts_with('[') {
            words.by_ref().find(|word| word.ends_with(']'))?;
        }
        let uri = words.next()?;
        (words.next()? == SUITE).then(|| uri.trim_end_matches('/').to_owned())
    })
}

/// mmdebstrap hands file numbers to a shell that knows those below 10 only, so it must
/// not start with files that whoever runs the lab left open.
const FEW_FILES: &str = r#"exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec "$@""#;

/// mmdebstrap from PATH, or its package extracted into the cache.
#[derive(Clone, Debug)]
pub struct Mmdebstrap {
    program: PathBuf,
}

impl Mmdebstrap {
    pub fn ensure(paths: &Paths, ui: &Ui) -> Result<Self> {
        if let Some(program) = host::which("mmdebstrap") {
            return Ok(Self { program });
        }
        let dir = paths.tools().join("mmdebstrap");
        let program = dir.join("usr/bin/mmdebstrap");
        if !program.is_file() {
            let step = ui.step("Downloading mmdebstrap");
            let temporary = tempfile::tempdir_in(paths.tools())
                .context("cannot make a temporary directory in the cache")?;
            let deb = download_from_machine(paths, temporary.path(), "mmdebstrap")?;
            let tree = temporary.path().join("tree");
            extract(&deb, &tree)?;
            fs::rename(&tree, &dir).context("cannot move mmdebstrap into place")?;
            step.done("");
        }
        Ok(Self { program })
    }

    /// In mount and pid namespaces of its own, so that killing it leaves neither a
    /// mount nor a process. For a user who is not root it makes those itself, with the
    /// user and group ids that the machine sets aside for that user.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if host::is_root() {
            command
                .args(["unshare", "--mount", "--pid", "--fork", "--kill-child"])
                .arg("--mount-proc");
        }
        command
            .args(["sh", "-c", FEW_FILES, "few"])
            .arg("perl")
            .arg(&self.program)
            .arg(match host::is_root() {
                true => "--mode=root",
                false => "--mode=unshare",
            })
            .env("LC_ALL", "C.UTF-8");
        // It calls programs of its own package.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = self.program.parent().map(Path::to_path_buf);
        let search = own.into_iter().chain(std::env::split_paths(&path));
        if let Ok(search) = std::env::join_paths(search) {
            command.env("PATH", search);
        }
        command
    }
}

/// A directory for files of other ids than the user's, who could not remove what a killed
/// mmdebstrap leaves.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), mode)?;
        Ok(Self(dir.keep()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After Ctrl-C, too, and there is nothing to do when it fails.
        let _ = Command::new("unshare")
            .args(["--user", "--map-root-user", "--map-auto", "rm", "-rf"])
            .arg(&self.0)
            .status();
    }
}

/// Lets mmdebstrap, with its options given, make a root of [`SUITE`] in `dir`. A user who
/// is not root gets all files as the own ones, so that removing them needs nothing more
/// than making them did.
pub fn make_root(
    mut mmdebstrap: Command,
    sources: &[String],
    dir: &Path,
    log: &Path,
    on_line: impl FnMut(&str),
) -> Result<()> {
    let limit = Some(ROOT_LIMIT);
    mmdebstrap.arg(SUITE);
    if host::is_root() {
        mmdebstrap.arg(dir).args(sources);
        return process::run_logged_within(&mut mmdebstrap, log, limit, on_line);
    }
    // It makes the root in the temporary directory, which other ids can reach.
    space::check_space(&std::env::temp_dir(), 3, "making a Debian root")?;
    let scratch = Scratch::new()?;
    let tarball = dir.with_extension("tar");
    if tarball.exists() {
        fs::remove_file(&tarball)
            .with_context(|| format!("cannot remove {}", tarball.display()))?;
    }
    mmdebstrap
        .env("TMPDIR", &scratch.0)
        .arg(&tarball)
        .args(sources);
    process::run_logged_within(&mut mmdebstrap, log, limit, on_line)?;
    drop(scratch);
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    process::output(
        Command::new("tar")
            .args(["--extract", "--no-same-owner", "--exclude=./dev/*"])
            .arg("--file")
            .arg(&tarball)
            .arg("--directory")
            .arg(dir),
    )
    .context("cannot unpack the new root")?;
    fs::remove_file(&tarball).with_context(|| format!("cannot remove {}", tarball.display()))
}

/// Downloads a package as the machine's own apt configuration has it. Its package
/// lists may be missing or old; then own ones are made in the cache.
fn download_from_machine(paths: &Paths, dir: &Path, package: &str) -> Result<PathBuf> {
    let log = paths.log("apt");
    let lists = paths.cache.join("apt/machine-lists");
    let own_lists = format!("-oDir::State::Lists={}", lists.display());
    let apt = |lists: &[&str], verb: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(APT_OPTIONS)
            .args(lists)
            .args(verb)
            .current_dir(dir);
        process::run_logged(&mut command, &log, |_| ())
    };
    if apt(&[], &["download", package]).is_err() {
        interrupt::check_interrupted()?;
        fs::create_dir_all(lists.join("partial"))
            .with_context(|| format!("cannot make {}", lists.display()))?;
        // One broken repository makes the update fail, yet the others are there.
        let update = apt(&[&own_lists], &["update"]);
        interrupt::check_interrupted()?;
        apt(&[&own_lists], &["download", package])
            .map_err(|error| update.err().unwrap_or(error))
            .with_context(|| {
                format!(
                    "cannot download the package {package}; check the network and \
                     /etc/apt, or run: apt-get install {package}"
                )
            })?;
    }
    only_deb(dir)
}

/// The one package file in `dir`.
fn only_deb(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(path);
        }
    }
    bail!("apt downloaded no package into {}", dir.display())
}

/// Unpacks a package's files.
pub fn extract(deb: &Path, dir: &Path) -> Result<()> {
    process::output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(dir))
        .with_context(|| format!("cannot unpack {}", deb.display()))
        .map(drop)
}

/// Package lists of a mirror's suites, in the cache.
#[derive(Debug)]
pub struct Lists {
    config: PathBuf,
    log: PathBuf,
}

impl Lists {
    /// Downloads the lists of `suites`.
    pub fn update(paths: &Paths, mirror: &Mirror, suites: &[&str]) -> Result<Self> {
        let dir = paths.cache.join("apt/lab");
        for sub in ["state/lists/partial", "cache/archives/partial", "empty"] {
            fs::create_dir_all(dir.join(sub))
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        let keyring = host::keyring().context("Debian's archive keys are missing")?;
        let sources: String = mirror
            .sources(suites)
            .iter()
            .map(|line| line.replacen("deb ", &format!("deb [signed-by={keyring}] "), 1) + "\n")
            .collect();
        let write = |name: &str, text: &str| {
            let file = dir.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write("sources.list", &sources)?;
        write("status", "")?;
        write("apt.conf", &lists_config(&dir))?;
        let lists = Self {
            config: dir.join("apt.conf"),
            log: paths.log("apt"),
        };
        process::run_logged(lists.apt("apt-get").arg("update"), &lists.log, |_| ()).context(
            "cannot download Debian's package lists; check the network and try again, or \
                 name a kernel tree with --linux",
        )?;
        Ok(lists)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(&self.config).args(APT_OPTIONS);
        command
    }

    /// The newest version of a package, if there is one.
    pub fn newest(&self, package: &str) -> Result<Option<String>> {
        let table = process::output(self.apt("apt-cache").args(["madison", package]))?;
        Ok(first_version(&table))
    }

    /// Downloads one version of a package into `dir`.
    pub fn download(&self, dir: &Path, package: &str, version: &str) -> Result<PathBuf> {
        let mut get = self.apt("apt-get");
        get.arg("download")
            .arg(format!("{package}={version}"))
            .current_dir(dir);
        process::run_logged(&mut get, &self.log, |_| ())
            .with_context(|| format!("cannot download {package} {version}"))?;
        only_deb(dir)
    }
}

/// The machine's settings (proxies) stay, its state and hooks are left alone.
fn lists_config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "{dir}/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{dir}/empty";
Dir::State "{dir}/state";
Dir::State::lists "lists";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Acquire::Languages "none";
"#
    )
}

/// From `apt-cache madison`, which prints newest first.
fn first_version(table: &str) -> Option<String> {
    let version = table.lines().next()?.split('|').nth(1)?.trim();
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_debian_or_unknown_and_come_once() {
        let listing = "http://a.example/debian/ Debian\n\
                       http://a.example/debian/ Debian\n\
                       http://b.example/node/ . nodistro\n\
                       http://c.example/ubuntu/ Ubuntu\n\
                       http://d.example/debian/ $(ORIGIN)\n";
        assert_eq!(
            candidates(listing),
            ["http://a.example/debian", "http://d.example/debian"]
        );
        assert!(candidates("").is_empty());
    }

    #[test]
    fn the_mirror_is_taken_from_a_sources_list() {
        let sources = "# comment\n\
                       deb [signed-by=/x.gpg arch=amd64] http://m.example/debian/ trixie main\n\
                       deb http://n.example/debian trixie-updates main\n";
        assert_eq!(
            first_mirror(sources).as_deref(),
            Some("http://m.example/debian")
        );
        assert_eq!(first_mirror("deb http://m.example/debian sid main"), None);
        assert_eq!(first_mirror("deb"), None);
    }

    #[test]
    fn madison_gives_the_newest_first() {
        let table = "linux-source-7.3 | 7.3.4-1~bpo13+1 | http://m.example Packages\n\
                     linux-source-7.3 | 7.3.2-1~bpo13+1 | http://m.example Packages\n";
        assert_eq!(first_version(table).as_deref(), Some("7.3.4-1~bpo13+1"));
        assert_eq!(first_version(""), None);
    }
}

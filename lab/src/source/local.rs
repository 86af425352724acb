//! A kernel tree of the user's (`--linux`) in place of Debian's package: imported into
//! the cache, never written to.

use std::fs;
use std::io::{BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use crate::base::files::{finish, temporary};
use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::base::{git, interrupt, lock, process, space};
use crate::source::tree::{BASE, Source, keep_kernel_ignores};
use crate::toolchain::apt;

/// What `--linux` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A git tree; its last commit is used.
    Git,
    /// A directory without git: an unpacked tarball.
    Directory,
    Tarball,
    /// A Debian package with the tarball in it.
    Package,
}

/// What else could be given, for messages.
const TAKES: &str = "--linux takes the top directory of a kernel's git tree or unpacked \
                     tarball, or a file linux-*.tar.* or linux-source-*.deb";

impl Kind {
    fn of(given: &Path) -> Result<Self> {
        let shown = given.display();
        let Ok(data) = given.metadata() else {
            bail!("there is no {shown}; {TAKES}");
        };
        let name = given.to_string_lossy();
        if data.is_file() {
            return match () {
                () if name.ends_with(".deb") => Ok(Self::Package),
                () if name.contains(".tar") || name.ends_with(".tgz") => Ok(Self::Tarball),
                () => bail!("{shown} is no kernel tree; {TAKES}"),
            };
        }
        if given.join(".git").exists() {
            return Ok(Self::Git);
        }
        check_kernel(given, |name| fs::read_to_string(given.join(name)).ok())?;
        Ok(Self::Directory)
    }
}

/// Fails unless the tree has what only a kernel's has; `read` gives a file of it.
fn check_kernel(given: &Path, read: impl Fn(&str) -> Option<String>) -> Result<()> {
    let is_kernel = release(&read("Makefile").unwrap_or_default()).is_some()
        && ["Kbuild", "Kconfig", "MAINTAINERS"]
            .iter()
            .all(|name| read(name).is_some());
    if !is_kernel {
        bail!("{} is no kernel tree; {TAKES}", given.display());
    }
    Ok(())
}

/// The release that a kernel's Makefile names, as `7.3.4`.
fn release(makefile: &str) -> Option<String> {
    let value = |name: &str| {
        makefile.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let numbers = [value("VERSION")?, value("PATCHLEVEL")?, value("SUBLEVEL")?];
    if numbers.iter().any(|it| it.parse::<u32>().is_err()) {
        return None;
    }
    Some(numbers.join(".") + &value("EXTRAVERSION").unwrap_or_default())
}

/// The tree in the cache; imported in a minute when it is not there yet or has changed.
pub fn source(paths: &Paths, ui: &Ui, given: &Path) -> Result<Source> {
    let kind = Kind::of(given)?;
    let key = key(given, kind)?;
    let dir = paths.cache.join(format!("local-{key}"));
    if !dir.exists() {
        let _lock = lock::lock_cache(paths, ui, "local")?;
        if !dir.exists() {
            space::check_space(&paths.cache, 3, "a kernel tree")?;
            import(paths, ui, given, kind, &dir)?;
            prune(paths, &dir)?;
        }
    }
    let makefile = dir.join("Makefile");
    let text = fs::read_to_string(&makefile)
        .with_context(|| format!("{} is damaged; delete it", dir.display()))?;
    let release = release(&text).with_context(|| format!("{} is damaged", dir.display()))?;
    let base = git::line(&dir, ["rev-parse", "--verify", "base^{commit}"])
        .with_context(|| format!("{} is damaged; delete it", dir.display()))?;
    Ok(Source {
        version: format!("{release}-local-{key}"),
        dir,
        base,
    })
}

/// Git on the user's tree, for reading: not even the index is refreshed.
fn git_of(given: &Path) -> Command {
    let mut git = git::git(given);
    git.env("GIT_OPTIONAL_LOCKS", "0");
    git
}

/// Changes when the contents do.
fn key(given: &Path, kind: Kind) -> Result<String> {
    let mut hash = Sha256::new();
    match kind {
        Kind::Git => {
            let tree = process::output(git_of(given).args(["rev-parse", "HEAD^{tree}"]))
                .with_context(|| format!("{} has no commit; {TAKES}", given.display()))?;
            check_kernel(given, |name| {
                let file = format!("HEAD:{name}");
                process::output(git_of(given).args(["cat-file", "blob", &file])).ok()
            })?;
            hash.update(tree.trim());
        }
        Kind::Directory => {
            for entry in WalkDir::new(given).sort_by_file_name() {
                let entry = entry.with_context(|| format!("cannot read {}", given.display()))?;
                let data = entry.metadata()?;
                let inside = entry.path().strip_prefix(given)?;
                hash.update(inside.as_os_str().as_encoded_bytes());
                let mode = data.permissions().mode();
                let (time, nanoseconds) = (data.mtime(), data.mtime_nsec());
                // A directory's time says nothing about the files in it.
                let facts = match data.is_dir() {
                    true => String::new(),
                    false => format!("\0{mode} {} {time} {nanoseconds}\0", data.len()),
                };
                hash.update(facts);
            }
        }
        Kind::Tarball | Kind::Package => {
            let cannot = || format!("cannot read {}", given.display());
            let mut file = BufReader::new(fs::File::open(given).with_context(cannot)?);
            let mut block = vec![0; 1 << 20];
            loop {
                let length = file.read(&mut block).with_context(cannot)?;
                if length == 0 {
                    break;
                }
                hash.update(&block[..length]);
                interrupt::check_interrupted()?;
            }
        }
    }
    Ok(format!("{:x}", hash.finalize())[..12].to_owned())
}

fn import(paths: &Paths, ui: &Ui, given: &Path, kind: Kind, dir: &Path) -> Result<()> {
    let step = ui.step(format!("Importing {} (about a minute)", given.display()));
    let tree = temporary(dir)?;
    fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
    git::run(&tree, ["init", "--quiet", "--initial-branch", BASE])?;
    git::configure(&tree)?;
    match kind {
        Kind::Git => {
            if !process::output(git_of(given).args(["status", "--porcelain", "-uno"]))?.is_empty() {
                ui.println(format!(
                    "note: {} has changes that are not committed; its last commit is used",
                    given.display()
                ));
            }
            fetch(given, &tree)?;
        }
        Kind::Directory => add(given, &tree, &tree)?,
        Kind::Tarball => {
            unpack(given, &tree)?;
            add(&tree, &tree, given)?;
        }
        Kind::Package => {
            let scratch = tempfile::tempdir_in(paths.tools())
                .context("cannot make a temporary directory in the cache")?;
            apt::extract(given, scratch.path())?;
            unpack(&tarball_in(scratch.path(), given)?, &tree)?;
            add(&tree, &tree, given)?;
        }
    }
    git::run(&tree, ["reset", "--quiet", "--hard"])?;
    keep_kernel_ignores(&tree.join(".gitignore"))?;
    git::run(
        &tree,
        ["commit", "--quiet", "--amend", "--all", "--no-edit"],
    )?;
    // `Source::imported` goes by this time: not before that of any file.
    fs::File::open(tree.join(".git/HEAD"))
        .and_then(|head| head.set_modified(SystemTime::now()))
        .context("cannot write into the new tree")?;
    finish(&tree, dir)?;
    step.done("");
    Ok(())
}

/// Takes the last commit of a git tree, without its history.
fn fetch(given: &Path, tree: &Path) -> Result<()> {
    process::output(
        git::git(tree)
            .args(["fetch", "--quiet", "--no-tags", "--depth=1"])
            // Another user's tree may be read; git does not pass the setting on.
            .args(["--upload-pack", "git -c safe.directory=* upload-pack"])
            .arg(given)
            .arg("HEAD"),
    )
    .with_context(|| format!("cannot read the git tree {}", given.display()))?;
    commit(tree, "FETCH_HEAD^{tree}")?;
    // A commit without parents is whole by itself.
    fs::remove_file(tree.join(".git/shallow")).context("cannot write into the new tree")
}

fn commit(tree: &Path, id: &str) -> Result<()> {
    let message = "A kernel tree that was given with --linux";
    let commit = git::line(tree, ["commit-tree", "-m", message, id])?;
    git::run(tree, ["update-ref", "HEAD", &commit])
}

/// Commits the files of `from`, which is only read, to the repository in `tree`.
fn add(from: &Path, tree: &Path, named: &Path) -> Result<()> {
    // Some files of a fresh tree match its own rules for what to ignore; of a tree that
    // was built in, those that do are objects.
    let built = [".config", "include/generated", "vmlinux"]
        .iter()
        .any(|name| from.join(name).exists());
    process::output(
        git::git(tree)
            .env("GIT_DIR", tree.join(".git"))
            .env("GIT_WORK_TREE", from)
            .args(["-c", "core.bigFileThreshold=1", "-c", "pack.compression=1"])
            .args(["-C"])
            .arg(from)
            .arg("add")
            .args((!built).then_some("--force"))
            .arg("."),
    )
    .context("cannot read the kernel tree")?;
    let id = git::line(tree, ["write-tree"])?;
    if git::out(tree, ["ls-tree", &id, "Makefile"])?.is_empty() {
        bail!(
            "{} was built in and ignores its own files; run make mrproper in a copy of it, \
             and give that",
            named.display()
        );
    }
    check_kernel(named, |name| {
        git::out(tree, ["cat-file", "blob", &format!("{id}:{name}")]).ok()
    })?;
    commit(tree, &id)
}

fn unpack(tarball: &Path, tree: &Path) -> Result<()> {
    process::output(
        Command::new("tar")
            .arg("--extract")
            .args(["--no-same-owner", "--strip-components=1", "--file"])
            .arg(tarball)
            .arg("--directory")
            .arg(tree),
    )
    .with_context(|| format!("cannot unpack {}", tarball.display()))
    .map(drop)
}

/// The source tarball of an unpacked linux-source package.
fn tarball_in(package: &Path, named: &Path) -> Result<PathBuf> {
    let src = package.join("usr/src");
    let entries = src.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains(".tar"))
        .with_context(|| format!("{} has no kernel source in it; {TAKES}", named.display()))
}

/// How many imported trees stay in the cache.
const TREES: usize = 3;

/// Removes the oldest imported trees.
fn prune(paths: &Paths, keep: &Path) -> Result<()> {
    let mut trees = Vec::new();
    for entry in fs::read_dir(&paths.cache)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("local-") && !name.ends_with(".tmp") && entry.path() != keep {
            trees.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    trees.sort();
    let excess = (trees.len() + 1).saturating_sub(TREES);
    for (_, old) in trees.into_iter().take(excess) {
        fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}

/// Object stores that may know the files that the patches were made from, so that git
/// can merge where a patch does not apply.
pub fn object_stores(paths: &Paths, given: &Path) -> Vec<PathBuf> {
    let mut stores = Vec::new();
    if given.join(".git").exists()
        && let Ok(line) = process::output(git_of(given).args([
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "objects",
        ]))
    {
        stores.push(PathBuf::from(line.trim_end()));
    }
    stores.push(paths.out().join("src/series/.git/objects"));
    for entry in fs::read_dir(&paths.cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("linux-") {
            stores.push(entry.path().join(".git/objects"));
        }
    }
    stores.retain(|store| store.is_dir());
    stores
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKEFILE: &str = "# x\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION = -rc1\n";

    #[test]
    fn a_release_is_read_from_a_makefile() {
        assert_eq!(release(MAKEFILE).as_deref(), Some("7.3.4-rc1"));
        assert_eq!(release("VERSION = $(shell x)\nPATCHLEVEL = 3\n"), None);
        assert_eq!(release("all:\n\tcc\n"), None);
    }

    /// A tree that looks like a kernel's.
    fn kernel(dir: &Path) -> Result<()> {
        fs::write(dir.join("Makefile"), MAKEFILE)?;
        for name in ["Kbuild", "Kconfig", "MAINTAINERS"] {
            fs::write(dir.join(name), name)?;
        }
        fs::write(dir.join(".gitignore"), "*.o\n.config\nforced\n")?;
        Ok(fs::write(dir.join("forced"), "")?)
    }

    #[test]
    fn only_a_kernel_is_taken() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let said = |path: &Path| Kind::of(path).map_err(|error| error.to_string());
        let no = |path: &Path| said(path).is_err_and(|text| text.contains("--linux takes"));
        assert!(no(dir.path()));
        assert!(no(&dir.path().join("nowhere")));
        fs::write(dir.path().join("file"), "")?;
        assert!(no(&dir.path().join("file")));
        kernel(dir.path())?;
        assert_eq!(said(dir.path()), Ok(Kind::Directory));
        assert!(said(&dir.path().join("Kbuild")).is_err());
        git::run(dir.path(), ["init", "--quiet"])?;
        assert_eq!(said(dir.path()), Ok(Kind::Git));
        let error = key(dir.path(), Kind::Git).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("has no commit")));
        Ok(())
    }

    /// What a tree is: names, sizes, times, contents.
    fn facts(dir: &Path) -> Result<Vec<String>> {
        let mut facts = Vec::new();
        for entry in WalkDir::new(dir).sort_by_file_name() {
            let entry = entry?;
            let data = entry.metadata()?;
            let text = match data.is_file() {
                true => format!("{:x}", Sha256::digest(fs::read(entry.path())?)),
                false => String::new(),
            };
            facts.push(format!(
                "{} {} {} {text}",
                entry.path().display(),
                data.mtime(),
                data.mtime_nsec()
            ));
        }
        Ok(facts)
    }

    #[test]
    fn trees_are_imported_and_left_alone() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), &dir.path().join("cache"));
        fs::create_dir_all(paths.locks())?;
        let ui = Ui::new().quiet();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree)?;
        kernel(&tree)?;
        let kind = |kind| -> Result<(Source, Vec<String>)> {
            let before = facts(&tree)?;
            assert_eq!(Kind::of(&tree)?, kind);
            let target = paths.cache.join(format!("{kind:?}"));
            import(&paths, &ui, &tree, kind, &target)?;
            assert_eq!(facts(&tree)?, before, "{kind:?}");
            let source = Source {
                version: String::new(),
                base: git::line(&target, ["rev-parse", "base"])?,
                dir: target,
            };
            assert_eq!(git::out(&source.dir, ["status", "--porcelain"])?, "");
            let files = git::out(&source.dir, ["ls-files"])?;
            Ok((source, files.lines().map(str::to_owned).collect()))
        };
        let all = [".gitignore", "Kbuild", "Kconfig", "MAINTAINERS", "Makefile"];
        let with = |more: &str| {
            let mut all = all.map(str::to_owned).to_vec();
            all.push(more.to_owned());
            all
        };
        let (fresh, files) = kind(Kind::Directory)?;
        assert_eq!(files, with("forced"));
        let imported = fresh.imported()?;
        for name in files {
            assert!(fresh.dir.join(&name).metadata()?.modified()? <= imported);
        }
        // Built in: what its rules ignore stays out.
        fs::write(tree.join(".config"), "")?;
        fs::write(tree.join("a.o"), "")?;
        fs::remove_dir_all(&fresh.dir)?;
        assert_eq!(kind(Kind::Directory)?.1, all);
        git::run(&tree, ["init", "--quiet"])?;
        git::run(&tree, ["add", "."])?;
        git::run(&tree, ["commit", "--quiet", "-m", "x"])?;
        fs::write(tree.join("Kbuild"), "changed")?;
        let (from_git, files) = kind(Kind::Git)?;
        assert_eq!(files, all);
        assert_eq!(fs::read_to_string(from_git.dir.join("Kbuild"))?, "Kbuild");
        Ok(())
    }

    #[test]
    fn a_key_follows_the_contents() -> Result<()> {
        let dir = tempfile::tempdir()?;
        kernel(dir.path())?;
        let first = key(dir.path(), Kind::Directory)?;
        assert_eq!(key(dir.path(), Kind::Directory)?, first);
        fs::write(dir.path().join("Kbuild"), "other")?;
        assert_ne!(key(dir.path(), Kind::Directory)?, first);
        Ok(())
    }
}

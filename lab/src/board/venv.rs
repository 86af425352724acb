//! labgrid, which is Python: in an environment of its own in the cache, for the Python of
//! the toolchain, with the versions and checksums of `lab/labgrid/requirements.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::base::{files, interrupt, lock, process, space};
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// Raised when the recipe changes in a way that the list does not show.
const RECIPE: &str = "1";

/// Where the toolchain sees it. It remembers that, and works nowhere else.
const INSIDE: &str = "/guest/labgrid";

/// What wheels may be built for, newest first. Pip has no name for "all that a C library
/// runs" when it downloads for another Python.
const PLATFORMS: [&str; 4] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
];

pub struct Venv {
    dir: PathBuf,
}

impl Venv {
    /// Finds it in the cache, or makes it (half a minute): this machine's pip fetches, as
    /// it is configured, and the toolchain's Python installs.
    pub fn ensure(lab: &Lab) -> Result<Self> {
        let paths = &lab.paths;
        let list = files::read(&paths.clone.join("lab/labgrid/requirements.txt"))?;
        let list = String::from_utf8(list).context("requirements.txt is no text")?;
        let python = python(lab)?;
        let key = files::key(&[RECIPE, &list, &python.version, &python.prefix]);
        let dir = paths.cache.join(format!("labgrid-{key}"));
        if dir.exists() {
            return Ok(Self { dir });
        }
        let _lock = lock::lock_cache(paths, &lab.ui, "labgrid")?;
        if dir.exists() {
            return Ok(Self { dir });
        }
        space::check_space(&paths.cache, 1, "labgrid")?;
        let step = lab.ui.step("Fetching labgrid");
        let log = paths.log("labgrid");
        process::fresh_log(&log)?;
        let wheels = tempfile::tempdir_in(&paths.cache).context("cannot make a directory")?;
        fs::write(wheels.path().join("requirements.txt"), &list)
            .with_context(|| format!("cannot write into {}", wheels.path().display()))?;
        download(&python.version, wheels.path(), &log)?;

        step.note("installing");
        let temporary = files::temporary(&dir)?;
        fs::create_dir(&temporary)
            .with_context(|| format!("cannot make {}", temporary.display()))?;
        let binds = [
            Bind::writable(&temporary, INSIDE),
            Bind::read_only(wheels.path(), "/guest/wheels"),
        ];
        let mut install = lab.toolchain.command(&binds, "sh");
        // Debian's Python has no ensurepip; pip runs from its wheel and is among what it
        // installs.
        let script = format!(
            "python3 -m venv --without-pip {INSIDE}
             cd /guest/wheels
             pip=$(echo pip-*.whl)
             {INSIDE}/bin/python3 \"$pip/pip\" install --no-index --find-links . --no-deps \
             --no-cache-dir --require-hashes --requirement requirements.txt"
        );
        install.args(["-ec", &script]);
        process::run_logged(&mut install, &log, |_| ())
            .context("labgrid's packages were fetched, but cannot be installed")?;
        let venv = Self { dir: temporary };
        let mut version = venv.python(lab, "/", &[]);
        version.args(["-c", "import labgrid; print(labgrid.__version__)"]);
        let version = process::output(&mut version).context("labgrid does not run")?;
        files::finish(&venv.dir, &dir)?;
        step.done(version.trim());
        Ok(Self { dir })
    }

    /// Its Python, in a directory that the toolchain sees, among the toolchain's programs.
    pub fn python(&self, lab: &Lab, dir: &str, binds: &[Bind]) -> Command {
        let mut all = vec![Bind::read_only(&self.dir, INSIDE)];
        all.extend_from_slice(binds);
        let mut env = lab.toolchain.command(&all, "env");
        env.args(["-C", dir, &format!("{INSIDE}/bin/python3")]);
        env
    }
}

/// The toolchain's.
struct Python {
    /// `3.13`
    version: String,
    prefix: String,
}

fn python(lab: &Lab) -> Result<Python> {
    let mut ask = lab.toolchain.command(&[], "python3");
    let words = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)";
    let said = process::output(ask.args(["-c", words])).context("Python does not run")?;
    let (version, prefix) = said
        .trim()
        .split_once(' ')
        .context("Python does not say its version")?;
    Ok(Python {
        version: version.to_owned(),
        prefix: prefix.to_owned(),
    })
}

/// Has this machine's pip fetch what `requirements.txt` in `dir` lists, for another Python.
fn download(version: &str, dir: &Path, log: &Path) -> Result<()> {
    let pip = || {
        let mut python = Command::new("python3");
        python.args(["-m", "pip"]);
        python
    };
    if process::output(pip().arg("--version")).is_err() {
        interrupt::check_interrupted()?;
        bail!(
            "labgrid comes from the Python package index, by way of pip, which this machine \
             lacks: apt-get install python3-pip"
        );
    }
    let mut download = pip();
    download
        .args(["download", "--disable-pip-version-check", "--no-input"])
        .args(["--no-deps", "--require-hashes", "--only-binary", ":all:"])
        .args(["--implementation", "cp", "--python-version", version])
        .args(["--progress-bar", "off", "--dest"])
        .arg(dir)
        .arg("--requirement")
        .arg(dir.join("requirements.txt"));
    let own = format!("cp{}", version.replace('.', ""));
    for abi in [own.as_str(), "abi3", "none"] {
        download.args(["--abi", abi]);
    }
    for platform in PLATFORMS {
        download.args(["--platform", platform]);
    }
    let mut last = String::new();
    let result = process::run_logged(&mut download, log, |line| {
        if let Some(error) = line.strip_prefix("ERROR: ") {
            error.clone_into(&mut last);
        }
    });
    interrupt::check_interrupted()?;
    if result.is_err() {
        bail!(
            "pip cannot fetch labgrid ({}); the log is {}",
            match last.as_str() {
                "" => "it does not say why",
                why => why,
            },
            log.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    /// A list without versions or checksums would take whatever there is today.
    #[test]
    fn every_package_has_one_version_and_checksums() {
        let list = include_str!("../../labgrid/requirements.txt");
        let (mut packages, mut sums) = (0, 0);
        for line in list.lines().filter(|line| !line.trim().starts_with('#')) {
            if let Some(sum) = line.trim().strip_prefix("--hash=sha256:") {
                assert_eq!(sum.trim_end_matches(" \\").len(), 64, "{line}");
                sums += 1;
            } else {
                assert!(line.contains("==") && line.ends_with('\\'), "{line}");
                assert!(packages == 0 || sums > 0, "{line}: nothing before it");
                packages += 1;
                sums = 0;
            }
        }
        assert!(packages > 20 && sums > 0);
        let wanted = include_str!("../../labgrid/requirements.in");
        for line in wanted.lines().filter(|line| !line.starts_with('#')) {
            assert!(list.lines().any(|it| it.starts_with(line)), "{line}");
        }
    }
}

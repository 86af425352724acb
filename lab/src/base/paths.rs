//! Where things are: the clone, what is generated in it, and the user's cache.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The two roots under which the lab reads and writes. Nothing else on the
/// machine is touched.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The repository.
    pub clone: PathBuf,
    /// What every clone of this user shares: toolchain, kernel source, ccache.
    pub cache: PathBuf,
    /// A kernel tree to use in place of Debian's package (`--linux`). Trees and builds
    /// that are made from it stand apart from the others.
    pub local: Option<PathBuf>,
    /// The series to use, with what they need (`--series`); all when empty. Trees and
    /// builds stand apart here, too.
    pub series: Vec<String>,
}

impl Paths {
    /// Looks for the clone above the current directory and makes the directories
    /// that everything else expects.
    pub fn find() -> Result<Self> {
        let paths = Self::at(&find_clone()?, &find_cache()?);
        for dir in [paths.logs(), paths.locks(), paths.tools()] {
            std::fs::create_dir_all(&dir)
                .with_context(|| format!("cannot make the directory {}", dir.display()))?;
        }
        Ok(paths)
    }

    /// A clone and a cache, with nothing made in them.
    pub fn at(clone: &Path, cache: &Path) -> Self {
        Self {
            clone: clone.to_owned(),
            cache: cache.to_owned(),
            local: None,
            series: Vec::new(),
        }
    }

    /// Everything generated in the clone; git-ignored.
    pub fn out(&self) -> PathBuf {
        self.clone.join("out")
    }

    pub fn logs(&self) -> PathBuf {
        self.out().join("logs")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The lab's own data files (`lab/data`).
    pub fn data(&self) -> PathBuf {
        self.clone.join("lab/data")
    }

    /// Patches that each take one thing out of the series.
    pub fn mutants(&self) -> PathBuf {
        self.clone.join("lab/kernel/mutants")
    }

    /// Kernel patches that are not finished.
    pub fn attempts(&self) -> PathBuf {
        self.clone.join("lab/kernel/attempts")
    }

    /// The series, the product of this repository.
    pub fn patches(&self) -> PathBuf {
        self.clone.join("patches")
    }

    /// The developer's kernel worktree; git-ignored.
    pub fn linux(&self) -> PathBuf {
        self.clone.join("linux")
    }

    /// Kernel trees made from patches/.
    pub fn src(&self) -> PathBuf {
        self.of_base().join("src")
    }

    /// Build directories (`O=`) of this clone.
    pub fn build(&self) -> PathBuf {
        self.of_base().join("build")
    }

    /// What depends on the stock tree that everything starts from, and on the series
    /// that are put on it.
    fn of_base(&self) -> PathBuf {
        let base = match self.local {
            Some(_) => self.out().join("local"),
            None => self.out(),
        };
        match self.series.is_empty() {
            true => base,
            false => base.join("only").join(self.series.join("+")),
        }
    }

    /// Tells results with some of the series from those with all: `-2-mtd`.
    pub fn suffix(&self) -> String {
        self.series.iter().map(|name| format!("-{name}")).collect()
    }

    /// The same with all series.
    pub fn whole(&self) -> Self {
        Self {
            series: Vec::new(),
            ..self.clone()
        }
    }

    pub fn ccache(&self) -> PathBuf {
        self.cache.join("ccache")
    }

    /// Programs that the lab itself needs, taken from Debian packages.
    pub fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    pub fn locks(&self) -> PathBuf {
        self.cache.join("locks")
    }
}

fn find_clone() -> Result<PathBuf> {
    let start = env::current_dir().context("the current directory is gone")?;
    let marker = |dir: &Path| dir.join("lab/data/kernel").is_dir();
    // `cargo lab` is `cargo run`, which says where the package is.
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let of_package = package.as_deref().and_then(Path::parent);
    match start.ancestors().chain(of_package).find(|dir| marker(dir)) {
        Some(dir) => Ok(dir.to_path_buf()),
        None => bail!(
            "{} is not inside a clone of this repository; change into one",
            start.display()
        ),
    }
}

fn find_cache() -> Result<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set; set one to an absolute path")?;
    Ok(base.join("cargo-lab"))
}

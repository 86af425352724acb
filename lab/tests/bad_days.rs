//! Bad days: the program itself, in a clone and a cache of its own, with programs of the
//! machine that fail, hang or are not there. Each has to end in one clear message and a
//! status that is not 0, with nothing half-written; and the next run goes on.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kernel tree as small as the lab will take.
const KERNEL: &[(&str, &str)] = &[
    (
        "Makefile",
        "VERSION = 1\nPATCHLEVEL = 0\nSUBLEVEL = 0\nEXTRAVERSION =\n",
    ),
    ("Kbuild", "\n"),
    ("Kconfig", "\n"),
    ("MAINTAINERS", "\n"),
    (".gitattributes", "*.c diff=cpp\n"),
    (".gitignore", "*.o\n"),
    ("drivers/spi/spi.c", "int one;\nint two;\nint three;\n"),
    ("tools/testing/selftests/drivers/mtd/Makefile", "\n"),
    ("usr/gen_init_cpio.c", "\n"),
];

/// Two series for it.
const PATCHES: &[(&str, &str)] = &[
    (
        "1-fixes/0001-spi-one.patch",
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
         From: Kernel Lab <lab@localhost>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\
         Subject: [PATCH] spi: one\n\nAssisted-by: LLM\n---\n\
         diff --git a/drivers/spi/spi.c b/drivers/spi/spi.c\n\
         --- a/drivers/spi/spi.c\n+++ b/drivers/spi/spi.c\n\
         @@ -1,3 +1,3 @@\n-int one;\n+int patched;\n int two;\n int three;\n",
    ),
    (
        "2-mtd/0001-spi-three.patch",
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
         From: Kernel Lab <lab@localhost>\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\
         Subject: [PATCH] spi: three\n\nAssisted-by: LLM\n---\n\
         diff --git a/drivers/spi/spi.c b/drivers/spi/spi.c\n\
         --- a/drivers/spi/spi.c\n+++ b/drivers/spi/spi.c\n\
         @@ -1,3 +1,3 @@\n int patched;\n int two;\n-int three;\n+int last;\n",
    ),
];

const COVER: &str = "Subject: x\nNeeds: 1-fixes\n\nText.\n";

/// Seconds to sleep that no other process on the machine sleeps.
fn long(test: u32) -> String {
    format!("{test}{:07}", std::process::id())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A clone, a cache, and programs that stand before the machine's.
struct Day {
    dir: tempfile::TempDir,
}

impl Day {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let day = Self { dir };
        for name in ["bin", "cache", "clone/lab/kernel/guest", "mirror/dists"] {
            fs::create_dir_all(day.path(name))?;
        }
        for name in ["1-fixes", "2-mtd"] {
            fs::create_dir_all(day.path("clone/patches").join(name))?;
        }
        fs::write(day.path("clone/patches/2-mtd/cover-letter.txt"), COVER)?;
        symlink(
            repository().join("lab/data").canonicalize()?,
            day.path("clone/lab/data"),
        )?;
        symlink(
            repository().join("lab/guest").canonicalize()?,
            day.path("clone/lab/guest"),
        )?;
        for (name, text) in PATCHES {
            fs::write(day.path("clone/patches").join(name), text)?;
        }
        Ok(day)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A tree that `--linux` takes.
    fn kernel(&self, name: &str) -> Result<PathBuf> {
        let dir = self.path(name);
        for (name, text) in KERNEL {
            let file = dir.join(name);
            fs::create_dir_all(file.parent().context("a file has a directory")?)?;
            fs::write(file, text)?;
        }
        Ok(dir)
    }

    /// A program of this name comes before the machine's.
    fn fake(&self, name: &str, script: &str) -> Result<()> {
        let file = self.path("bin").join(name);
        let text = match script.starts_with("#!") {
            true => script.to_owned(),
            false => format!("#!/bin/sh\n{script}\n"),
        };
        // Not written in place: the one before may be running.
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(new, file)?)
    }

    fn environment(&self, command: &mut Command) -> Result<()> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let search = std::iter::once(self.path("bin")).chain(std::env::split_paths(&path));
        command
            .current_dir(self.path("clone"))
            .env_remove("CARGO_MANIFEST_DIR")
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("DAY", self.dir.path())
            .env("PATH", std::env::join_paths(search)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(())
    }

    fn start(&self, arguments: &[&str]) -> Result<Child> {
        let mut lab = Command::new(LAB);
        self.environment(&mut lab)?;
        Ok(lab.args(arguments).spawn()?)
    }

    fn lab(&self, arguments: &[&str]) -> Result<Said> {
        finish(self.start(arguments)?)
    }

    /// The cache's own directory, which is empty or not there when nothing was made.
    fn cached(&self, start: &str) -> Vec<String> {
        let entries = self
            .path("cache/cargo-lab")
            .read_dir()
            .into_iter()
            .flatten();
        let names = entries.flatten().map(|it| it.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with(start) && !name.ends_with(".tmp"))
            .collect()
    }

    /// A mirror that is there, with apt's programs that use it; `apt` is what the verbs
    /// of apt-get do.
    fn mirror(&self, update: &str, madison: &str, download: &str) -> Result<()> {
        for suite in ["trixie", "trixie-backports"] {
            let dir = self.path("mirror/dists").join(suite);
            fs::create_dir_all(&dir)?;
            fs::write(dir.join("InRelease"), "x")?;
        }
        self.fake(
            "apt-get",
            &format!(
                "case $* in\n\
                 *indextargets*) echo \"file://$DAY/mirror Debian\" ;;\n\
                 *update*) {update} ;;\n\
                 *download*) {download} ;;\n\
                 esac"
            ),
        )?;
        self.fake("apt-cache", madison)
    }

    /// A package as Debian has it.
    fn package(&self) -> Result<PathBuf> {
        self.kernel("linux-source-1.0")?;
        let tree = self.path("package");
        fs::create_dir_all(tree.join("DEBIAN"))?;
        fs::create_dir_all(tree.join("usr/src"))?;
        fs::write(
            tree.join("DEBIAN/control"),
            "Package: linux-source-7.3\nVersion: 1\nArchitecture: all\nMaintainer: x\n\
             Description: x\n",
        )?;
        let tarball = tree.join("usr/src/linux-source-7.3.tar.xz");
        run(Command::new("tar")
            .current_dir(self.dir.path())
            .arg("-cJf")
            .arg(tarball)
            .arg("linux-source-1.0"))?;
        let deb = self.path("linux-source-7.3_1_all.deb");
        run(Command::new("dpkg-deb").arg("--build").arg(tree).arg(&deb))?;
        Ok(deb)
    }

    /// Waits for a file that a program of the day makes.
    fn wait_for(&self, name: &str) -> Result<()> {
        let start = Instant::now();
        while !self.path(name).exists() {
            ensure!(start.elapsed() < PATIENCE, "{name} does not appear");
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Programs for `--toolchain host`, all of which do as if.
    fn host_tools(&self) -> Result<()> {
        let plain = "echo version 99.0";
        for name in [
            "ld.lld",
            "llvm-ar",
            "llvm-nm",
            "llvm-objcopy",
            "rustc",
            "bindgen",
            "ccache",
            "bison",
            "flex",
            "bc",
            "dtc",
        ] {
            self.fake(name, plain)?;
        }
        self.fake(
            "clang",
            "case $* in\n\
             *gen_init_cpio.c) printf '#!/bin/sh\\necho archive\\n' >gen_init_cpio\n\
             chmod +x gen_init_cpio ;;\n\
             *) echo version 99.0 ;;\n\
             esac",
        )?;
        self.make(":")?;
        self.qemu("echo 'LAB: done'")?;
        self.mirror(":", ":", ":")?;
        // An extracted root, as a directory or, for a user who is not root, a tarball.
        self.fake(
            "mmdebstrap",
            "#!/usr/bin/perl\n\
             my ($at) = grep { $ARGV[$_] eq 'trixie' } 0..$#ARGV;\n\
             my $to = $ARGV[$at + 1];\n\
             system('mkdir', '-p', $to =~ /\\.tar$/ ? \"$to.d/usr\" : \"$to/usr\");\n\
             system('tar', '-cf', $to, '-C', \"$to.d\", '.') if $to =~ /\\.tar$/;\n",
        )
    }

    /// What compiling does, between the first file and the image.
    fn make(&self, script: &str) -> Result<()> {
        self.fake(
            "make",
            &format!(
                "case $* in\n\
                 *--version*) echo version 99.0 ;;\n\
                 *allnoconfig*)\n\
                 cp \"$KCONFIG_ALLCONFIG\" /build/.config\n\
                 mkdir -p /build/include/config /build/arch/arm64/boot\n\
                 echo 1.0.0 >/build/include/config/kernel.release ;;\n\
                 *OUTPUT=*) : ;;\n\
                 *MO=*) : >/guest/built/modules.order ;;\n\
                 *)\n\
                 : >/build/modules.order\n\
                 echo '  CC      a.o'\n\
                 echo object >>/build/a.o\n\
                 {script}\n\
                 echo image >/build/arch/arm64/boot/Image ;;\n\
                 esac"
            ),
        )
    }

    /// What the guest says.
    fn qemu(&self, script: &str) -> Result<()> {
        self.fake(
            "qemu-system-aarch64",
            &format!(
                "case $* in\n\
                 *--version*) echo version 99.0 ;;\n\
                 *dumpdtb*) : ;;\n\
                 *) {script} ;;\n\
                 esac"
            ),
        )
    }
}

/// How a run ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// The run failed with this one message.
    fn failed(&self, words: &[&str]) -> Result<()> {
        let errors: Vec<&str> = self
            .err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        ensure!(self.code == Some(1), "{self:?}");
        ensure!(errors.len() == 1, "{self:?}");
        // The message may go on in lines of its own.
        let (_, message) = self.err.split_once("error: ").unwrap_or_default();
        for word in words {
            ensure!(message.contains(word), "{word:?} is not in {message:?}");
        }
        Ok(())
    }

    fn succeeded(&self) -> Result<()> {
        ensure!(self.code == Some(0), "{self:?}");
        Ok(())
    }
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    Ok(output)
}

fn finish(mut child: Child) -> Result<Said> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
            bail!("it hangs: {:?}", child.wait_with_output()?);
        }
        sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output()?;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Ctrl-C, and that no process was left which has this in its command line.
fn interrupt(child: Child, left: impl AsRef<OsStr>) -> Result<Said> {
    run(Command::new("kill").arg("-INT").arg(child.id().to_string()))?;
    let said = finish(child)?;
    ensure!(said.code == Some(130), "{said:?}");
    ensure!(said.err.lines().last() == Some("interrupted"), "{said:?}");
    let left = left.as_ref().as_encoded_bytes();
    let start = Instant::now();
    while runs(left)? {
        ensure!(
            start.elapsed() < Duration::from_secs(5),
            "a process was left"
        );
        sleep(Duration::from_millis(20));
    }
    Ok(said)
}

/// Whether a process has this in its command line.
fn runs(part: &[u8]) -> Result<bool> {
    let is_in = |line: &Vec<u8>| line.windows(part.len()).any(|it| it == part);
    Ok(processes()?.iter().any(is_in))
}

/// All command lines.
fn processes() -> Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir("/proc")?.flatten();
    Ok(entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .collect())
}

#[test]
fn unknown_machine_scenario_or_binding() -> Result<()> {
    let day = Day::new()?;
    for verb in ["boot", "demo", "shell"] {
        day.lab(&[verb, "--machine", "pdp11"])?
            .failed(&["unknown machine 'pdp11'", "amd-versal-virt"])?;
        day.lab(&[verb, "--compatible", "x"])?
            .failed(&["no compatible 'x'", "cdns,qspi-nor"])?;
    }
    for verb in ["boot", "demo"] {
        day.lab(&[verb, "--scenario", "rain"])?
            .failed(&["unknown scenario 'rain'", "held-fd"])?;
    }
    for verb in ["boot", "shell"] {
        day.lab(&[verb, "--machine", "all"])?
            .failed(&["unknown machine 'all'"])?;
    }
    for verb in ["demo", "soak"] {
        day.lab(&[verb, "--machine", "all", "--compatible", "x"])?
            .failed(&["no machine has a compatible 'x'", "nuvoton,npcm845-fiu"])?;
        day.lab(&[verb, "--machine", "ast2600-evb", "--driver", "rust"])?
            .failed(&["ast2600-evb has no driver 'rust'"])?;
        day.lab(&[verb, "--compatible", "mobileye,eyeq5-ospi"])?
            .failed(&["with --driver rust only"])?;
    }
    day.lab(&["ab", "--machine", "npcm845-evb"])?
        .failed(&["npcm845-evb has no driver 'rust'"])?;
    day.lab(&["soak", "--ab", "--machine", "npcm845-evb"])?
        .failed(&["npcm845-evb has no driver 'rust'"])?;
    day.lab(&["soak", "--machine", "imx8mm-evk"])?
        .failed(&["imx8mm-evk has no flash: no FlexSPI model"])?;
    // Before anything was made or fetched.
    assert_eq!(day.cached("toolchain"), [""; 0]);
    Ok(())
}

#[test]
fn a_tree_that_is_no_kernel() -> Result<()> {
    let day = Day::new()?;
    fs::create_dir(day.path("empty"))?;
    let empty = day.path("empty").display().to_string();
    day.lab(&["fits", &empty])?
        .failed(&[&empty, "is no kernel tree", "--linux takes"])?;
    day.lab(&["tree", "--linux", "/nowhere"])?
        .failed(&["there is no kernel tree /nowhere"])?;
    assert_eq!(day.cached("local"), [""; 0]);
    Ok(())
}

#[test]
fn a_patch_that_does_not_apply() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?;
    let kernel = kernel.display().to_string();
    let file = day.path("clone/patches/2-mtd/0001-spi-three.patch");
    let good = fs::read_to_string(&file)?;
    fs::write(&file, good.replace("int three;", "int four;"))?;
    day.lab(&["tree", "--linux", &kernel])?
        .failed(&["patches/2-mtd/0001-spi-three.patch", "drivers/spi/spi.c:1"])?;
    assert!(!day.path("clone/linux").exists());
    let said = day.lab(&["fits", &kernel])?;
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("fails at drivers/spi/spi.c:1"),
        "{said:?}"
    );
    for wanted in [
        "on 1.0.0-local-",
        "1-fixes: 1 of 1 patches apply\n",
        "2-mtd: 0 of 1 patches apply; the last one fails\n",
    ] {
        assert!(said.out.contains(wanted), "{said:?}");
    }
    // Repaired, it goes on.
    fs::write(&file, good)?;
    day.lab(&["fits", &kernel])?.succeeded()?;
    day.lab(&["tree", "--linux", &kernel])?.succeeded()?;
    let spi = fs::read_to_string(day.path("clone/linux/drivers/spi/spi.c"))?;
    assert_eq!(spi, "int patched;\nint two;\nint last;\n");
    Ok(())
}

/// The patches and cover letters there are.
fn patches(day: &Day) -> Result<Vec<String>> {
    let root = day.path("clone/patches");
    let mut names = Vec::new();
    for folder in fs::read_dir(&root)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for file in fs::read_dir(&folder)? {
                let path = file?.path();
                names.push(path.strip_prefix(&root)?.display().to_string());
            }
        }
    }
    names.sort();
    Ok(names)
}

#[test]
fn commits_that_are_in_no_order() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?.display().to_string();
    day.lab(&["tree", "--linux", &kernel])?.succeeded()?;
    let linux = day.path("clone/linux");
    let git = |arguments: &[&str]| -> Result<String> {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(&linux)
            .args(["-c", "user.name=x", "-c", "user.email=x"]);
        let output = git.args(arguments).output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let trailers = || {
        git(&[
            "log",
            "--reverse",
            "--format=%(trailers:key=Series,valueonly)",
            "base..",
        ])
    };
    assert_eq!(trailers()?, "1-fixes\n\n2-mtd\n\n");

    // A commit without a trailer, and one of a series that there is not yet.
    let commit = |text: &str, message: &str| -> Result<()> {
        let text = format!("int patched;\nint two;\nint {text};\n");
        fs::write(linux.join("drivers/spi/spi.c"), text)?;
        git(&["commit", "--quiet", "--all", "--message", message]).map(drop)
    };
    commit("four", "spi: four\n\nAssisted-by: LLM")?;
    commit("five", "spi: five\n\nAssisted-by: LLM\nSeries: 3-new")?;
    day.lab(&["export"])?.succeeded()?;
    let wanted = [
        "1-fixes/0001-spi-one.patch",
        "2-mtd/0001-spi-three.patch",
        "2-mtd/0002-spi-four.patch",
        "2-mtd/cover-letter.txt",
        "3-new/0001-spi-five.patch",
    ];
    assert_eq!(patches(&day)?, wanted);
    let file = |name: &str| fs::read_to_string(day.path("clone/patches").join(name));
    for name in &wanted {
        assert!(!file(name)?.contains("Series:"), "{name}");
    }
    assert_eq!(file(wanted[3])?, COVER);
    let said = day.lab(&["tree", "--linux", &kernel])?;
    said.succeeded()?;

    // One that belongs further down, and names that are none: nothing is written.
    let before = file(wanted[2])?;
    for (message, said) in [
        (
            "spi: six\n\nAssisted-by: LLM\nSeries: 2-mtd",
            "\"spi: six\" of 2-mtd comes after a commit of 3-new",
        ),
        (
            "spi: six\n\nAssisted-by: LLM\nSeries: mtd",
            "\"spi: six\": says \"Series: mtd\"",
        ),
        (
            "spi: six and seven\n\nAssisted-by: LLM",
            "\"spi: six and seven\" has an \"and\"",
        ),
        ("fixup! spi: five", "is to be squashed"),
    ] {
        commit("six", message)?;
        day.lab(&["export"])?.failed(&[said])?;
        assert_eq!(patches(&day)?, wanted);
        assert_eq!(file(wanted[2])?, before);
        git(&["reset", "--quiet", "--hard", "HEAD^"])?;
    }

    // A series that is gone: its folder stays for the sake of its cover letter only.
    git(&["reset", "--quiet", "--hard", "HEAD~3"])?;
    day.lab(&["export"])?.succeeded()?;
    assert_eq!(patches(&day)?, [wanted[0], wanted[3]]);
    assert!(!day.path("clone/patches/3-new").exists());
    Ok(())
}

#[test]
fn series_that_are_not_there() -> Result<()> {
    let day = Day::new()?;
    day.lab(&["build", "--series", "3-spi"])?
        .failed(&["there is no series 3-spi; patches/ has 1-fixes, 2-mtd"])?;
    day.lab(&["tree", "--series", "2-mtd"])?
        .failed(&["linux/ has all series"])?;
    day.lab(&["export", "--series", "2-mtd"])?
        .failed(&["linux/ has all series"])?;
    assert_eq!(day.cached("toolchain"), [""; 0]);
    Ok(())
}

#[test]
fn a_full_disk() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?;
    // In a file system that has room but no more files, and one that has no room.
    let run = |place: &str, options: &str| -> Result<Said> {
        let mut unshare = Command::new("unshare");
        day.environment(&mut unshare)?;
        if !nix::unistd::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let script = format!(
            "mount -t tmpfs -o {options} none \"$DAY/{place}\" || exit 77\n\
             \"$0\" tree --linux \"$DAY/kernel\"; code=$?\n\
             ls \"$DAY/cache/cargo-lab\" | grep ^local- >&2\n\
             exit $code"
        );
        unshare.args(["--mount", "sh", "-c", &script]).arg(LAB);
        finish(unshare.spawn()?)
    };
    let said = run("cache", "size=1g")?;
    said.failed(&["needs 3 GiB free in", "cargo-lab", "XDG_CACHE_HOME"])?;
    assert!(!said.err.contains("local-"), "{said:?}");
    let said = run("cache", "size=8g,nr_inodes=60")?;
    let cache = day.path("cache/cargo-lab").display().to_string();
    said.failed(&["the disk is full", &cache, "make room", "XDG_CACHE_HOME"])?;
    // Only what is under a temporary name, which the next run removes.
    let left = said.err.lines().filter(|line| line.starts_with("local-"));
    assert!(left.clone().all(|line| line.ends_with(".tmp")), "{said:?}");
    assert!(!day.path("clone/linux").exists());
    fs::create_dir_all(day.path("clone/out"))?;
    let said = run("clone/out", "size=8g,nr_inodes=40")?;
    let out = day.path("clone/out").display().to_string();
    said.failed(&["the disk is full", &out, "make room"])?;
    assert!(!day.path("clone/linux").exists());
    let said = run("cache", "size=8g")?;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(day.path("clone/linux/drivers/spi/spi.c").exists());
    let kernel = kernel.display().to_string();
    day.lab(&["fits", &kernel])?.succeeded()
}

#[test]
fn an_index_that_cannot_be_reached() -> Result<()> {
    let day = Day::new()?;
    day.mirror("echo 'E: Failed to fetch' >&2; exit 100", ":", ":")?;
    day.lab(&["tree"])?.failed(&[
        "cannot download Debian's package lists",
        "network",
        "--linux",
    ])?;
    // No mirror at all, neither configured nor mmdebstrap's.
    fs::remove_dir_all(day.path("mirror/dists/trixie"))?;
    day.fake(
        "mmdebstrap",
        "#!/usr/bin/perl\nprint STDERR \"LAB: deb file:///nowhere trixie main\\n\"; exit 1;\n",
    )?;
    day.lab(&["tree"])?
        .failed(&["no mirror", "file:///nowhere", "network", "--linux"])?;
    assert_eq!(day.cached("linux-"), [""; 0]);
    Ok(())
}

#[test]
fn a_machine_whose_apt_knows_no_debian_mirror() -> Result<()> {
    let day = Day::new()?;
    let deb = day.package()?.display().to_string();
    day.mirror(":", "echo 'x | 1 | y'", &format!("cp {deb} ."))?;
    // As on Ubuntu; mmdebstrap knows where Debian is.
    let apt = fs::read_to_string(day.path("bin/apt-get"))?;
    let ubuntu = apt.replace(
        "echo \"file://$DAY/mirror Debian\"",
        "echo 'http://archive.invalid/ubuntu/ Ubuntu'",
    );
    day.fake("apt-get", &ubuntu)?;
    day.fake(
        "mmdebstrap",
        "#!/usr/bin/perl\n\
         print STDERR \"LAB: deb file://$ENV{DAY}/mirror trixie main\\n\"; exit 1;\n",
    )?;
    let said = day.lab(&["tree"])?;
    said.succeeded()?;
    let mirror = format!(
        "Looking for a Debian mirror: file://{}",
        day.path("mirror").display()
    );
    assert!(said.err.contains(&mirror), "{said:?}");
    Ok(())
}

#[test]
fn a_source_package_that_is_gone() -> Result<()> {
    let day = Day::new()?;
    day.mirror(":", ":", ":")?;
    day.lab(&["tree"])?.failed(&[
        "trixie-backports has no linux-source-7.3",
        "--linux",
        "tarball",
        "_*.deb",
    ])?;
    // And the ways on that it names are some.
    let deb = day.package()?.display().to_string();
    day.lab(&["fits", &deb])?.succeeded()?;
    let tarball = day.path("package/usr/src/linux-source-7.3.tar.xz");
    day.lab(&["fits", &tarball.display().to_string()])?
        .succeeded()
}

#[test]
fn an_interrupted_download() -> Result<()> {
    let day = Day::new()?;
    let hang = format!("echo half >half.deb; touch $DAY/started; sleep {}", long(1));
    day.mirror(":", "echo 'x | 1 | y'", &hang)?;
    let lab = day.start(&["tree"])?;
    day.wait_for("started")?;
    // Meanwhile nobody else gets in.
    let holder = format!("process {}", lab.id());
    day.lab(&["tree"])?.failed(&[
        "another `cargo lab`",
        &holder,
        "wait for it",
        "second clone",
    ])?;
    interrupt(lab, long(1))?;
    assert_eq!(day.cached("linux-"), [""; 0]);
    assert!(!day.path("clone/linux").exists());
    let deb = day.package()?.display().to_string();
    day.mirror(":", "echo 'x | 1 | y'", &format!("cp {deb} ."))?;
    day.lab(&["tree"])?.succeeded()?;
    assert_eq!(day.cached("linux-"), ["linux-1"]);
    assert!(day.path("clone/linux/drivers/spi/spi.c").exists());
    Ok(())
}

#[test]
fn an_interrupted_and_an_endless_build() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?.display().to_string();
    day.host_tools()?;
    day.make(&format!("sleep {}", long(2)))?;
    let build = ["build", "--toolchain", "host", "--linux", &kernel];
    let mut limited = build.to_vec();
    limited.extend(["--build-minutes", "0.02"]);
    day.lab(&limited)?
        .failed(&["longer than 1.2 s", "is kept", "--build-minutes"])?;
    let objects = day.path("clone/out/local/build/patched-arm64-kasan/a.o");
    assert_eq!(fs::read_to_string(&objects)?, "object\n");
    let started = day.path("clone/out/local/build/patched-arm64-kasan/started");
    day.make(&format!("touch /build/started; sleep {}", long(2)))?;
    let lab = day.start(&build)?;
    day.wait_for("clone/out/local/build/patched-arm64-kasan/started")?;
    interrupt(lab, long(2))?;
    assert!(!started.with_file_name("lab-stamp.json").exists());
    day.make(":")?;
    let said = day.lab(&build)?;
    said.succeeded()?;
    // It went on with what was there.
    assert_eq!(fs::read_to_string(&objects)?, "object\nobject\nobject\n");
    let said = day.lab(&build)?;
    said.succeeded()?;
    assert!(!said.err.contains("Building"), "{said:?}");
    Ok(())
}

#[test]
fn an_interrupted_boot() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?.display().to_string();
    day.host_tools()?;
    day.qemu(&format!("echo booting; sleep {}", long(3)))?;
    let boot = ["boot", "--toolchain", "host", "--linux", &kernel];
    let lab = day.start(&boot)?;
    let log = "clone/out/boot/amd-versal-virt/intel-socfpga-qspi/control/patched/console.log";
    let start = Instant::now();
    while fs::read_to_string(day.path(log)).unwrap_or_default() != "booting\n" {
        ensure!(start.elapsed() < PATIENCE, "it does not boot");
        sleep(Duration::from_millis(10));
    }
    interrupt(lab, long(3))?;
    // QEMU that does not start, and then a guest that does all right.
    day.qemu("echo 'cannot set up guest memory' >&2; exit 1")?;
    let said = day.lab(&boot)?;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("QEMU ended by itself") && said.out.contains("guest memory"),
        "{said:?}"
    );
    day.qemu(
        "set -- /boot/images/*; sum=$(sha256sum \"$1\")\n\
         echo \"LAB: control mtd0 16777216 ${sum%% *}\"; echo 'LAB: done'",
    )?;
    let said = day.lab(&boot)?;
    said.succeeded()?;
    assert!(
        said.out.contains("data of the whole flash: right"),
        "{said:?}"
    );
    Ok(())
}

#[test]
fn an_interrupted_demo_shows_the_rows_it_had() -> Result<()> {
    let day = Day::new()?;
    let kernel = day.kernel("kernel")?.display().to_string();
    day.host_tools()?;
    let demo = "demo --scenario held-fd --toolchain host --linux";
    let demo: Vec<_> = demo.split(' ').chain([kernel.as_str()]).collect();
    // The guests of the first row, on stock, end by themselves; it is tried three times.
    let boots = day.path("clone/out/boot/boots");
    day.qemu(&format!(
        "echo boot >>{boots}; if test $(wc -l <{boots}) -gt 3; then sleep {}; fi",
        long(4),
        boots = boots.display()
    ))?;
    fs::create_dir_all(day.path("clone/out/boot"))?;
    let mut lab = day.start(&demo)?;
    let start = Instant::now();
    while !runs(long(4).as_bytes())? {
        ensure!(start.elapsed() < PATIENCE, "the second row does not boot");
        if lab.try_wait()?.is_some() {
            bail!("it ended: {:?}", finish(lab)?);
        }
        sleep(Duration::from_millis(20));
    }
    let said = interrupt(lab, long(4))?;
    assert!(said.out.contains("inconclusive"), "{said:?}");
    let counted = "stopped: 0 of 1 rows until then as they should be";
    assert!(said.out.contains(counted), "{said:?}");
    assert!(said.err.contains("held-fd: interrupted"), "{said:?}");
    Ok(())
}

#[test]
fn qemu_is_missing() -> Result<()> {
    let day = Day::new()?;
    day.host_tools()?;
    day.fake("qemu-system-aarch64", "exit 127")?;
    day.lab(&["boot", "--toolchain", "host"])?.failed(&[
        "this machine lacks",
        "qemu-system-aarch64",
        "apt-get install qemu-system-arm",
    ])
}

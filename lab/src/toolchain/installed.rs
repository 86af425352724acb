//! `--toolchain host`: what the machine itself has to build and boot with, and what it
//! lacks, in one message.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Result, bail};

use crate::base::{interrupt, process};
use crate::toolchain::versions::at_least;

/// A program of the machine.
struct Tool {
    name: &'static str,
    lowest: &'static [u32],
    /// Debian's package.
    package: &'static str,
    /// One of LLVM's, which may all have a version in their names.
    llvm: bool,
}

const fn tool(name: &'static str, lowest: &'static [u32], package: &'static str) -> Tool {
    Tool {
        name,
        lowest,
        package,
        llvm: false,
    }
}

const fn llvm(name: &'static str, package: &'static str) -> Tool {
    Tool {
        name,
        // What the kernel's scripts/min-tool-version.sh says.
        lowest: &[17],
        package,
        llvm: true,
    }
}

const TOOLS: &[Tool] = &[
    llvm("clang", "clang"),
    llvm("ld.lld", "lld"),
    llvm("llvm-ar", "llvm"),
    llvm("llvm-nm", "llvm"),
    llvm("llvm-objcopy", "llvm"),
    tool("rustc", &[1, 85], "rustc"),
    tool("bindgen", &[0, 71], "bindgen"),
    tool("make", &[4], "make"),
    tool("ccache", &[], "ccache"),
    tool("bison", &[], "bison"),
    tool("flex", &[], "flex"),
    tool("bc", &[], "bc"),
    tool("perl", &[], "perl"),
    tool("python3", &[3, 9], "python3"),
    tool("dtc", &[], "device-tree-compiler"),
    tool("qemu-system-aarch64", &[11], "qemu-system-arm"),
];

/// Headers that the compiler has to find, and for which target.
const HEADERS: &[(&str, &str, &str)] = &[
    ("stdio.h", "aarch64-linux-gnu", "libc6-dev-arm64-cross"),
    ("stdio.h", "", "libc6-dev"),
    ("gelf.h", "", "libelf-dev"),
    ("openssl/ssl.h", "", "libssl-dev"),
];

/// Suffixes that LLVM's programs may have, in the order of preference.
const SUFFIXES: &[&str] = &["", "-19", "-22", "-21", "-20", "-18", "-17"];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// First line of each `--version`, by the tool's name.
    pub versions: BTreeMap<String, String>,
    pub suffix: String,
}

/// What a program prints when it succeeds.
pub fn run(program: &str, arguments: &[&str]) -> Option<String> {
    process::output(Command::new(program).args(arguments)).ok()
}

/// Runs a program as [`run`] does.
type Run<'a> = &'a dyn Fn(&str, &[&str]) -> Option<String>;

/// The first line of `--version` with a number in it: some begin with a name alone.
fn version(run: Run, program: &str) -> Option<String> {
    let said = run(program, &["--version"])?;
    let numbered = |line: &&str| line.contains(|c: char| c.is_ascii_digit());
    said.lines()
        .find(numbered)
        .map(|line| line.trim().to_owned())
}

/// Looks for everything that builds and boots need.
pub fn find(run: Run) -> Result<Found> {
    let found = look(run);
    interrupt::check_interrupted()?;
    found
}

fn look(run: Run) -> Result<Found> {
    let version = |program: &str| version(run, program);
    let newest_enough = |suffix: &&&str| {
        version(&format!("clang{suffix}")).is_some_and(|line| at_least(&line, &[17]))
    };
    let suffix = SUFFIXES.iter().find(newest_enough).copied().unwrap_or("");
    let mut versions = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut packages = Vec::new();
    for tool in TOOLS {
        let name = match tool.llvm {
            true => format!("{}{suffix}", tool.name),
            false => tool.name.to_owned(),
        };
        let needed = match tool.lowest {
            [] => String::new(),
            lowest => {
                let numbers: Vec<String> = lowest.iter().map(u32::to_string).collect();
                format!(" {} or later", numbers.join("."))
            }
        };
        match version(&name) {
            Some(line) if at_least(&line, tool.lowest) => {
                versions.insert(tool.name.to_owned(), line);
                continue;
            }
            Some(line) => wrong.push(format!("{name}{needed} (it is: {line})")),
            None => wrong.push(format!("{name}{needed}")),
        }
        packages.push(tool.package);
    }
    for (header, target, package) in HEADERS {
        let mut arguments = vec!["-E", "-x", "c", "-include", header, "/dev/null"];
        let target = format!("--target={target}");
        if !target.ends_with('=') {
            arguments.push(&target);
        }
        // Without a compiler there is nothing to say about headers.
        if versions.contains_key("clang") && run(&format!("clang{suffix}"), &arguments).is_none() {
            wrong.push(match target.ends_with('=') {
                true => format!("the header {header}"),
                false => format!("the header {header} for {}", &target["--target=".len()..]),
            });
            packages.push(package);
        }
    }
    if !wrong.is_empty() {
        packages.dedup();
        bail!(
            "this machine lacks, for --toolchain host: {}; apt-get install {} (Debian); without that \
             option the lab makes a toolchain of its own",
            wrong.join(", "),
            packages.join(" ")
        );
    }
    Ok(Found {
        versions,
        suffix: suffix.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::*;

    /// A directory with programs that print a version.
    fn programs(list: &[(&str, &str)]) -> Result<tempfile::TempDir> {
        let dir = tempfile::tempdir()?;
        for (name, version) in list {
            let file = dir.path().join(name);
            fs::write(
                &file,
                format!("#!/bin/sh\necho program, version {version}\n"),
            )?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        Ok(dir)
    }

    fn look_in(dir: &Path) -> Result<Found> {
        look(&|program, arguments| {
            let file: PathBuf = dir.join(program);
            file.exists()
                .then(|| run(&file.to_string_lossy(), arguments))?
        })
    }

    const GOOD: &[(&str, &str)] = &[
        ("rustc", "1.95.0"),
        ("bindgen", "0.71.1"),
        ("make", "4.4"),
        ("ccache", "4.1"),
        ("bison", "3.8"),
        ("flex", "2.6"),
        ("bc", "1.07"),
        ("perl", "5.40"),
        ("python3", "3.13"),
        ("dtc", "1.7"),
        ("qemu-system-aarch64", "11.1.3"),
    ];
    const LLVM: &[&str] = &["clang", "ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"];

    #[test]
    fn all_that_is_missing_or_old_is_in_one_message() -> Result<()> {
        let dir = programs(&[("rustc", "1.60.0"), ("make", "4.3"), ("clang", "14.0.6")])?;
        let said = look_in(dir.path()).map_err(|error| error.to_string());
        let said = said.err().unwrap_or_default();
        for words in [
            "clang 17 or later (it is: program, version 14.0.6)",
            "ld.lld 17 or later,",
            "rustc 1.85 or later (it is",
            "qemu-system-aarch64 11 or later",
            "ccache,",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains(", make"), "{said}");
        assert_eq!(said.lines().count(), 1);
        Ok(())
    }

    #[test]
    fn llvm_may_have_its_version_in_its_names() -> Result<()> {
        let mut list = GOOD.to_vec();
        let names: Vec<String> = LLVM.iter().map(|it| format!("{it}-21")).collect();
        list.extend(names.iter().map(|it| (it.as_str(), "21.1.0")));
        // Too old: it is passed over.
        list.push(("clang", "14.0.6"));
        let found = look_in(programs(&list)?.path())?;
        assert_eq!(found.suffix, "-21");
        assert_eq!(found.versions["clang"], "program, version 21.1.0");
        assert_eq!(found.versions.len(), TOOLS.len());
        Ok(())
    }

    #[test]
    fn headers_are_tried() -> Result<()> {
        let mut list = GOOD.to_vec();
        list.extend(LLVM.iter().map(|it| (*it, "19.1.0")));
        let dir = programs(&list)?;
        let clang = dir.path().join("clang");
        let script = "#!/bin/sh\ncase $* in *gelf.h*) exit 1;; esac\necho clang 19.1\n";
        fs::write(&clang, script)?;
        let said = look_in(dir.path()).map_err(|error| error.to_string());
        let said = said.err().unwrap_or_default();
        assert!(
            said.contains(
                "lacks, for --toolchain host: the header gelf.h; apt-get install \
                           libelf-dev "
            ),
            "{said}"
        );
        Ok(())
    }
}

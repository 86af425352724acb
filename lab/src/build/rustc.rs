//! The kernel's Rust compiler outside kbuild: with the flags, and against the `kernel`
//! crate, of a build that there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::build::kernel::Kernel;
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// What `scripts/Makefile.build` lets drivers use, beside the flags that the `kernel`
/// crate itself is built with.
const FEATURES: &str = "arbitrary_self_types,asm_goto,generic_arg_infer,used_with_arg";

/// A kernel build whose `kernel` crate others can be compiled against.
#[derive(Clone, Debug)]
pub struct Crates {
    source_dir: PathBuf,
    build_dir: PathBuf,
    /// Those of the `kernel` crate that say nothing of that crate itself.
    flags: Vec<String>,
}

impl Crates {
    /// An error for a build without Rust.
    pub fn of(kernel: &Kernel) -> Result<Self> {
        let build_dir = build_dir(kernel)?;
        let file = build_dir.join("rust/.kernel.o.cmd");
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "{} was built without Rust: there is no {}",
                kernel.config,
                file.display()
            )
        })?;
        Ok(Self {
            source_dir: kernel.source_dir.clone(),
            build_dir,
            flags: flags(&text).with_context(|| format!("in {}", file.display()))?,
        })
    }

    /// `program`, rustc as a rule, with the flags of the kernel in its build directory,
    /// which it cannot write; `dir` is /cases to it.
    pub fn command(&self, lab: &Lab, program: &str, dir: &Path) -> Command {
        let binds = [
            Bind::read_only(&self.source_dir, "/linux"),
            Bind::read_only(&self.build_dir, "/build"),
            Bind::writable(dir, "/cases"),
        ];
        let mut command = lab.toolchain.command(&binds, "sh");
        command
            .env("OBJTREE", "/build")
            // The kernel uses unstable features of a stable compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["-c", "cd /build && exec \"$@\"", "sh", program])
            .args(&self.flags);
        command
    }

    /// rustc for a module like a driver's, that uses the `kernel` crate.
    pub fn driver(&self, lab: &Lab, dir: &Path) -> Command {
        let mut command = self.command(lab, "rustc", dir);
        command
            .env("RUST_MODFILE", "lab/case")
            .arg(format!("-Zallow-features={FEATURES}"))
            .arg("-Zcrate-attr=no_std")
            .arg(format!("-Zcrate-attr=feature({FEATURES})"))
            .args(["--extern", "pin_init", "--extern", "kernel"])
            .args(["--crate-type", "rlib", "-L./rust"]);
        command
    }
}

/// Where a kernel was built. Its image is not at the same depth for every architecture.
pub fn build_dir(kernel: &Kernel) -> Result<PathBuf> {
    kernel
        .image
        .ancestors()
        .find(|dir| dir.join("include/config").is_dir())
        .map(Path::to_owned)
        .with_context(|| format!("{} is in no build directory", kernel.image.display()))
}

/// The flags in kbuild's record of how the `kernel` crate was compiled, without inputs,
/// outputs, and the crates that it is made of.
fn flags(record: &str) -> Result<Vec<String>> {
    let command = record
        .lines()
        .find_map(|line| line.strip_prefix("savedcmd_rust/kernel.o := "))
        .context("there is no command for rust/kernel.o")?;
    if command.contains(['\'', '"', '\\']) {
        bail!("the command for rust/kernel.o has quotes, which this does not understand");
    }
    let mut words = command
        .split(';')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip_while(|word| *word != "rustc")
        .skip(1);
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--extern" | "--crate-type" | "--crate-name" => {
                words.next();
            }
            word if word.starts_with("--emit=")
                || word.starts_with("-L")
                || word.ends_with(".rs") => {}
            word => flags.push(word.to_owned()),
        }
    }
    if flags.is_empty() {
        bail!("the command for rust/kernel.o does not run rustc");
    }
    Ok(flags)
}

/// A message of rustc with `--error-format=json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Diagnostic {
    pub level: String,
    pub message: String,
    code: Option<Code>,
    #[serde(default)]
    pub spans: Vec<Span>,
    pub rendered: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Code {
    code: String,
}

/// Where a message points.
#[derive(Clone, Debug, Deserialize)]
pub struct Span {
    pub file_name: String,
    pub line_start: usize,
    pub is_primary: bool,
}

impl Diagnostic {
    /// `E0597`, or the name of a lint.
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(|code| code.code.as_str())
    }

    /// What rustc says at the end, of no place.
    pub fn is_summary(&self) -> bool {
        self.code.is_none() && self.spans.is_empty()
    }
}

/// Every line must be a message, or none of what was found can be relied on.
pub fn diagnostics(said: &str) -> Result<Vec<Diagnostic>> {
    said.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).with_context(|| format!("rustc says: {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_any_crate() -> Result<()> {
        let record = "savedcmd_rust/kernel.o :=  OBJTREE=/build rustc --edition=2021 \
                      @./include/generated/rustc_cfg --extern ffi --emit=obj=rust/kernel.o \
                      --crate-type rlib -L./rust --crate-name kernel /linux/rust/kernel/lib.rs \
                      --sysroot=/dev/null ; objtool --x rust/kernel.o\n\nsource_rust/kernel.o :=\n";
        assert_eq!(
            flags(record)?,
            [
                "--edition=2021",
                "@./include/generated/rustc_cfg",
                "--sysroot=/dev/null"
            ]
        );
        assert!(flags("savedcmd_rust/core.o := rustc x").is_err());
        assert!(flags("savedcmd_rust/kernel.o := rustc 'a b'").is_err());
        Ok(())
    }

    #[test]
    fn messages_are_read() -> Result<()> {
        let said = concat!(
            r#"{"level":"error","message":"m","code":{"code":"E0597","explanation":null},"#,
            r#""spans":[{"file_name":"/cases/a.rs","line_start":7,"is_primary":true}],"#,
            r#""rendered":"error[E0597]: m"}"#,
            "\n",
            r#"{"level":"error","message":"aborting","code":null,"spans":[],"rendered":null}"#,
        );
        let read = diagnostics(said)?;
        assert_eq!(read[0].code(), Some("E0597"));
        assert_eq!(read[0].spans[0].line_start, 7);
        assert!(!read[0].is_summary() && read[1].is_summary());
        assert!(diagnostics("error: no such file").is_err());
        Ok(())
    }
}

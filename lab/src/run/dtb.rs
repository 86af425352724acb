//! Device trees: QEMU's own, one of the kernel that is booted, or one of the lab's, with
//! the node of the controller under test appended.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regex::{Captures, Regex};

use crate::base::process;
use crate::data::machine::{Base, Compatible, Machine};
use crate::lab::Lab;
use crate::toolchain::enter::Bind;

/// The trees of a kernel's source, by architecture, and what they include.
const PREFIXES: &str = "scripts/dtc/include-prefixes";

/// Writes `machine.dtb` into `dir`, and what it was made from beside it. `source_dir` is
/// the source of the kernel that is booted; `more` are files of `lab/data/dts/` that come
/// after the machine's.
pub fn build(
    lab: &Lab,
    machine: &Machine,
    compatible: &Compatible,
    more: &[String],
    source_dir: &Path,
    dir: &Path,
) -> Result<PathBuf> {
    let base = match &machine.device_tree.base {
        Base::Qemu => dumped(lab, machine, dir)?,
        Base::Kernel(name) => {
            let file = source_dir.join(PREFIXES).join(name);
            if !file.is_file() {
                bail!("the kernel has no device tree {name}: {}", file.display());
            }
            format!("#include \"{name}\"\n")
        }
        Base::File(name) => filled_in(lab, machine, compatible, name)?,
    };
    let mut source = base;
    for name in machine.device_tree.append.iter().chain(more) {
        source.push_str(&filled_in(lab, machine, compatible, name)?);
    }
    let path = dir.join("machine.dts");
    std::fs::write(&path, source).with_context(|| format!("cannot write {}", path.display()))?;

    let inside = [
        Bind::writable(dir, "/boot/machine"),
        Bind::read_only(source_dir, "/boot/linux"),
    ];
    let in_dir = |name: &str| format!("/boot/machine/{name}");
    let include = format!("-I/boot/linux/{PREFIXES}");
    let wrong = || format!("{} is wrong", path.display());
    // As the kernel's own makefiles do it.
    let mut preprocess = lab.toolchain.command(&inside, &lab.toolchain.clang());
    preprocess
        .args(["-E", "-nostdinc", "-undef", "-D__DTS__", "-x"])
        .args(["assembler-with-cpp", &include, "-o"])
        .args([in_dir("machine.dts.tmp"), in_dir("machine.dts")]);
    process::output(&mut preprocess).with_context(wrong)?;
    let mut compile = lab.toolchain.command(&inside, "dtc");
    compile.args(["-q", "-I", "dts", "-O", "dtb", "-o"]);
    compile.args([in_dir("machine.dtb"), in_dir("machine.dts.tmp")]);
    process::output(&mut compile).with_context(wrong)?;
    Ok(dir.join("machine.dtb"))
}

/// QEMU's own tree as source.
fn dumped(lab: &Lab, machine: &Machine, dir: &Path) -> Result<String> {
    let inside = [Bind::writable(dir, "/boot/machine")];
    let dtb = "/boot/machine/qemu.dtb";
    let mut dump = lab.toolchain.command(&inside, machine.arch.qemu());
    dump.args(&machine.qemu)
        .args(["-display", "none", "-machine"])
        .arg(format!("dumpdtb={dtb}"));
    process::output(&mut dump)
        .with_context(|| format!("QEMU gives no device tree for {}", machine.name))?;
    let mut decompile = lab.toolchain.command(&inside, "dtc");
    decompile.args(["-q", "-I", "dtb", "-O", "dts", dtb]);
    process::output(&mut decompile)
}

/// A file of `lab/data/dts/` with its words replaced.
fn filled_in(lab: &Lab, machine: &Machine, compatible: &Compatible, name: &str) -> Result<String> {
    let file = lab.paths.data().join("dts").join(name);
    let template = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    fill_in(&template, machine, compatible)
        .with_context(|| format!("{} with machine {}", file.display(), machine.name))
}

/// Replaces `@compatible@`, `@partitions@` and the machine's own words.
fn fill_in(template: &str, machine: &Machine, compatible: &Compatible) -> Result<String> {
    let list: Vec<_> = compatible
        .list
        .iter()
        .map(|it| format!("\"{it}\""))
        .collect();
    let list = list.join(", ");
    let partition = machine.flash.as_ref().and_then(|flash| flash.partition);
    let mut unknown = None;
    let text = Regex::new("@([a-z-]+)@")?.replace_all(template, |found: &Captures| {
        let word = &found[1];
        match machine.device_tree.values.get(word) {
            _ if word == "compatible" => list.clone(),
            _ if word == "partitions" => partition.map_or_else(String::new, partitions),
            Some(value) => value.clone(),
            None => {
                unknown = Some(word.to_owned());
                String::new()
            }
        }
    });
    let text = text.into_owned();
    match unknown {
        Some(word) => bail!("no value for @{word}@"),
        None => Ok(text),
    }
}

/// The only partition of a flash, `size` bytes from its start.
fn partitions(size: usize) -> String {
    format!(
        "partitions {{
	compatible = \"fixed-partitions\";
	#address-cells = <1>;
	#size-cells = <1>;

	partition@0 {{
		label = \"start\";
		reg = <0x0 {size:#x}>;
	}};
}};"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Result<Machine> {
        Ok(toml::from_str(include_str!(
            "../../data/machines/amd-versal-virt.toml"
        ))?)
    }

    #[test]
    fn words_are_filled_in() -> Result<()> {
        let machine = machine()?;
        let text = fill_in(
            "c = @compatible@; i = <0 @irq@ 4>; f@0",
            &machine,
            &machine.compatible[0],
        )?;
        let expected = "c = \"intel,socfpga-qspi\", \"cdns,qspi-nor\"; i = <0 124 4>; f@0";
        assert_eq!(text, expected);
        Ok(())
    }

    #[test]
    fn a_partition_is_as_large_as_the_machine_says() -> Result<()> {
        let mut machine = machine()?;
        let node = |machine: &Machine| fill_in("@partitions@", machine, &machine.compatible[0]);
        assert_eq!(node(&machine)?, "");
        let flash = machine.flash.as_mut().context("no flash")?;
        flash.partition = Some(0x40_0000);
        assert!(node(&machine)?.contains("reg = <0x0 0x400000>;"));
        Ok(())
    }

    #[test]
    fn a_word_without_a_value_is_an_error() -> Result<()> {
        let machine = machine()?;
        let error = fill_in("@reg@", &machine, &machine.compatible[0]);
        assert!(error.is_err_and(|error| error.to_string().contains("@reg@")));
        Ok(())
    }
}

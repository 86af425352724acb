//! Texts for a board's owner.

use anyhow::Result;

use crate::board::devicetree::Found;
use crate::board::expected::{Expected, Program};
use crate::board::uboot::{self, INITRAMFS, UBoot};
use crate::build::kernel::Kernel;
use crate::build::variant::Variant;
use crate::data::board::Board;
use crate::lab::Lab;

pub fn readme(
    lab: &Lab,
    board: &Board,
    kernel: &Kernel,
    found: &Found,
    expected: &Expected,
    uboot: &UBoot,
) -> Result<String> {
    let indent = |lines: &[String]| {
        let lines: Vec<_> = lines.iter().map(|line| format!("    {line}")).collect();
        lines.join("\n")
    };
    let tftp = indent(&uboot.commands).replace('@', "");
    let mut sd = uboot::load_commands(board, &format!("load {}", board.sd), "", "");
    sd.extend(uboot::last_commands(board));
    let count = |program: &Program| format!("{} ({} tests)", program.name, program.tests.len());
    let programs: Vec<_> = expected.programs.iter().map(count).collect();
    let skipped: usize = expected.programs.iter().map(|it| it.may_skip.len()).sum();
    let which = match kernel.variant {
        Variant::Stock => {
            "The kernel is STOCK, without the series: it is expected to crash or to report an \
             error\nonce the flash is unbound. That may take the machine down."
        }
        _ => "The kernel has the series of this repository.",
    };
    let notes = match board.notes.trim() {
        "" => String::new(),
        notes => format!("\n{notes}\n"),
    };
    let versions: Vec<String> = lab
        .toolchain
        .versions()?
        .into_iter()
        .filter(|(name, _)| ["clang", "ld.lld"].contains(&name.as_str()))
        .map(|(_, version)| format!("    {version}"))
        .collect();
    Ok(format!(
        "{title}: unbinding the flash while it is read
{line}

BUILT, NOT BOOTED. This was compiled and checked as far as can be without the board; as
far as its makers know, it has not run on one. Please report what it does.

What is here
    {image:<width$} Linux {release} for arm64 with KASAN and lockdep, {variant}
    {blob:<width$} the board's own device tree, as that kernel's source has it
    {INITRAMFS:<width$} everything else: tests, modules, busybox. Nothing is installed
    {modules:<width$} the modules once more, for those who want to look
    {judge:<width$} reads the serial console and says whether the run passed
    {farms:<width$} the same for farms of boards
    SHA256SUMS

{which}
Source {source}, configuration {config} {sha}.
{versions}

What was checked
    {blob} has an enabled flash on an enabled controller \"{controller}\":
{flashes}
    its stdout-path is the console that the kernel is told to use ({console});
    the kernel, or a module, has a driver for each node that flash and console depend on
    (clocks, resets, pins, power domains, DMA, firmware), by the binding's name;
    kernel, device tree and initramfs overlap neither each other, where U-Boot is told to
    put them, nor memory that the device tree reserves.

Which flash, and what happens to it
{flash}

The tests unbind the driver of the first MTD that nobody uses, which here is any: nothing
is mounted. They read it, unbind and bind its driver and that of its controller, and
compare what they read. NOTHING IS WRITTEN, and nothing erased. The whole MTD is read
before and after, and has to be the same.
{notes}
Serial console: {speed}, 8n1. Start with the board at the prompt of U-Boot.

Over the network (put the files where the TFTP server finds them; `setenv serverip ADDRESS`
after dhcp if that does not tell):

{tftp}
    {start}

From an SD card, with the three files on its first partition (\"{sd_part}\"; on a card that
the board also boots from, that may be another: `part list mmc {mmc}` shows them):

{sd}
    {start}

Neither changes U-Boot's environment, unless you type saveenv.

What to expect
Lines that begin with \"LAB:\" and \"#\" and the results, among what the kernel says:

    LAB: control mtd0 SIZE SHA256        the whole flash, before
    LAB: start unbind_busy
    TAP version 13
    1..14
    ok 1 flash.op_in_flight.readers_were_inside
    ...
    LAB: end unbind_busy 0
    ... the same for unbind_idle ...
    LAB: final mtd0 SIZE SHA256          the same once more
    LAB: done

{programs}.
Keep the console in a file, from power on, and run

    python3 judge.py FILE

It says \"passed\" only if every test is there and passed; {skipped} tests that would write
are skipped, which it counts and allows, and no other may be. A report of the kernel (BUG,
WARNING, KASAN, ...) after the first unbind fails the run. \"inconclusive\" means that
other tests were skipped, or that nothing was unbound: the flash was not found, for
instance; lines that begin with \"LAB: waiting\" then name devices that wait for others. After \"LAB: done\" there is a shell;
`exit` restarts the board. It may be switched off at any time.

With care
`MTD_TEST_DESTRUCTIVE=1`, added to bootargs, makes unbind_idle try to write and to erase
through file descriptors whose flash is gone, which a right kernel refuses. A wrong one
changes the flash: only for a flash with nothing of value in it, not even a boot loader.
`MTD_TEST_DEVICE=mtd1` takes another MTD, `MTD_TEST_CYCLES=100` more cycles,
`LAB_PROGRAM=` nothing but the reading.

Farms of boards
labgrid/ has the same for labgrid ({labgrid} was used): fill in env.yaml, and

    cd labgrid && pytest --lg-env env.yaml test_unbind.py

It deploys, boots, and judges like judge.py. `cargo lab board --prove` runs the same test on
QEMU: with a flash, where QEMU loads the kernel, and without one, where U-Boot does.
",
        image = "Image",
        modules = "modules/",
        judge = "judge.py",
        farms = "labgrid/",
        width = board.blob().len().max(INITRAMFS.len()) + 1,
        title = board.title,
        line = "=".repeat(board.title.len() + ": unbinding the flash while it is read".len()),
        release = kernel.release,
        variant = kernel.variant,
        blob = board.blob(),
        source = kernel.source_id,
        config = kernel.config,
        sha = &kernel.config_sha256[..12],
        versions = versions.join("\n"),
        controller = board.controller,
        flashes = indent(
            &found
                .flashes
                .iter()
                .map(|it| format!("    {it}"))
                .collect::<Vec<_>>()
        ),
        console = board.console,
        flash = board.flash.trim(),
        speed = board.console.rsplit(',').next().unwrap_or_default(),
        start = uboot.start,
        sd = indent(&sd),
        sd_part = board.sd,
        mmc = board.sd.trim_start_matches("mmc ").split(':').next().unwrap_or_default(),
        programs = programs.join(", then "),
        labgrid = labgrid(),
    ))
}

/// The version of labgrid that the tests were run with.
fn labgrid() -> &'static str {
    let list = include_str!("../../labgrid/requirements.in");
    let version = list.lines().find_map(|line| line.strip_prefix("labgrid=="));
    version.unwrap_or("an unknown version")
}

/// labgrid's description of a board at a desk or in a farm, to be filled in.
pub fn environment(board: &Board) -> String {
    format!(
        r#"# labgrid environment: {title}.
#
# A place at a coordinator brings serial port, power and TFTP server, exported by the
# machine that has them. Without one, take RemotePlace out and these in:
#
#   RawSerialPort:
#     port: /dev/ttyUSB0
#     speed: {speed}
#   NetworkPowerPort:
#     model: netio
#     host: power.example.com
#     index: 1
#   TFTPProvider:
#     internal: /srv/tftp/
#     external: ""
targets:
  main:
    resources:
      RemotePlace:
        name: {name}
    drivers:
      SerialDriver: {{}}
      NetworkPowerDriver: {{}}
      TFTPProviderDriver: {{}}
      UBootDriver:
        # A regular expression, as the board's U-Boot has it.
        prompt: "=> |SOCFPGA.*# |STM32MP> "
        login_timeout: 60
      KernelStrategy:
        # The TFTP server's address, where DHCP does not tell.
        server: ""
imports:
  - kernel_strategy.py
"#,
        title = board.title,
        name = board.name,
        speed = board.console.rsplit(',').next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_labgrid_is_known() {
        assert!(labgrid().starts_with(|c: char| c.is_ascii_digit()));
    }
}

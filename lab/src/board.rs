//! The verb `board`: what the owner of a real board needs to run the tests on it, built
//! here and never booted here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::devicetree::{Found, Region, Tree};
use crate::guest;
use crate::image::write_whole;
use crate::kernel::{self, Kernel, Lab, Variant};
use crate::labgrid;
use crate::machine;
use crate::paths::Paths;
use crate::process;
use crate::qemu::Which;
use crate::scenario::Scenario;
use crate::toolchain::{self, Arch, Bind};

/// The kernel that all boards share.
pub const CONFIG: &str = "arm64-boards";

/// The kselftest's programs in the order in which they run, and the scenarios that say
/// which tests each has.
const PROGRAMS: [(&str, &[&str]); 2] = [
    ("unbind_busy", &["flash-unbind", "controller-unbind"]),
    ("unbind_idle", &["held-fd"]),
];
/// Without the owner's permission to write to the flash these are skipped, and no others.
const DESTRUCTIVE: [&str; 2] = [".new_op_on_old_fd.write", ".new_op_on_old_fd.memerase"];
/// How long a board may take from power to the last line.
const SECONDS: u64 = 900;

/// One file of `lab/data/boards/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    /// The file's name.
    #[serde(skip)]
    name: String,
    /// What its maker calls it.
    title: String,
    /// In the kernel's tree, below `boot/dts`, without an ending.
    pub device_tree: String,
    /// What the kernel's `console=` gets.
    console: String,
    /// The binding of the node that the tree's stdout-path names.
    console_compatible: String,
    /// Properties of that node that name what its driver does not need for a console.
    #[serde(default)]
    console_does_without: Vec<String>,
    /// The binding of the flash controller, as its driver has it.
    pub controller: String,
    /// What sysfs calls that driver.
    driver: String,
    /// What init loads, in order.
    modules: Vec<String>,
    /// Which flash it has, and what is in it.
    flash: String,
    /// U-Boot's name of the SD card's first partition.
    sd: String,
    /// Commands for U-Boot when everything is loaded.
    #[serde(default)]
    before_start: Vec<String>,
    #[serde(default)]
    notes: String,
    load: Load,
}

/// Where U-Boot puts the files.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Load {
    kernel: u64,
    device_tree: u64,
    initramfs: u64,
}

impl Board {
    pub fn load(paths: &Paths, name: &str) -> Result<Self> {
        let mut board: Self = machine::load_named(&dir(paths), "board", name)?;
        name.clone_into(&mut board.name);
        Ok(board)
    }

    /// The name of its compiled device tree.
    fn blob(&self) -> String {
        let name = self.device_tree.rsplit('/').next().unwrap_or_default();
        format!("{name}.dtb")
    }

    fn words(&self) -> String {
        self.words_with(&self.console)
    }

    /// The kernel's command line, on the board or in its place. Nothing makes a report
    /// fatal: it is to be seen whole, and the tests fail by it.
    pub fn words_with(&self, console: &str) -> String {
        format!(
            "console={console} earlycon loglevel=7 printk.devkmsg=on \
             sysctl.kernel.hung_task_timeout_secs=30 LAB_BOARD={} LAB_MODULES={} \
             LAB_PROGRAM={} LAB_WAIT=30 LAB_AFTER=shell",
            self.name,
            self.modules.join(","),
            PROGRAMS.map(|(program, _)| program).join(",")
        )
    }

    /// The same commands for U-Boot, on a machine in its place.
    pub fn uboot_with(&self, device_tree: &str, console: &str) -> UBoot {
        let mut board = self.clone();
        device_tree.clone_into(&mut board.device_tree);
        console.clone_into(&mut board.console);
        UBoot::new(&board)
    }

    /// What a run on it has to show.
    pub fn expected(&self, paths: &Paths, seconds: u64) -> Result<Expected> {
        expected(paths, &self.name, &self.driver, seconds)
    }
}

fn dir(paths: &Paths) -> PathBuf {
    paths.data().join("boards")
}

/// Build what a real board needs to run the tests: kernel, device tree, initramfs, README
///
/// Writes out/board/NAME/ (with --stock, out/board/NAME-stock/): the kernel image, the
/// board's device tree as the kernel has it, modules, an initramfs that runs the
/// kselftest and prints KTAP on the serial console, README.txt with what to type in
/// U-Boot, and labgrid/ for farms of boards. Nothing of it has been booted on a board.
///
/// With --prove, labgrid boots the same kernel and modules in QEMU (amd-versal-virt, with
/// the controller of Stratix 10), and the test that is for boards has to pass with the
/// series, and to fail on the stock kernel by what that reports after the unbind. The
/// i.MX8M boards' own files are booted on QEMU's models of these boards, which have no
/// flash controller: the test must not take skipped tests for passes.
///
/// Takes ten to twenty minutes the first time, then a minute for each board.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// A file of lab/data/boards/, or `all`
    #[arg(required_unless_present = "prove")]
    name: Option<String>,
    /// Run the test of labgrid/ on QEMU in place of a board
    #[arg(long, conflicts_with_all = ["name", "stock", "patched", "patches"])]
    prove: bool,
}

impl Args {
    /// Fails when a name is wrong.
    pub fn check(&self, paths: &Paths) -> Result<()> {
        self.boards(paths).map(drop)
    }

    fn boards(&self, paths: &Paths) -> Result<Vec<Board>> {
        let names = match self.name.as_deref() {
            None => Vec::new(),
            Some("all") => machine::names(&dir(paths))?,
            Some(name) => vec![name.to_owned()],
        };
        names.iter().map(|name| Board::load(paths, name)).collect()
    }
}

pub fn run(lab: &Lab, args: Args) -> Result<ExitCode> {
    let variant = args.which.variant(&lab.paths)?;
    if args.prove {
        return labgrid::prove(lab, &variant);
    }
    let boards = args.boards(&lab.paths)?;
    let kernel = kernel::build(lab, &variant, CONFIG, Arch::Arm64)?;
    let initramfs = compressed(lab, &guest::initramfs(lab, &kernel)?)?;
    for board in boards {
        let step = lab.ui.step(format!("Packing for {}", board.name));
        let (dir, found) = pack(lab, &board, &kernel, &initramfs)
            .with_context(|| format!("nothing is made for {}", board.name))?;
        step.done(format!("{} on {}", found.flashes.join(", "), board.driver));
        println!("{}", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy that is a third as large, for slow networks; U-Boot need not know.
pub fn compressed(lab: &Lab, initramfs: &Path) -> Result<Vec<u8>> {
    let dir = initramfs
        .parent()
        .context("an initramfs is in a directory")?;
    let binds = [Bind::read_only(dir, "/guest/out")];
    let mut gzip = lab.toolchain.command(&binds, "gzip");
    gzip.args(["-9", "-n", "-c", "/guest/out/initramfs.cpio"]);
    process::output_bytes(&mut gzip).context("cannot compress the initramfs")
}

/// Makes a board's directory, whole or not at all.
fn pack(lab: &Lab, board: &Board, kernel: &Kernel, initramfs: &[u8]) -> Result<(PathBuf, Found)> {
    let image = read(&kernel.image)?;
    let modules = kernel.modules()?;
    let blob = read(&kernel::device_tree(lab, kernel, &board.device_tree)?)?;
    let tree = Tree::parse(&blob).with_context(|| board.blob())?;
    let found = check(board, &tree, &image, &modules)?;
    let sizes = Sizes {
        kernel: image_size(&image)?,
        device_tree: blob.len() as u64,
        initramfs: initramfs.len() as u64,
    };
    check_layout(&board.load, &sizes, &tree.memory(), &tree.reserved())?;

    let mut files = BTreeMap::from([
        ("Image".to_owned(), image),
        (board.blob(), blob),
        (INITRAMFS.to_owned(), initramfs.to_owned()),
    ]);
    for module in &modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        files.insert(format!("modules/{name}"), read(module)?);
    }
    let expected = board.expected(&lab.paths, SECONDS)?;
    let uboot = UBoot::new(board);
    files.insert(
        "README.txt".to_owned(),
        readme(lab, board, kernel, &found, &expected, &uboot)?.into_bytes(),
    );
    files.insert("uboot.json".to_owned(), json(&uboot)?);
    files.insert(
        "labgrid/env.yaml".to_owned(),
        environment(board).into_bytes(),
    );
    add_tests(&lab.paths, &expected, &mut files)?;

    let mut name = board.name.clone() + &lab.paths.suffix();
    if kernel.variant != (Variant::Series { upto: None }) {
        write!(name, "-{}", kernel.variant)?;
    }
    let dir = lab.paths.out().join("board").join(name);
    write_dir(&dir, &files)?;
    Ok((dir, found))
}

/// Files of a board's directory, by their names in it.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the tests for farms of boards are.
pub fn tests(paths: &Paths) -> PathBuf {
    paths.clone.join("lab/labgrid")
}

/// What of them goes to the board's owner.
const TESTS: [&str; 3] = ["judge.py", "kernel_strategy.py", "test_unbind.py"];

/// Adds `judge.py` and, in `labgrid/`, what pytest runs.
pub fn add_tests(paths: &Paths, expected: &Expected, files: &mut Files) -> Result<()> {
    for name in TESTS {
        let bytes = read(&tests(paths).join(name))?;
        if name == "judge.py" {
            files.insert(name.to_owned(), bytes.clone());
        }
        files.insert(format!("labgrid/{name}"), bytes);
    }
    let expected = json(expected)?;
    files.insert("expected.json".to_owned(), expected.clone());
    files.insert("labgrid/expected.json".to_owned(), expected);
    Ok(())
}

pub const INITRAMFS: &str = "initramfs.cpio.gz";

pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is written as JSON ends in a line break.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value).context("no JSON form")?;
    text.push('\n');
    Ok(text.into_bytes())
}

/// Writes a directory of `files` with their checksums, whole, in place of an older one.
pub fn write_dir(dir: &Path, files: &Files) -> Result<()> {
    let temporary = toolchain::temporary(dir)?;
    let mut sums = String::new();
    for (name, bytes) in files {
        write_whole(&temporary.join(name), bytes)?;
        writeln!(sums, "{:x}  {name}", Sha256::digest(bytes))?;
    }
    write_whole(&temporary.join("SHA256SUMS"), sums.as_bytes())?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    toolchain::finish(&temporary, dir)
}

/// The device tree has an enabled flash on the right controller, and the kernel has
/// drivers for all that stands between them and a console.
fn check(board: &Board, tree: &Tree, image: &[u8], modules: &[PathBuf]) -> Result<Found> {
    let found = tree
        .check(&board.controller, &board.console_compatible)
        .with_context(|| board.blob())?;

    let mut drivers = vec![image.to_owned()];
    for name in &board.modules {
        let file = format!("{name}.ko");
        let Some(path) = modules.iter().find(|it| it.ends_with(&file)) else {
            bail!("the kernel {CONFIG} has no module {name}");
        };
        drivers.push(read(path)?);
    }
    let module = drivers.last().context("a board has modules")?;
    if !has(module, &board.controller) {
        bail!(
            "the last of its modules is no driver for {}",
            board.controller
        );
    }
    let mut needed = tree.needed(&found.console, &board.console_does_without)?;
    for path in found.flashes.iter().chain([&found.controller]) {
        needed.extend(tree.needed(path, &[])?);
    }
    let mut missing = Vec::new();
    for (path, list) in needed {
        let known = |it: &String| drivers.iter().any(|driver| has(driver, it));
        if !list.iter().any(known) {
            missing.push(format!("{path} ({})", list.join(", ")));
        }
    }
    if !missing.is_empty() {
        bail!(
            "{CONFIG} has no driver for what flash controller and console depend on: {}",
            missing.join(", ")
        );
    }
    Ok(found)
}

/// Whether a driver's table has this binding: the string, whole, as C keeps it.
fn has(driver: &[u8], compatible: &str) -> bool {
    let mut string = compatible.as_bytes().to_owned();
    string.push(0);
    let finder = string.as_slice();
    driver
        .windows(finder.len())
        .any(|it| it[0] == finder[0] && it == finder)
}

struct Sizes {
    /// With what it clears behind itself.
    kernel: u64,
    device_tree: u64,
    initramfs: u64,
}

/// What an arm64 image takes in memory, from its header.
fn image_size(image: &[u8]) -> Result<u64> {
    let field = |at: usize| -> Option<u64> {
        let bytes = image.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    if image.get(56..60) != Some(b"ARM\x64") {
        bail!("the kernel is no arm64 image");
    }
    field(16)
        .filter(|size| *size >= image.len() as u64)
        .context("the kernel's header has no size")
}

/// U-Boot moves an image that is not on a boundary of 2 MiB. Nothing may be where
/// something else is, the firmware's memory included, and all has to be in memory. The
/// slack is for what U-Boot adds to a device tree.
fn check_layout(load: &Load, sizes: &Sizes, memory: &[Region], reserved: &[Region]) -> Result<()> {
    if !load.kernel.is_multiple_of(2 << 20) {
        bail!("the kernel is not loaded to a multiple of 2 MiB");
    }
    let part = |name: &str, start, size| Region {
        name: name.to_owned(),
        start,
        size,
    };
    let parts = [
        part("kernel", load.kernel, sizes.kernel),
        part(
            "device tree",
            load.device_tree,
            sizes.device_tree + (64 << 10),
        ),
        part("initramfs", load.initramfs, sizes.initramfs),
    ];
    for (number, part) in parts.iter().enumerate() {
        let at = format!("{} at {:#x}, {:#x} bytes", part.name, part.start, part.size);
        let mut others = parts[number + 1..].iter().chain(reserved);
        if let Some(other) = others.find(|other| part.overlaps(other)) {
            bail!(
                "{at}, is where {} is: {:#x}, {:#x} bytes",
                other.name,
                other.start,
                other.size
            );
        }
        if !memory.is_empty() && !memory.iter().any(|it| it.contains(part)) {
            bail!("{at}, is not in the board's memory");
        }
    }
    Ok(())
}

/// What a run has to show; judge.py reads it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    board: String,
    driver: String,
    seconds: u64,
    programs: Vec<Program>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Program {
    name: String,
    tests: Vec<String>,
    may_skip: Vec<String>,
}

fn expected(paths: &Paths, board: &str, driver: &str, seconds: u64) -> Result<Expected> {
    let mut programs = Vec::new();
    for (name, scenarios) in PROGRAMS {
        let mut tests: Vec<String> = Vec::new();
        for scenario in scenarios {
            let scenario = Scenario::load(paths, scenario)?;
            if scenario.program != name {
                bail!("scenario {} does not run {name}", scenario.name);
            }
            for test in scenario.tests {
                if !tests.contains(&test) {
                    tests.push(test);
                }
            }
        }
        let may_skip = tests
            .iter()
            .filter(|test| DESTRUCTIVE.iter().any(|it| test.ends_with(it)));
        programs.push(Program {
            name: name.to_owned(),
            may_skip: may_skip.cloned().collect(),
            tests,
        });
    }
    Ok(Expected {
        board: board.to_owned(),
        driver: driver.to_owned(),
        seconds,
        programs,
    })
}

/// What U-Boot is told, by a person or by labgrid. `@FILE@` is that file's name on the
/// server.
#[derive(Debug, Serialize)]
pub struct UBoot {
    files: Vec<String>,
    commands: Vec<String>,
    start: String,
    /// Seconds that a command may take.
    timeout: u32,
}

impl UBoot {
    fn new(board: &Board) -> Self {
        let mut commands = vec!["setenv autoload no".to_owned(), "dhcp".to_owned()];
        commands.extend(load_commands(board, "tftpboot", "@", "@"));
        commands.extend(last_commands(board));
        Self {
            files: vec!["Image".to_owned(), board.blob(), INITRAMFS.to_owned()],
            commands,
            start: start(board),
            timeout: 180,
        }
    }
}

/// The initramfs comes last: `filesize` is its size then.
fn load_commands(board: &Board, load: &str, before: &str, after: &str) -> Vec<String> {
    let command = |address: u64, file: &str| format!("{load} {address:#x} {before}{file}{after}");
    vec![
        command(board.load.kernel, "Image"),
        command(board.load.device_tree, &board.blob()),
        command(board.load.initramfs, INITRAMFS),
        "setenv ramdisk_size ${filesize}".to_owned(),
    ]
}

fn last_commands(board: &Board) -> Vec<String> {
    let address = format!("{:#x}", board.load.device_tree);
    let own = board.before_start.iter();
    let mut commands: Vec<_> = own
        .map(|it| it.replace("@device-tree@", &address))
        .collect();
    commands.push(format!("setenv bootargs {}", board.words()));
    commands
}

fn start(board: &Board) -> String {
    let Load {
        kernel,
        device_tree,
        initramfs,
    } = board.load;
    format!("booti {kernel:#x} {initramfs:#x}:${{ramdisk_size}} {device_tree:#x}")
}

fn readme(
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
    let mut sd = load_commands(board, &format!("load {}", board.sd), "", "");
    sd.extend(last_commands(board));
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
    let list = include_str!("../labgrid/requirements.in");
    let version = list.lines().find_map(|line| line.strip_prefix("labgrid=="));
    version.unwrap_or("an unknown version")
}

/// labgrid's description of a board at a desk or in a farm, to be filled in.
fn environment(board: &Board) -> String {
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

    fn paths() -> Result<Paths> {
        Paths::find()
    }

    #[test]
    fn every_board_loads_and_its_parts_do_not_overlap() -> Result<()> {
        let paths = paths()?;
        let names = machine::names(&dir(&paths))?;
        assert!(names.len() >= 5, "{names:?}");
        for name in names {
            let board = Board::load(&paths, &name)?;
            // A kernel with KASAN is about this large.
            let sizes = Sizes {
                kernel: 96 << 20,
                device_tree: 128 << 10,
                initramfs: 16 << 20,
            };
            check_layout(&board.load, &sizes, &[], &[]).with_context(|| name.clone())?;
            assert!(board.words().contains(&format!("LAB_BOARD={name} ")));
        }
        Ok(())
    }

    #[test]
    fn an_unknown_board_lists_the_known_ones() -> Result<()> {
        let error = Board::load(&paths()?, "pdp11").map_err(|error| format!("{error:#}"));
        let text = error.err().unwrap_or_default();
        assert!(text.contains("unknown board 'pdp11'"), "{text}");
        for name in ["stratix10-socdk", "ls1046ardb", "imx8mm-evk", "imx8mp-evk"] {
            assert!(text.contains(name), "{text}");
        }
        Ok(())
    }

    #[test]
    fn parts_that_overlap_are_told() {
        let load = Load {
            kernel: 0x4200_0000,
            device_tree: 0x4400_0000,
            initramfs: 0x4480_0000,
        };
        let sizes = |kernel| Sizes {
            kernel,
            device_tree: 0x1_0000,
            initramfs: 0x100,
        };
        let region = |start, size| Region {
            name: "/there".to_owned(),
            start,
            size,
        };
        let check = |load: &Load, kernel, memory: &[Region], reserved: &[Region]| {
            let result = check_layout(load, &sizes(kernel), memory, reserved);
            result
                .map_err(|it| it.to_string())
                .err()
                .unwrap_or_default()
        };
        assert_eq!(check(&load, 0x200_0000, &[], &[]), "");
        let text = check(&load, 0x200_0001, &[], &[]);
        assert!(text.contains("kernel at 0x42000000") && text.contains("device tree"));
        let odd = Load {
            kernel: 0x4210_0000,
            ..load
        };
        assert!(!check(&odd, 0x100, &[], &[]).is_empty());
        // Memory ends in the initramfs, or with it; firmware begins there, or behind it.
        let text = check(&load, 1, &[region(0x4000_0000, 0x480_00ff)], &[]);
        assert!(text.contains("initramfs") && text.contains("not in the board's memory"));
        assert_eq!(check(&load, 1, &[region(0x4000_0000, 0x480_0100)], &[]), "");
        let text = check(&load, 1, &[], &[region(0x4480_00ff, 1)]);
        assert!(text.contains("is where /there is"), "{text}");
        assert_eq!(check(&load, 1, &[], &[region(0x4480_0100, 1)]), "");
    }

    #[test]
    fn the_size_of_a_kernel_is_in_its_header() {
        let mut image = vec![0; 64];
        assert!(image_size(&image).is_err());
        image[56..60].copy_from_slice(b"ARM\x64");
        assert!(image_size(&image).is_err());
        image[16..24].copy_from_slice(&0x123_4567_u64.to_le_bytes());
        assert_eq!(image_size(&image).ok(), Some(0x123_4567));
    }

    #[test]
    fn the_version_of_labgrid_is_known() {
        assert!(labgrid().starts_with(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn a_binding_is_found_whole_only() {
        let driver = b"\0nxp,imx8mp-fspi\0x";
        assert!(has(driver, "nxp,imx8mp-fspi"));
        assert!(!has(driver, "nxp,imx8mp"));
    }

    #[test]
    fn what_is_expected_is_the_scenarios() -> Result<()> {
        let expected = expected(&paths()?, "a", "b", 1)?;
        let counts: Vec<_> = expected
            .programs
            .iter()
            .map(|it| (it.name.as_str(), it.tests.len(), it.may_skip.len()))
            .collect();
        assert_eq!(counts, [("unbind_busy", 14, 0), ("unbind_idle", 40, 4)]);
        Ok(())
    }

    #[test]
    fn uboot_loads_the_initramfs_last_and_starts_it() -> Result<()> {
        let board = Board::load(&paths()?, "stratix10-socdk")?;
        let uboot = UBoot::new(&board);
        let at = |text: &str| uboot.commands.iter().position(|it| it.contains(text));
        assert!(at("@Image@") < at("@initramfs.cpio.gz@"));
        assert_eq!(
            at("setenv ramdisk_size"),
            at("@initramfs.cpio.gz@").map(|it| it + 1)
        );
        assert!(at("sf probe").is_some() && at("fdt addr 0xa000000").is_some());
        assert!(uboot.start.starts_with("booti 0x2000000 0xa800000:"));
        Ok(())
    }

    #[test]
    fn a_directory_is_replaced_whole() -> Result<()> {
        let root = tempfile::tempdir()?;
        let dir = root.path().join("board/x");
        let one = |name: &str| BTreeMap::from([(name.to_owned(), b"a\n".to_vec())]);
        write_dir(&dir, &one("old"))?;
        write_dir(&dir, &one("deep/new"))?;
        assert!(dir.join("deep/new").is_file() && !dir.join("old").exists());
        let sums = fs::read_to_string(dir.join("SHA256SUMS"))?;
        assert!(sums.ends_with("  deep/new\n"), "{sums}");
        let left = fs::read_dir(root.path().join("board"))?.count();
        assert_eq!(left, 1);
        Ok(())
    }
}

//! Console logs: kernel lines, the lab's own lines among them, and splats.
//!
//! Everything the guest says goes through /dev/kmsg, so that a line's place in the
//! log is its place in time, before or after a kernel report.

use std::collections::HashMap;
use std::fmt;

use crate::judge::report::Line;

/// A console log, read whole.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// Without time and caller.
    pub lines: Vec<String>,
    pub markers: Vec<Marker>,
    pub splats: Vec<Splat>,
    /// Whole reads before and after the test program.
    pub control: Option<WholeRead>,
    /// Where the first was reported.
    pub control_line: Option<usize>,
    pub last_control: Option<WholeRead>,
    pub cycles: Vec<Cycle>,
    pub windows: Vec<Window>,
    pub files: Vec<FileRead>,
    pub done: bool,
}

/// What is about to happen, said before it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    pub line: usize,
    pub text: String,
}

impl Marker {
    pub fn is_unbind(&self) -> bool {
        self.text.starts_with("unbind ")
    }
}

/// Something the kernel should never print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    pub line: usize,
    pub title: String,
    /// Where it happened, innermost first: the function that the title or the
    /// program counter names, then the first call trace. Not the traces of who
    /// allocated or freed the memory, nor those of other lock holders.
    pub stack: Vec<String>,
}

/// All of the flash, read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeRead {
    pub size: usize,
    pub sha256: String,
}

/// One unbind that returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub number: u32,
    /// Readers inside a read loop when the marker was printed.
    pub inside: u32,
    pub unbind_us: u64,
}

/// A part of the flash, read after binding again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub cycle: u32,
    pub offset: usize,
    pub length: usize,
    pub fnv1a: u64,
}

/// A file, made of bytes that follow from the seed, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    pub line: usize,
    /// None: in the control run.
    pub cycle: Option<u32>,
    pub size: usize,
    pub sha256: String,
}

impl Console {
    pub fn parse(log: &str) -> Self {
        let mut console = Self::default();
        let mut splats = SplatReader::default();
        for raw in log.lines() {
            let line = Line::parse(raw);
            splats.read(console.lines.len(), &line);
            console.read(line.text);
            console.lines.push(line.text.to_owned());
        }
        console.splats = splats.found;
        console
    }

    fn read(&mut self, text: &str) {
        let line = self.lines.len();
        if let Some(marker) = text.strip_prefix("# marker: ") {
            self.markers.push(Marker {
                line,
                text: marker.to_owned(),
            });
        } else if let Some(said) = text.strip_prefix("LAB: ") {
            self.done |= said == "done";
            if let Some((_, [when, size, sha256])) =
                pattern!(r"^(control|final) \S+ (\d+) ([0-9a-f]{64})$")
                    .captures(said)
                    .map(|it| it.extract())
                && let Ok(size) = size.parse()
            {
                let read = WholeRead {
                    size,
                    sha256: sha256.to_owned(),
                };
                match when {
                    "control" => {
                        self.control = Some(read);
                        self.control_line = Some(line);
                    }
                    _ => self.last_control = Some(read),
                }
            }
        } else if text.starts_with("# cycle ") {
            self.cycles.extend(cycle(text));
        } else if text.starts_with("# window ") {
            self.windows.extend(window(text));
        } else if text.starts_with("# file ") {
            self.files.extend(file(text, line));
        }
    }

    /// The first unbind.
    pub fn first_unbind(&self) -> Option<&Marker> {
        self.markers.iter().find(|it| it.is_unbind())
    }

    /// The last thing that was announced before `line`.
    pub fn last_marker_before(&self, line: usize) -> Option<&Marker> {
        self.markers.iter().rev().find(|it| it.line < line)
    }
}

fn cycle(text: &str) -> Option<Cycle> {
    let found = pattern!(r"^# cycle (\d+) inside (\d+) unbind_us (\d+) ").captures(text)?;
    Some(Cycle {
        number: found[1].parse().ok()?,
        inside: found[2].parse().ok()?,
        unbind_us: found[3].parse().ok()?,
    })
}

fn window(text: &str) -> Option<Window> {
    let found = pattern!(r"^# window (\d+) offset (\d+) length (\d+) fnv1a ([0-9a-f]{16}) ")
        .captures(text)?;
    Some(Window {
        cycle: found[1].parse().ok()?,
        offset: found[2].parse().ok()?,
        length: found[3].parse().ok()?,
        fnv1a: u64::from_str_radix(&found[4], 16).ok()?,
    })
}

fn file(text: &str, line: usize) -> Option<FileRead> {
    let found = pattern!(r"^# file (control|\d+) (\d+) ([0-9a-f]{64})$").captures(text)?;
    Some(FileRead {
        line,
        cycle: found[1].parse().ok(),
        size: found[2].parse().ok()?,
        sha256: found[3].to_owned(),
    })
}

/// `fn+0x10/0x20` without what compilers add to names.
fn function(text: &str) -> Option<String> {
    let found = pattern!(r"^([A-Za-z_][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+").captures(text)?;
    Some(plain(&found[1]))
}

fn plain(name: &str) -> String {
    let added = pattern!(r"\.(?:isra|constprop|part|cold|llvm|lto_priv)\b.*$");
    added.replace(name, "").into_owned()
}

/// A line of a 32-bit arm call trace, `fn from caller+0x10/0x20`: both.
fn arm_frame(text: &str) -> Option<(String, String)> {
    let found = pattern!(r"^([A-Za-z_][\w.$]*) from (.*)$").captures(text)?;
    Some((plain(&found[1]), function(&found[2])?))
}

fn is_arm_exception(text: &str) -> bool {
    pattern!(r"^(?:Exception stack\(0x|[0-9a-f]{4}: )").is_match(text)
}

#[derive(Default)]
struct SplatReader {
    found: Vec<Splat>,
    /// For each caller, its report that may still go on.
    open: HashMap<Option<String>, Open>,
}

struct Open {
    splat: usize,
    trace: Trace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trace {
    Before,
    Inside,
    After,
}

impl SplatReader {
    fn read(&mut self, at: usize, line: &Line) {
        let caller = line.caller.map(str::to_owned);
        let text = line.text;
        if line.is_report() {
            self.title(at, caller, text);
            return;
        }
        let Some(open) = self.open.get_mut(&caller) else {
            return;
        };
        let stack = &mut self.found[open.splat].stack;
        match open.trace {
            Trace::Before => {
                let pc = ["pc : ", "PC is at "];
                let pc = pc.iter().find_map(|it| text.strip_prefix(it));
                if let Some(pc) = pc.and_then(function) {
                    push_new(stack, pc);
                } else if text.trim_start().eq_ignore_ascii_case("call trace:") {
                    open.trace = Trace::Inside;
                }
            }
            Trace::Inside => {
                let frame = text.trim_start();
                if let Some(name) = function(frame) {
                    push_new(stack, name);
                } else if let Some((name, from)) = arm_frame(frame) {
                    push_new(stack, name);
                    push_new(stack, from);
                } else if is_arm_exception(frame) {
                    // The registers of an exception; its frames follow.
                } else if !frame.starts_with("? ") && !frame.starts_with('<') {
                    open.trace = Trace::After;
                }
            }
            Trace::After => {}
        }
        if text.starts_with("---[ end ") {
            self.open.remove(&caller);
        }
    }

    fn title(&mut self, at: usize, caller: Option<String>, text: &str) {
        let named = text.split(" in ").nth(1).and_then(function);
        let going_on = match self.open.get(&caller) {
            // An oops has several titles before its one trace.
            Some(open) if open.trace == Trace::Before => Some(open.splat),
            _ => None,
        };
        let splat = going_on.unwrap_or_else(|| {
            self.found.push(Splat {
                line: at,
                title: text.to_owned(),
                stack: Vec::new(),
            });
            self.found.len() - 1
        });
        if let Some(name) = named {
            push_new(&mut self.found[splat].stack, name);
        }
        let trace = Trace::Before;
        self.open.insert(caller, Open { splat, trace });
    }
}

fn push_new(stack: &mut Vec<String>, name: String) {
    if !stack.contains(&name) {
        stack.push(name);
    }
}

/// How a boot came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest said that it is done.
    Done,
    Panic,
    TimeLimit {
        seconds: u64,
    },
    /// The same, without a single line on the console.
    Silent {
        seconds: u64,
    },
    /// QEMU went away before either.
    Exited {
        status: String,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("ran to its end"),
            Self::Panic => f.write_str("kernel panic"),
            Self::TimeLimit { seconds } => write!(f, "no end after {seconds} s"),
            Self::Silent { seconds } => write!(
                f,
                "the guest said nothing in {seconds} s: see qemu.log beside console.log, and the \
                 machine file's console"
            ),
            Self::Exited { status } => write!(f, "QEMU ended by itself ({status})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KASAN: &str = "\
[   11.100000][   T80] # marker: unbind controller cycle 1
[   11.200000][   T72] ==================================================================
[   11.200001][   T72] BUG: KASAN: slab-use-after-free in cqspi_indirect_read_execute.isra.0+0x188/0x330
[   11.200002][   T72] Read of size 4 at addr ffff000012345678 by task unbind_busy/72
[   11.200003][   T72] 
[   11.200004][   T72] CPU: 1 UID: 0 PID: 72 Comm: unbind_busy Not tainted 7.3.4 #1 PREEMPT
[   11.200005][   T73] unrelated
[   11.200006][   T72] Call trace:
[   11.200007][   T72]  show_stack+0x18/0x24 (C)
[   11.200008][   T73] WARNING: drivers/x.c:1 at other+0x1/0x2, CPU#0: unbind_busy/73
[   11.200009][   T72]  cqspi_indirect_read_execute.isra.0+0x188/0x330
[   11.200010][   T72]  spi_mem_exec_op+0x3e0/0x478
[   11.200011][   T73] Call trace:
[   11.200012][   T73]  other+0x1/0x2 (P)
[   11.200013][   T72] 
[   11.200014][   T72] Freed by task 80:
[   11.200015][   T72]  kfree+0x1/0x2
[   11.200016][   T72] Kernel panic - not syncing: kasan.fault=panic set ...
";

    #[test]
    fn a_kasan_report_has_its_own_trace_only() {
        let console = Console::parse(KASAN);
        let [first, warning, panic] = &console.splats[..] else {
            panic!("{:?}", console.splats);
        };
        assert_eq!(first.line, 2);
        assert!(first.title.starts_with("BUG: KASAN: slab-use-after-free"));
        let stack = [
            "cqspi_indirect_read_execute",
            "show_stack",
            "spi_mem_exec_op",
        ];
        assert_eq!(first.stack, stack);
        assert_eq!(warning.stack, ["other"]);
        assert!(panic.title.starts_with("Kernel panic"));
        assert_eq!(console.first_unbind().map(|it| it.line), Some(0));
    }

    #[test]
    fn an_oops_with_two_titles_is_one_splat() {
        let console = Console::parse(
            "\
[    5.0] Unable to handle kernel paging request at virtual address 00000000000012e8
[    5.1] Mem abort info:
[    5.2] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP
[    5.3] pc : spi_mem_exec_op+0x3e8/0x478
[    5.4] lr : spi_mem_exec_op+0x3e0/0x478
[    5.5] Call trace:
[    5.6]  spi_mem_exec_op+0x3e8/0x478 (P)
[    5.7]  mtd_read+0x6c/0xd8
[    5.8] Code: f9400842
[    5.9] ---[ end trace 0000000000000000 ]---
",
        );
        assert_eq!(console.splats.len(), 1);
        assert!(console.splats[0].title.starts_with("Unable to handle"));
        assert_eq!(console.splats[0].stack, ["spi_mem_exec_op", "mtd_read"]);
    }

    #[test]
    fn arm_names_the_caller_in_each_line() {
        let console = Console::parse(
            "\
[    5.0][   T91] Unable to handle kernel NULL pointer dereference at virtual address 00000000 when read
[    5.1][   T91] [00000000] *pgd=00000000
[    5.2][   T91] Internal error: Oops: 5 [#1] SMP ARM
[    5.3][   T91] PC is at mutex_unlock+0x10/0x2c
[    5.4][   T91] LR is at spi_mem_dirmap_read+0x10/0x2c
[    5.5][   T91] Call trace: 
[    5.6][   T91]  mutex_unlock from spi_mem_access_end+0x24/0x30
[    5.7][   T91]  spi_mem_access_end from spi_mem_dirmap_read.isra.0+0x9c/0x124
[    5.8][   T91]  __irq_svc from spi_nor_read+0x1/0x2
[    5.9][   T91] Exception stack(0xf0c39e58 to 0xf0c39ea0)
[    6.0][   T91] 9e40:                                                       c28b4000 00000000
[    6.1][   T91]  ret_fast_syscall from 0xbec10c00
[    6.2][   T91]  mtd_read from mtdchar_read+0x1/0x2
[    6.3][   T91] ---[ end trace 0000000000000000 ]---
",
        );
        assert_eq!(console.splats.len(), 1);
        let stack = [
            "mutex_unlock",
            "spi_mem_access_end",
            "spi_mem_dirmap_read",
            "__irq_svc",
            "spi_nor_read",
        ];
        assert_eq!(console.splats[0].stack, stack);
    }

    #[test]
    fn the_labs_own_lines_are_read() {
        let sha256 = "0123456789abcdef".repeat(4);
        let console = Console::parse(&format!(
            "\
LAB: control mtd0 16777216 {sha256}
[    7.000000][   T60] # cycle 3 inside 4 unbind_us 812345 chunk 1048576
[    7.000000][   T60] # cycle 3: reader 1: open: still works
[    7.000000][   T60] # window 3 offset 17 length 4096 fnv1a 00000000deadbeef back_ms 31
[    8.000000][   T60] # file control 1000 {sha256}
[    8.000000][   T60] # file 2 77 {sha256}
[    9.000000][   T60] LAB: done
"
        ));
        assert_eq!(console.control.map(|it| it.sha256), Some(sha256.clone()));
        assert_eq!(console.last_control, None);
        let cycle = Cycle {
            number: 3,
            inside: 4,
            unbind_us: 812_345,
        };
        assert_eq!(console.cycles, [cycle]);
        assert_eq!(console.windows.len(), 1);
        assert_eq!(console.windows[0].fnv1a, 0xdead_beef);
        assert!(console.done);
        let cycles: Vec<_> = console.files.iter().map(|it| it.cycle).collect();
        assert_eq!(cycles, [None, Some(2)]);
        assert_eq!((console.files[0].size, console.files[1].size), (1000, 77));
    }
}

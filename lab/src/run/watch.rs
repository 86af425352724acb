//! A console watched line by line, until the guest is done or lost.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::base::interrupt;
use crate::base::process::Running;
use crate::judge::console::Ended;

/// A panicking kernel gets this long to say why.
const PANIC_GRACE: Duration = Duration::from_secs(5);

/// A guest that is done gets this long to switch itself off.
const POWEROFF_GRACE: Duration = Duration::from_secs(10);

/// How much of a console is shown when something went wrong.
const SHOWN_LINES: usize = 40;

/// Writes the console to `log` as it comes, until the guest is done or lost.
pub fn watch(
    mut qemu: Running,
    log: &Path,
    time_limit: Instant,
    on_line: &mut dyn FnMut(&str),
) -> Result<Ended> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let output = qemu.child().stdout.take().context("QEMU has no output")?;
    let (send, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if send.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });

    let mut ended = None;
    let mut silent = true;
    let mut deadline = time_limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = 0;
                ended.get_or_insert(match silent {
                    true => Ended::Silent { seconds },
                    false => Ended::TimeLimit { seconds },
                });
                break;
            }
        };
        silent = false;
        file.write_all(&line)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        on_line(text);
        if ended.is_some() {
            if text.contains("---[ end Kernel panic") {
                break;
            }
        } else if text.contains("LAB: done") {
            ended = Some(Ended::Done);
            deadline = Instant::now() + POWEROFF_GRACE;
        } else if text.contains("Kernel panic - not syncing") {
            ended = Some(Ended::Panic);
            deadline = Instant::now() + PANIC_GRACE;
        }
    }
    interrupt::check_interrupted()?;
    let status = match ended {
        Some(_) => None,
        None => Some(qemu.wait()?),
    };
    drop(qemu);
    // Its pipe is closed now. What came last may be an unfinished line.
    let _ = reader.join();
    for line in lines.try_iter() {
        file.write_all(&line)
            .with_context(|| format!("cannot write {}", log.display()))?;
    }
    Ok(match (ended, status) {
        (Some(ended), _) => ended,
        (None, Some(status)) => Ended::Exited {
            status: status.to_string(),
        },
        (None, None) => unreachable!("one of the two is set above"),
    })
}

pub fn last_lines(path: &Path, count: usize) -> Result<Vec<String>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    Ok(lines[lines.len().saturating_sub(count)..].to_vec())
}

/// The end of a boot's console, for a person to look at.
pub fn console_tail(dir: &Path) -> Result<String> {
    let log = dir.join("console.log");
    let lines = last_lines(&log, SHOWN_LINES)?;
    if lines.is_empty() {
        return Ok(format!(
            "{} is empty: the guest said nothing",
            log.display()
        ));
    }
    let head = format!("the last {} lines of {}:", lines.len(), log.display());
    Ok(format!("{head}\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// How a guest ends that is a shell script, and the console it leaves.
    fn guest(script: &str) -> Result<(Ended, String)> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("console.log");
        let mut sh = Command::new("sh");
        sh.args(["-c", script]).stdout(Stdio::piped());
        let limit = Instant::now() + Duration::from_millis(300);
        let ended = watch(Running::spawn(&mut sh)?, &log, limit, &mut |_| ())?;
        Ok((ended, console_tail(dir.path())?))
    }

    #[test]
    fn a_silent_guest_is_told_from_one_that_hangs() -> Result<()> {
        let (ended, tail) = guest("sleep 1000")?;
        assert_eq!(ended, Ended::Silent { seconds: 0 });
        assert!(tail.ends_with("the guest said nothing"), "{tail}");
        let (ended, tail) = guest("echo booting; sleep 1000")?;
        assert_eq!(ended, Ended::TimeLimit { seconds: 0 });
        assert!(tail.ends_with("\nbooting"), "{tail}");
        let (ended, _) = guest("exit 3")?;
        assert!(matches!(ended, Ended::Exited { status } if status.contains('3')));
        Ok(())
    }
}

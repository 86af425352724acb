//! Child processes: logged, killed when the lab is, and never left behind.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::Pid;

use crate::base::interrupt;

/// A child in a process group of its own, killed when this is dropped, on
/// Ctrl-C, and (in the toolchain root) when the lab
/// dies in any other way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
}

impl Running {
    /// Starts `cmd`. Pipes asked for with `cmd.stdout(Stdio::piped())` and so on
    /// are taken from [`Running::child`].
    pub fn spawn(cmd: &mut Command) -> Result<Self> {
        cmd.process_group(0);
        // Held over the spawn: the handler sees either no child yet or its group.
        let mut groups = interrupt::groups();
        interrupt::check_interrupted()?;
        let child = cmd.spawn().with_context(|| cannot_start(cmd))?;
        let group = Pid::from_raw(i32::try_from(child.id()).context("process id out of range")?);
        groups.push(group);
        Ok(Self { child, group })
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for a child process")
    }

    pub fn kill(&mut self) {
        interrupt::kill_group(self.group);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that was waited for has no group to kill, and its number may be
        // another's by now; `try_wait` tells without a second wait.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
            let _ = self.child.wait();
        }
        interrupt::groups().retain(|group| *group != self.group);
    }
}

fn cannot_start(cmd: &Command) -> String {
    format!("cannot run {}", cmd.get_program().to_string_lossy())
}

/// `program arg arg`, for logs; without scripts.
fn shown(cmd: &Command) -> String {
    std::iter::once(cmd.get_program())
        .chain(cmd.get_args())
        .map(|word| match word.to_string_lossy() {
            word if word.contains('\n') => "...".into(),
            word => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `cmd` to its end with standard output and error appended to `log`, each
/// line also given to `on_line`. When it fails the error names the log and shows
/// its last 20 lines.
pub fn run_logged(cmd: &mut Command, log: &Path, on_line: impl FnMut(&str)) -> Result<()> {
    run_logged_within(cmd, log, None, on_line)
}

/// As [`run_logged`]; after `limit` the command is killed and the error says so.
pub fn run_logged_within(
    cmd: &mut Command,
    log: &Path,
    limit: Option<Duration>,
    mut on_line: impl FnMut(&str),
) -> Result<()> {
    let mut file = append(log)?;
    let cannot_write = || format!("cannot write {}", log.display());
    writeln!(file, "$ {}", shown(cmd)).with_context(cannot_write)?;

    let (read, write) = nix::unistd::pipe().context("cannot make a pipe")?;
    let second = write.try_clone().context("cannot duplicate a pipe")?;
    cmd.stdin(Stdio::null()).stdout(write).stderr(second);
    let running = Running::spawn(cmd);
    // `cmd` keeps its ends of the pipe open; without this the read never ends.
    cmd.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = running?;
    let watchdog = limit.map(|limit| Watchdog::new(running.group, limit));

    let mut tail = VecDeque::new();
    let mut reader = BufReader::new(File::from(read));
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .context("cannot read a child's output")?;
        if length == 0 {
            break;
        }
        file.write_all(&line).with_context(cannot_write)?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        on_line(text);
        if tail.len() == 20 {
            tail.pop_front();
        }
        tail.push_back(text.to_owned());
    }
    let status = running.wait()?;
    interrupt::check_interrupted()?;
    if let Some((watchdog, limit)) = watchdog.zip(limit)
        && watchdog.bit()
    {
        bail!(
            "{} was stopped after {}; the log is {}",
            cmd.get_program().to_string_lossy(),
            crate::base::ui::duration(limit),
            log.display()
        );
    }
    if !status.success() {
        let tail = Vec::from(tail).join("\n");
        bail!(
            "{} failed ({status}); the whole log is {}; it ends:\n{tail}",
            cmd.get_program().to_string_lossy(),
            log.display()
        );
    }
    Ok(())
}

/// Kills a process group when its time is over.
struct Watchdog {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Watchdog {
    fn new(group: Pid, limit: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let late = stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                interrupt::kill_group(group);
            }
            late
        });
        Self { stop, thread }
    }

    /// Ends it; whether it had to kill.
    fn bit(self) -> bool {
        // It has ended when nobody listens any more.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

/// Runs `cmd` to its end and gives its standard output; the error has what it
/// said on standard error.
pub fn output(cmd: &mut Command) -> Result<String> {
    let bytes = output_bytes(cmd)?;
    String::from_utf8(bytes).with_context(|| format!("{} printed no UTF-8", shown(cmd)))
}

/// As [`output`], for output that need not be text.
pub fn output_bytes(cmd: &mut Command) -> Result<Vec<u8>> {
    let (status, stdout, stderr) = capture(cmd)?;
    if !status.success() {
        bail!("`{}` failed ({status}):\n{}", shown(cmd), stderr.trim_end());
    }
    Ok(stdout)
}

/// Runs `cmd` to its end; exit status, standard output, standard error.
pub fn capture(cmd: &mut Command) -> Result<(ExitStatus, Vec<u8>, String)> {
    use std::io::{Read, Seek};
    // A file takes standard error, so that neither pipe can fill up unread.
    let mut errors = tempfile::tempfile().context("cannot make a temporary file")?;
    let for_child = errors.try_clone().context("cannot duplicate a file")?;
    cmd.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(for_child);
    let mut running = Running::spawn(cmd)?;
    let mut stdout = Vec::new();
    if let Some(mut pipe) = running.child().stdout.take() {
        pipe.read_to_end(&mut stdout)
            .with_context(|| format!("cannot read the output of {}", shown(cmd)))?;
    }
    let status = running.wait()?;
    interrupt::check_interrupted()?;
    let mut stderr = Vec::new();
    errors
        .rewind()
        .and_then(|()| errors.read_to_end(&mut stderr))?;
    Ok((
        status,
        stdout,
        String::from_utf8_lossy(&stderr).into_owned(),
    ))
}

/// Opens a log to append to, with its directory made.
fn append(log: &Path) -> Result<File> {
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))
}

/// Empties a log that an earlier run left, so that `run_logged` starts it anew.
pub fn fresh_log(log: &Path) -> Result<()> {
    append(log)?
        .set_len(0)
        .with_context(|| format!("cannot write {}", log.display()))
}

/// Runs a command with `input` on its standard input; whether it succeeded, and all
/// it said.
pub fn feed(command: &mut Command, input: &[u8]) -> Result<(bool, String)> {
    use std::io::{Read, Seek};
    let mut said = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    file.write_all(input).and_then(|()| file.rewind())?;
    command
        .stdin(file)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?);
    let success = Running::spawn(command)?.wait()?.success();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    interrupt::check_interrupted()?;
    let mut text = Vec::new();
    said.rewind()?;
    said.read_to_end(&mut text)?;
    Ok((success, String::from_utf8_lossy(&text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_logged_gives_lines_and_appends() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("a/log");
        let mut lines = Vec::new();
        for _ in 0..2 {
            let mut sh = Command::new("sh");
            sh.args(["-c", "echo out; echo err >&2"]);
            run_logged(&mut sh, &log, |line| lines.push(line.to_owned()))?;
        }
        assert_eq!(lines, ["out", "err", "out", "err"]);
        assert_eq!(fs::read_to_string(&log)?.matches("out\n").count(), 2);
        Ok(())
    }

    #[test]
    fn a_failure_names_the_log_and_shows_its_end() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("log");
        let mut sh = Command::new("sh");
        sh.args(["-c", "seq 30; exit 3"]);
        let error = match run_logged(&mut sh, &log, |_| ()) {
            Err(error) => error.to_string(),
            Ok(()) => bail!("it should have failed"),
        };
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains(&log.display().to_string()), "{error}");
        assert!(
            error.contains("\n11\n") && !error.contains("\n10\n"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn what_takes_too_long_is_stopped_and_named() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("log");
        let within = |script: &str, limit| {
            let mut sh = Command::new("sh");
            sh.args(["-c", script]);
            run_logged_within(&mut sh, &log, Some(limit), |_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(within("true", Duration::from_secs(60)), Ok(()));
        // A grandchild holds the pipe, too.
        let said = within("sleep 1000 & sleep 1000", Duration::from_millis(100));
        assert!(
            said.as_ref()
                .is_err_and(|text| text.contains("stopped after 0.1 s")),
            "{said:?}"
        );
        Ok(())
    }

    #[test]
    fn output_reports_standard_error() {
        let mut sh = Command::new("sh");
        sh.args(["-c", "echo why >&2; exit 1"]);
        let error = output(&mut sh).map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.contains("why")));
    }

    #[test]
    fn a_dropped_child_is_dead() -> Result<()> {
        let mut running = Running::spawn(Command::new("sleep").arg("1000"))?;
        let pid = running.child().id();
        drop(running);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        Ok(())
    }
}

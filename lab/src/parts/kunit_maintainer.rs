//! The series' KUnit tests as a maintainer runs them: `kunit.py run --kunitconfig DIR`, with gcc,
//! which is User-mode Linux on one CPU, where SRCU is another one (TINY_SRCU).

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::base::process;
use crate::data::kunit_list::{self, CONFIG, Expected};
use crate::judge::ktap;
use crate::judge::kunit_outcome;
use crate::lab::Lab;
use crate::parts::kunit::Summary;
use crate::series::repository;
use crate::source;
use crate::toolchain::enter::Bind;

/// Directories with a .kunitconfig, and the suites that the series, or its base, has there.
const DIRECTORIES: [(&str, &[&str]); 2] = [
    ("drivers/spi", &["spi_dma", "spi_unregister"]),
    ("drivers/mtd", &["mtd_handle", "mtd_unregister"]),
];

/// Runs the tests of each directory `times` times. What was built is kept in out/.
pub fn run(lab: &Lab, times: u32) -> Result<Summary> {
    let source = source::ensure(&lab.paths, &lab.ui)?;
    let (tree, _) = repository::checkout(&lab.paths, &lab.ui, &source, None)?;
    let mut sum = Summary::default();
    let list = kunit_list::read_list(&lab.paths, CONFIG)?;
    for (directory, suites) in DIRECTORIES {
        // With --series, one of them may not be there.
        if !tree.join(directory).join(".kunitconfig").exists() {
            continue;
        }
        let of_suites = |entry: &&Expected| {
            let suite = entry.name.split('.').next().unwrap_or_default();
            suites.contains(&suite)
        };
        let expected: Vec<Expected> = list.iter().filter(of_suites).cloned().collect();
        sum += one(lab, &tree, directory, &expected, times)?;
    }
    Ok(sum)
}

fn one(
    lab: &Lab,
    tree: &Path,
    directory: &str,
    expected: &[Expected],
    times: u32,
) -> Result<Summary> {
    let dir = lab.paths.out().join("kunit/kunit.py").join(directory);
    fs::create_dir_all(dir.join("build"))
        .and_then(|()| fs::create_dir_all(lab.paths.ccache()))
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let name = directory.replace('/', "-");
    let step = lab.ui.step(format!("kunit.py in {directory}"));
    let log = lab.paths.log(&format!("kunit.py-{name}"));
    process::fresh_log(&log)?;
    let start = Instant::now();
    let kunit = |verb: &str| {
        let binds = [
            Bind::read_only(tree, "/kunit.py/linux"),
            Bind::writable(&dir, "/kunit.py/out"),
            Bind::writable(lab.paths.ccache(), "/ccache"),
        ];
        let mut command = lab.toolchain.command(&binds, "sh");
        command
            .env("CCACHE_DIR", "/ccache")
            .env("TMPDIR", "/tmp")
            .args([
                "-c",
                "cd /kunit.py/linux && exec python3 -B tools/testing/kunit/kunit.py \"$@\"",
                "kunit.py",
                verb,
                "--build_dir=/kunit.py/out/build",
            ]);
        command
    };
    let mut build = kunit("build");
    build
        .arg(format!("--kunitconfig={directory}"))
        .arg("--make_options=CC=ccache gcc");
    process::run_logged_within(&mut build, &log, Some(lab.build_limit), |_| ())?;
    let mut sum = Summary::default();
    for time in 0..times {
        let mut exec = kunit("exec");
        exec.args(["--json=/kunit.py/out/ktap.json", "--timeout=300"]);
        let ran = ktap::parse_kunit(&ktap::result(&mut exec, &dir)?)?;
        if ran.is_empty() {
            bail!("no test of {directory} ran");
        }
        let label = format!("kunit.py, run {}", time + 1);
        sum.count(&label, &kunit_outcome::judge(expected, &ran));
    }
    step.done(format!(
        "{} tests passed in {times} runs, {} s",
        sum.passed,
        start.elapsed().as_secs()
    ));
    Ok(sum)
}

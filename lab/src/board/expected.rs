//! What a run on a board has to show; judge.py reads it.

use anyhow::{Result, bail};
use serde::Serialize;

use crate::base::paths::Paths;
use crate::data::board::{Board, PROGRAMS};
use crate::data::scenario::Scenario;

/// Without the owner's permission to write to the flash these are skipped, and no others.
const DESTRUCTIVE: [&str; 2] = [".new_op_on_old_fd.write", ".new_op_on_old_fd.memerase"];

/// What a run has to show; judge.py reads it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    board: String,
    driver: String,
    seconds: u64,
    pub programs: Vec<Program>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Program {
    pub name: String,
    pub tests: Vec<String>,
    pub may_skip: Vec<String>,
}

/// What a run on a board has to show.
pub fn expected(paths: &Paths, board: &Board, seconds: u64) -> Result<Expected> {
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
        board: board.name.clone(),
        driver: board.driver.clone(),
        seconds,
        programs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Result<Paths> {
        Paths::find()
    }

    #[test]
    fn what_is_expected_is_the_scenarios() -> Result<()> {
        let board = Board::load(&paths()?, "stratix10-socdk")?;
        let expected = expected(&paths()?, &board, 1)?;
        let counts: Vec<_> = expected
            .programs
            .iter()
            .map(|it| (it.name.as_str(), it.tests.len(), it.may_skip.len()))
            .collect();
        assert_eq!(counts, [("unbind_busy", 14, 0), ("unbind_idle", 40, 4)]);
        Ok(())
    }
}

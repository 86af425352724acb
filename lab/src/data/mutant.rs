//! Mutants: patches that each take one thing out of the series, and the tests that they kill.

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::base::paths::Paths;
use crate::data::kunit_list;

/// A file of lab/kernel/mutants/.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The file's name without `.patch`.
    pub name: String,
    /// Of the kernel that it is built in; of the series' own tests if it does not say.
    pub config: String,
    /// Its first lines, one test each; all must fail.
    pub kills: Vec<Target>,
    pub bytes: Vec<u8>,
}

/// `Kills: [kunit] suite.test [(parameter, ...)]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub test: String,
    /// With some, the test must fail for these and no others.
    pub parameters: Vec<String>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameters.as_slice() {
            [] => f.write_str(&self.test),
            parameters => write!(f, "{} ({})", self.test, parameters.join(", ")),
        }
    }
}

/// All mutants by name; none when there is no directory.
pub fn read(paths: &Paths) -> Result<Vec<Mutant>> {
    let dir = paths.mutants();
    let mut mutants = Vec::new();
    if !dir.exists() {
        return Ok(mutants);
    }
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(".patch") {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            mutants.push(parse(name, bytes).with_context(|| format!("in {}", file.display()))?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

pub fn parse(name: &str, bytes: Vec<u8>) -> Result<Mutant> {
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().peekable();
    let config = match lines.peek().and_then(|line| line.strip_prefix("Config:")) {
        Some(config) => {
            lines.next();
            config.trim()
        }
        None => kunit_list::CONFIG,
    };
    if config != kunit_list::CONFIG && config != kunit_list::MODELS {
        bail!("there are no KUnit tests in a configuration {config:?}");
    }
    let kills: Vec<Target> = lines
        .map_while(|line| line.strip_prefix("Kills:"))
        .map(target)
        .collect::<Result<_>>()?;
    if kills.is_empty() {
        bail!("the first line is not `Kills: suite.test`, nor after `Config: NAME`");
    }
    Ok(Mutant {
        name: name.to_owned(),
        config: config.to_owned(),
        kills,
        bytes,
    })
}

pub fn target(text: &str) -> Result<Target> {
    let text = text.trim();
    let text = text.strip_prefix("kunit ").unwrap_or(text).trim();
    let (test, parameters) = match text.split_once(" (") {
        Some((test, rest)) => {
            let parameters = rest
                .strip_suffix(')')
                .with_context(|| format!("{text}: the parenthesis does not end"))?;
            (test, parameters.split(", ").map(str::to_owned).collect())
        }
        None => (text, Vec::new()),
    };
    if !test.contains('.') || test.contains(char::is_whitespace) {
        bail!("{text:?} is not suite.test or suite.test (parameter, ...)");
    }
    Ok(Target {
        test: test.to_owned(),
        parameters,
    })
}

/// `count` of the mutants, evenly spread over those that the series' own tests kill.
pub fn some(mut mutants: Vec<Mutant>, count: usize) -> Vec<Mutant> {
    mutants.retain(|mutant| mutant.config == kunit_list::CONFIG);
    let all = mutants.len();
    let chosen: Vec<usize> = (0..count.min(all))
        .map(|index| index * all / count.min(all))
        .collect();
    mutants
        .into_iter()
        .enumerate()
        .filter(|(index, _)| chosen.contains(index))
        .map(|(_, mutant)| mutant)
        .collect()
}

#[cfg(test)]
mod tests {

    use super::*;

    fn mutant(name: &str, text: &str) -> Result<Mutant> {
        parse(name, text.as_bytes().to_vec())
    }

    #[test]
    fn the_first_lines_name_tests() -> Result<()> {
        let read = mutant(
            "a",
            "Kills: kunit s.t (exec op)\nKills: s.u\n\nKills: no.more\n",
        )?;
        let said: Vec<String> = read.kills.iter().map(Target::to_string).collect();
        assert_eq!(said, ["s.t (exec op)", "s.u"]);
        assert_eq!(read.config, kunit_list::CONFIG);
        let models = mutant("a", "Config: um-models\nKills: s.t\n")?;
        assert_eq!(
            (models.config.as_str(), models.kills.len()),
            (kunit_list::MODELS, 1)
        );
        let other = "Config: arm64\nKills: s.t\n";
        for wrong in [
            "",
            "diff",
            other,
            "Config: um-models\ndiff",
            "Kills: t",
            "Kills: s.t (a",
            "Kills: a b.c",
        ] {
            assert!(mutant("a", wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn a_few_are_spread_over_all() -> Result<()> {
        let all = || -> Result<Vec<Mutant>> {
            (0..9)
                .map(|n| mutant(&n.to_string(), "Kills: s.t"))
                .collect()
        };
        let names = |count| -> Result<String> {
            Ok(some(all()?, count)
                .iter()
                .map(|it| it.name.as_str())
                .collect())
        };
        assert_eq!(names(3)?, "036");
        assert_eq!(names(20)?, "012345678");
        assert!(some(Vec::new(), 3).is_empty());
        let models = vec![mutant("a", "Config: um-models\nKills: s.t")?];
        assert!(some(models, 3).is_empty());
        Ok(())
    }

    #[test]
    fn every_committed_mutant_reads() -> Result<()> {
        read(&Paths::find()?).map(drop)
    }
}

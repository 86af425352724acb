//! The demo's scenarios, again and again.

use std::time::Instant;

use anyhow::Result;
use comfy_table::Table;
use serde::{Deserialize, Serialize};

use crate::base::files::key;
use crate::base::{interrupt, ui};
use crate::build::kernel::Kernel;
use crate::build::kernels;
use crate::build::variant::Variant;
use crate::data::machine::{Compatible, Machine};
use crate::data::scenario::{Place, Scenario};
use crate::judge::unbind::{self, Verdict};
use crate::lab::Lab;
use crate::parts::kept;
use crate::run::qemu::{Bench, Job};
use crate::run::watch;

/// The demo's part of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    #[serde(default)]
    pub demo: Vec<Boot>,
}

/// What a boot may do at most before the next seed's turn.
const BOOT_CYCLES: u32 = 25;

/// A boot that was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Of the kernel and the machine.
    key: String,
    machine: String,
    /// None: C's.
    #[serde(default)]
    driver: Option<String>,
    compatible: String,
    scenario: String,
    seed: u64,
    cycles: u32,
    verdict: String,
    /// What the verdict rests on.
    why: String,
    longest_unbind_us: u64,
    readers_interrupted: u32,
    seconds: u64,
    source_id: String,
}

impl Boot {
    fn passed(&self) -> bool {
        self.verdict == "passed"
    }
}

/// A machine with its kernel.
struct Soaked<'a> {
    machine: &'a Machine,
    kernel: Kernel,
    /// Of both.
    key: String,
}

/// One scenario with one binding of a machine.
#[derive(Clone, Copy)]
struct Pair<'a> {
    machine: &'a str,
    driver: Option<&'a str>,
    compatible: &'a Compatible,
    scenario: &'a Scenario,
}

impl Pair<'_> {
    fn name(&self) -> String {
        let name = &self.compatible.name;
        self.driver
            .map_or_else(|| name.clone(), |driver| format!("{name}, {driver}"))
    }

    fn has(&self, boot: &Boot) -> bool {
        boot.machine == self.machine
            && boot.driver.as_deref() == self.driver
            && boot.compatible == self.compatible.name
            && boot.scenario == self.scenario.name
    }

    fn cycles(&self, boots: &[Boot]) -> u32 {
        let own = boots.iter().filter(|boot| self.has(boot));
        own.map(|boot| boot.cycles).sum()
    }

    /// How many cycles the next boot makes; `None` when there were enough.
    fn wants(&self, boots: &[Boot], limit: Option<u32>) -> Option<u32> {
        let left = match limit {
            Some(limit) => limit.saturating_sub(self.cycles(boots)),
            None => BOOT_CYCLES,
        };
        (left > 0).then_some(left.min(BOOT_CYCLES))
    }

    /// The next seed: rounds start from 1, also those of another call.
    fn seed(&self, boots: &[Boot]) -> u64 {
        let own = boots.iter().filter(|boot| self.has(boot));
        own.map(|boot| boot.seed).max().unwrap_or_default() + 1
    }
}

/// Until `end`, or until each row has made `limit` cycles; `several`: of several machines.
pub fn run(
    lab: &Lab,
    places: &[Place],
    variant: &Variant,
    limit: Option<u32>,
    several: bool,
    end: Instant,
) -> Result<bool> {
    let mut soaked = Vec::new();
    let mut pairs = Vec::new();
    for Place { machine, scenarios } in places {
        let kernel = kernels::build(lab, variant, &machine.kernel_config, machine.arch)?;
        let key = key(&[
            &machine.name,
            &kernel.source_id,
            &kernel.config_sha256,
            lab.toolchain.key(),
        ]);
        for compatible in &machine.compatible {
            for scenario in scenarios {
                let pair = Pair {
                    machine: &machine.name,
                    driver: machine.chosen.as_deref(),
                    compatible,
                    scenario,
                };
                pairs.push((soaked.len(), pair));
            }
        }
        soaked.push(Soaked {
            machine,
            kernel,
            key,
        });
    }

    let (mut boots, others): (Vec<Boot>, Vec<Boot>) = kept::kept::<Kept>(&lab.paths)
        .demo
        .into_iter()
        .partition(|boot| {
            soaked.iter().any(|it| it.key == boot.key) && kept::is_lasting(&boot.source_id)
        });
    'rounds: loop {
        let mut idle = true;
        for (soaked_index, pair) in &pairs {
            let Some(cycles) = pair.wants(&boots, limit) else {
                continue;
            };
            if Instant::now() >= end {
                break 'rounds;
            }
            idle = false;
            boots.push(boot(lab, &soaked[*soaked_index], *pair, &boots, cycles)?);
            let demo = others.iter().chain(&boots).cloned().collect();
            kept::save(&lab.paths, &Kept { demo })?;
        }
        if idle {
            break;
        }
    }
    let pairs: Vec<Pair> = pairs.into_iter().map(|(_, pair)| pair).collect();
    println!("{}", table(&pairs, &boots, several));
    let open = pairs
        .iter()
        .filter(|pair| match limit {
            Some(limit) => pair.wants(&boots, Some(limit)).is_some(),
            None => pair.cycles(&boots) == 0,
        })
        .count();
    let asked: Vec<&Boot> = boots
        .iter()
        .filter(|boot| pairs.iter().any(|pair| pair.has(boot)))
        .collect();
    let passed = asked.iter().filter(|boot| boot.passed()).count();
    println!(
        "{passed} of {} boots passed, {open} of {} rows open; details in out/soak.json",
        asked.len(),
        pairs.len()
    );
    Ok(passed == asked.len() && open == 0)
}

fn boot(lab: &Lab, soaked: &Soaked, pair: Pair, boots: &[Boot], cycles: u32) -> Result<Boot> {
    let Soaked {
        machine,
        kernel,
        key,
    } = soaked;
    let Pair {
        compatible,
        scenario,
        ..
    } = pair;
    interrupt::check_interrupted()?;
    let seed = pair.seed(boots);
    let bench = Bench::prepare(lab, machine, kernel, seed)?;
    let step = lab.ui.step(format!(
        "{:<18} {:<18} {:<18} seed {seed}, {} cycles",
        machine.name,
        pair.name(),
        scenario.name,
        bench.cycles(scenario, cycles)
    ));
    let job = Job {
        compatible,
        kernel,
        scenario: Some(scenario),
        cycles,
        attempt: 1,
    };
    let judged = bench.judge(job, scenario, |line| {
        if let Some((_, marker)) = line.split_once("# marker: ") {
            step.note(marker);
        }
    })?;
    step.done(unbind::describe(&judged.verdict));
    bench.forget_image();
    let (longest_unbind_us, readers_interrupted) = match judged.verdict {
        Verdict::Passed {
            longest_unbind_us,
            inside,
            ..
        } => (longest_unbind_us, inside),
        Verdict::Restarted { readers } => (0, readers),
        _ => (0, 0),
    };
    let boot = Boot {
        key: key.to_owned(),
        machine: machine.name.clone(),
        driver: machine.chosen.clone(),
        compatible: compatible.name.clone(),
        scenario: scenario.name.clone(),
        seed,
        cycles: bench.cycles(scenario, cycles),
        verdict: judged.verdict.name().to_owned(),
        why: unbind::evidence(&judged.verdict),
        longest_unbind_us,
        readers_interrupted,
        seconds: judged.booted.elapsed.as_secs(),
        source_id: kernel.source_id.clone(),
    };
    if !boot.passed() {
        lab.ui.println(watch::console_tail(&judged.booted.dir)?);
        let driver = machine.chosen.iter().map(String::as_str);
        let name = [&machine.name, &compatible.name, &scenario.name].map(String::as_str);
        let name: Vec<&str> = driver.chain(name).collect();
        kept::keep_files(
            lab,
            &judged.booted.dir,
            &format!("{}-seed-{seed}", name.join("-")),
        )?;
    }
    Ok(boot)
}

/// With `machines`, of more than one.
fn table(pairs: &[Pair], boots: &[Boot], machines: bool) -> Table {
    let mut table = ui::table([
        ui::binding(machines, "machine", "compatible").as_str(),
        "scenario",
        "cycles",
        "seeds",
        "interrupted",
        "longest",
        "result",
    ]);
    for pair in pairs {
        let own: Vec<&Boot> = boots.iter().filter(|boot| pair.has(boot)).collect();
        let failed: Vec<String> = own
            .iter()
            .filter(|boot| !boot.passed())
            .map(|boot| format!("seed {}: {}: {}", boot.seed, boot.verdict, boot.why))
            .collect();
        let seeds = own.iter().map(|boot| boot.seed);
        let longest = own.iter().map(|boot| boot.longest_unbind_us).max();
        let readers: u32 = own.iter().map(|boot| boot.readers_interrupted).sum();
        let result = match (own.is_empty(), failed.is_empty()) {
            (true, _) => "open: no time left".to_owned(),
            (_, true) => "passed".to_owned(),
            _ => failed.join("\n"),
        };
        table.add_row([
            ui::binding(machines, pair.machine, &pair.name()),
            pair.scenario.name.clone(),
            pair.cycles(boots).to_string(),
            match (seeds.clone().min(), seeds.max()) {
                (Some(first), Some(last)) => format!("{first}-{last}"),
                _ => String::new(),
            },
            readers.to_string(),
            format!("{} ms", longest.unwrap_or_default() / 1000),
            result,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::paths::Paths;
    use crate::parts::mutants;

    fn boot(scenario: &str, seed: u64, cycles: u32) -> Boot {
        Boot {
            key: "k".into(),
            machine: "amd-versal-virt".into(),
            driver: None,
            compatible: "cdns,qspi-nor".into(),
            scenario: scenario.into(),
            seed,
            cycles,
            verdict: "passed".into(),
            why: String::new(),
            longest_unbind_us: 1000 * seed,
            readers_interrupted: 4,
            seconds: 1,
            source_id: "id".into(),
        }
    }

    #[test]
    fn a_later_call_goes_on() -> Result<()> {
        let paths = Paths::find()?;
        let machine = Machine::load(&paths, "amd-versal-virt", None)?;
        let scenario = Scenario::load(&paths, "flash-unbind")?;
        let pair = Pair {
            machine: &machine.name,
            driver: None,
            compatible: machine.compatible("cdns,qspi-nor")?,
            scenario: &scenario,
        };
        assert_eq!((pair.seed(&[]), pair.wants(&[], Some(40))), (1, Some(25)));
        let mut boots = vec![boot("flash-unbind", 1, 25), boot("held-fd", 7, 4)];
        assert_eq!(
            (pair.seed(&boots), pair.wants(&boots, Some(40))),
            (2, Some(15))
        );
        assert_eq!(pair.wants(&boots, None), Some(BOOT_CYCLES));
        boots.push(boot("flash-unbind", 2, 15));
        // Those of another machine do not count.
        boots.push(Boot {
            machine: "amd-versal2-virt".into(),
            ..boot("flash-unbind", 9, 7)
        });
        // Nor do those with another driver.
        boots.push(Boot {
            driver: Some("rust".into()),
            ..boot("flash-unbind", 9, 7)
        });
        assert_eq!(pair.wants(&boots, Some(40)), None);
        let text = table(&[pair], &boots, false).to_string();
        assert!(text.contains("1-2") && text.contains("40"), "{text}");
        boots[2].verdict = "failed".into();
        let text = table(&[pair], &boots, false).to_string();
        assert!(text.contains("seed 2: failed"), "{text}");
        Ok(())
    }

    #[test]
    fn parts_of_the_file_do_not_disturb_each_other() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        let demo = vec![boot("a", 1, 2)];
        kept::save(&paths, &Kept { demo: demo.clone() })?;
        kept::save(&paths, &mutants::Results::default())?;
        assert_eq!(kept::kept::<Kept>(&paths).demo, demo);
        fs::write(kept::file(&paths), "{ half")?;
        assert_eq!(kept::kept::<Kept>(&paths).demo, []);
        kept::save(&paths, &Kept { demo: demo.clone() })?;
        assert_eq!(kept::kept::<Kept>(&paths).demo, demo);
        Ok(())
    }
}

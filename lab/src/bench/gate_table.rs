//! The results of `cargo lab bench gate`, and their table.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::ui;
use crate::bench::boot::{ARM64, CONFIGS};
use crate::bench::measurement::{Latency, Spread};

/// What others are compared with.
pub const NONE: &str = "none";

/// What the tables show of operations, in order, and how they call them.
const OPERATIONS: [(&str, &str); 9] = [
    ("exec_op", "null op"),
    ("supports_op", "supports_op"),
    ("spi_sync_0", "spi_sync 0 B"),
    ("spi_sync_4", "4 B"),
    ("spi_sync_64", "64 B"),
    ("spi_async_4", "spi_async 4 B"),
    ("mtd_read_1", "mtd_read 1 B"),
    ("mtd_read_4096", "mtd_read 4 KiB"),
    ("flash_read_4096", "flash 4 KiB"),
];

/// A line of the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub variant: String,
    pub about: String,
    /// Median instructions by operation (arm64).
    pub instructions: BTreeMap<String, u64>,
    /// Operations whose medians differ between repeats or boots.
    pub unsteady: BTreeMap<String, BTreeSet<u64>>,
    /// Picoseconds by operation and number of threads (UML).
    pub time: BTreeMap<String, BTreeMap<u64, Spread>>,
    /// Nanoseconds by configuration, function and way of waiting.
    pub latency: BTreeMap<String, BTreeMap<String, BTreeMap<String, Latency>>>,
    /// Bytes by configuration.
    pub memory: BTreeMap<String, BTreeMap<String, u64>>,
    pub sizes: BTreeMap<String, BTreeMap<String, u64>>,
    pub layout: BTreeMap<String, String>,
}

/// out/bench-gate.json
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    pub series: String,
    pub source: String,
    pub release: String,
    pub compared_with: String,
    pub toolchain: BTreeMap<String, String>,
    pub host: String,
    pub hz: BTreeMap<String, u64>,
    pub rows: Vec<Row>,
}

/// `700`, or `735 +5.0%` when there is something to compare it with.
fn compared(value: u64, with: Option<u64>) -> String {
    match with {
        Some(with) if with > 0 => {
            let percent = (value as f64 / with as f64 - 1.0) * 100.0;
            format!("{value} {percent:+.1}%")
        }
        _ => value.to_string(),
    }
}

/// What is printed: what each variant is, and a table in three parts.
pub fn print(results: &Results) -> String {
    let none = results.rows.iter().find(|it| it.variant == NONE);
    let mut text = String::new();
    for row in &results.rows {
        text.push_str(&format!("  {:13} {}\n", row.variant, row.about));
    }

    text.push_str("\nInstructions per operation (arm64, one CPU), against none:\n");
    let operations = || OPERATIONS.iter();
    let mut header = vec!["variant".to_owned()];
    header.extend(operations().map(|(_, title)| (*title).to_owned()));
    let mut table = ui::grid(header);
    for row in &results.rows {
        let mut cells = vec![row.variant.clone()];
        cells.extend(operations().map(|(op, _)| {
            let with = none
                .filter(|it| it.variant != row.variant)
                .and_then(|it| it.instructions.get(*op));
            match (row.instructions.get(*op), row.unsteady.get(*op)) {
                (Some(value), _) => compared(*value, with.copied()),
                (_, Some(many)) => format!("{many:?}"),
                _ => String::new(),
            }
        }));
        table.add_row(cells);
    }
    text.push_str(&table.to_string());

    text.push_str(
        "\n\nNanoseconds per operation (UML), one thread (quickest batch) / two at once (median):\n",
    );
    let mut header = vec!["variant".to_owned()];
    header.extend(operations().take(8).map(|(_, title)| (*title).to_owned()));
    let mut table = ui::grid(header);
    for row in &results.rows {
        let mut cells = vec![row.variant.clone()];
        cells.extend(operations().take(8).map(|(op, _)| {
            let times = row.time.get(*op);
            // The quickest batch of two may be one in which they took turns.
            let of = |threads: u64, pick: fn(&Spread) -> u64| {
                times
                    .and_then(|it| it.get(&threads))
                    .map_or_else(|| "-".to_owned(), |it| nanoseconds(pick(it)))
            };
            format!("{} / {}", of(1, |it| it.min), of(2, |it| it.median))
        }));
        table.add_row(cells);
    }
    text.push_str(&table.to_string());

    text.push_str("\n\nUnregistering, microseconds, mean of 50, nobody inside; memory, bytes:\n");
    let mut table = ui::grid(
        [
            "variant, how it waits",
            "SPI arm64",
            "SPI UML",
            "MTD arm64",
            "MTD UML",
            "a controller",
            "an MTD",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    for row in &results.rows {
        for (index, drain) in drains(row).into_iter().enumerate() {
            let mut cells = vec![match drain.as_str() {
                "own" => row.variant.clone(),
                _ => format!("{}, {drain}", row.variant),
            }];
            for function in ["spi_unregister_controller", "mtd_device_unregister"] {
                for config in CONFIGS {
                    let latency = row.latency.get(config).and_then(|it| it.get(function));
                    let latency = latency.and_then(|it| it.get(&drain));
                    let cell = latency.map(|it| format!("{:.0}", it.mean as f64 / 1000.0));
                    cells.push(cell.unwrap_or_default());
                }
            }
            for what in ["spi_controller", "mtd"] {
                let bytes = row.memory.get(ARM64).and_then(|it| it.get(what));
                let cell = bytes.filter(|_| index == 0).map(u64::to_string);
                cells.push(cell.unwrap_or_default());
            }
            table.add_row(cells);
        }
    }
    text.push_str(&table.to_string());
    text
}

/// In the order of the kernel's choice, which the first of a name is enough to know.
fn drains(row: &Row) -> Vec<String> {
    let all: BTreeSet<String> = row
        .latency
        .values()
        .flat_map(|it| it.values())
        .flat_map(|it| it.keys().cloned())
        .collect();
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_by_key(|it| (it == "all-expedited", it.len()));
    all
}

fn nanoseconds(picoseconds: u64) -> String {
    match picoseconds {
        0..100_000 => format!("{:.1}", picoseconds as f64 / 1000.0),
        _ => format!("{:.0}", picoseconds as f64 / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_times_read_well() {
        assert_eq!(compared(700, None), "700");
        assert_eq!(compared(735, Some(700)), "735 +5.0%");
        assert_eq!(compared(665, Some(700)), "665 -5.0%");
        assert_eq!(nanoseconds(12_340), "12.3");
        assert_eq!(nanoseconds(1_234_567), "1235");
    }
}

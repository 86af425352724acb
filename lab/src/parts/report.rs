//! One page of what was found out: verdicts, what stock kernels report, unbinds over time,
//! and what gates cost. No scripts, nothing from a network.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::base::paths::Paths;
use crate::judge::report::Line;

const STYLE: &str = include_str!("report.css");

/// The page, from the results in out/.
pub fn page(paths: &Paths) -> Result<String> {
    let mut body = String::new();
    for (name, demo) in results(paths, "demo")? {
        body += &verdicts(&name, &demo);
        body += &stock_reports(&demo);
        body += &unbinds(paths, &demo)?;
    }
    for (name, bench) in results(paths, "bench-gate")? {
        body += &instructions(&name, &bench);
    }
    if body.is_empty() {
        bail!("there is nothing to report in out/; run: cargo lab demo");
    }
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>cargo lab report\
         </title>\n<style>\n{STYLE}</style>\n<h1>cargo lab report</h1>\n{body}</html>\n"
    ))
}

/// The files of results whose names begin so.
fn results(paths: &Paths, start: &str) -> Result<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for entry in paths.out().read_dir().context("cannot read out/")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(start) && name.ends_with(".json") {
            let read = || format!("cannot read {}", path.display());
            let text = fs::read_to_string(&path).with_context(read)?;
            all.push((
                name.into_owned(),
                serde_json::from_str(&text).with_context(read)?,
            ));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A console, from a page in out/.
fn link(row: &Value, words: &str) -> String {
    let log = text(row, "log").trim_start_matches("out/");
    format!("<a href=\"{}\">{}</a>", escaped(log), escaped(words))
}

/// Rows of a demo: what was booted, with the rows of its kernels by their names.
fn rows(demo: &Value) -> Vec<(&Value, Vec<(&String, &Value)>)> {
    let pairs = demo["results"].as_array().into_iter().flatten();
    pairs
        .map(|pair| {
            let all = pair.as_object().into_iter().flatten();
            let kernels = all.filter(|(_, row)| row.is_object());
            (pair, kernels.collect())
        })
        .collect()
}

fn verdicts(name: &str, demo: &Value) -> String {
    let mut kernels: Vec<&String> = Vec::new();
    let rows = rows(demo);
    for (kernel, _) in rows.iter().flat_map(|(_, own)| own) {
        if !kernels.contains(kernel) {
            kernels.push(kernel);
        }
    }
    kernels.sort_by_key(|name| (*name != "stock", *name));
    let head: String = kernels.iter().map(|it| format!("<th>{it}")).collect();
    let mut html = format!(
        "<h2>Verdicts ({})</h2>\n<p>Green: as it should be. A stock kernel should fail.\n<table>\n<tr><th>machine<th>binding<th>scenario{head}\n",
        escaped(name)
    );
    for (pair, own) in &rows {
        html += "<tr>";
        for column in ["machine", "compatible", "scenario"] {
            html += &format!("<td>{}", escaped(text(pair, column)));
        }
        for kernel in &kernels {
            let row = own.iter().find(|(name, _)| name == kernel);
            let Some((_, row)) = row else {
                html += "<td>";
                continue;
            };
            let class = match row["expected"].as_bool() {
                Some(true) => "good",
                _ if text(row, "verdict") == "skipped" => "none",
                _ => "bad",
            };
            html += &format!("<td class=\"{class}\">{}", link(row, text(row, "verdict")));
            if let Some(cycles) = row["cycles"].as_u64() {
                let ms = row["longest_unbind_us"].as_f64().unwrap_or_default() / 1000.0;
                html += &format!(", {cycles} unbinds, longest {ms:.0} ms");
            }
        }
        html.push('\n');
    }
    html + "</table>\n"
}

fn stock_reports(demo: &Value) -> String {
    let mut html = String::new();
    for (pair, own) in rows(demo) {
        for (_, row) in own.iter().filter(|(_, row)| row["first_splat"].is_string()) {
            html += &format!(
                "<li>{}, {}, {}: <code>{}</code>, in <code>{}</code>, after {}\n",
                escaped(text(pair, "machine")),
                escaped(text(pair, "compatible")),
                link(row, text(pair, "scenario")),
                escaped(text(row, "first_splat")),
                escaped(text(row, "function")),
                escaped(text(row, "after"))
            );
        }
    }
    match html.is_empty() {
        true => html,
        false => format!("<h2>What kernels reported</h2>\n<ul>\n{html}</ul>\n"),
    }
}

/// An unbind, in seconds since the kernel started.
#[derive(Debug, PartialEq)]
struct Unbind {
    start: f64,
    end: f64,
}

/// The unbinds that a console tells of, by the times of its lines.
fn timeline(console: &str) -> Vec<Unbind> {
    let unbind = |line: &str| {
        let text = Line::parse(line).text;
        let (_, rest) = text.strip_prefix("# cycle ")?.split_once(" unbind_us ")?;
        let us: f64 = rest.split(' ').next()?.parse().ok()?;
        let time = line.strip_prefix('[')?.split_once(']')?.0;
        let end: f64 = time.trim().parse().ok()?;
        let start = end - us / 1e6;
        Some(Unbind { start, end })
    };
    console.lines().filter_map(unbind).collect()
}

/// A strip for each boot that passed: when unbinds were under way.
fn unbinds(paths: &Paths, demo: &Value) -> Result<String> {
    let mut html = String::new();
    for (pair, own) in rows(demo) {
        for (_, row) in own
            .iter()
            .filter(|(_, row)| text(row, "verdict") == "passed")
        {
            let log = paths.clone.join(text(row, "log"));
            let Ok(console) = fs::read(&log) else {
                continue;
            };
            let all = timeline(&String::from_utf8_lossy(&console));
            let (Some(first), Some(last)) = (all.first(), all.last()) else {
                continue;
            };
            let scale = 600.0 / (last.end - first.start).max(0.001);
            write!(
                html,
                "<tr><td>{}<td>{}<td>{}<td><svg width=\"600\" height=\"16\">\
                 <rect class=\"use\" width=\"600\" height=\"16\"/>",
                escaped(text(pair, "machine")),
                escaped(text(pair, "compatible")),
                link(row, text(pair, "scenario"))
            )?;
            for one in &all {
                let x = (one.start - first.start) * scale;
                let width = ((one.end - one.start) * scale).max(1.0);
                write!(
                    html,
                    "<rect class=\"unbind\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"16\"/>"
                )?;
            }
            writeln!(html, "</svg><td>{:.1} s", last.end - first.start)?;
        }
    }
    Ok(match html.is_empty() {
        true => html,
        false => format!(
            "<h2>Unbinds over time</h2>\n<p>Dark: an unbind is under way, from the call to its \
             return. Light: the driver is bound, and readers read.\n<table>\n{html}</table>\n"
        ),
    })
}

/// Bars of instructions per operation, for each variant of the gate.
fn instructions(name: &str, bench: &Value) -> String {
    let rows: Vec<&Value> = bench["rows"].as_array().into_iter().flatten().collect();
    let of = |row: &Value| row["instructions"].as_object().cloned().unwrap_or_default();
    let operations: Vec<String> = rows
        .first()
        .map_or(Vec::new(), |row| of(row).keys().cloned().collect());
    let mut html = format!("<h2>Instructions per operation ({})</h2>\n", escaped(name));
    for operation in operations {
        let value = |row: &Value| row["instructions"][&operation].as_f64().unwrap_or_default();
        let most = rows.iter().map(|row| value(row)).fold(1.0, f64::max);
        html += &format!("<h3>{}</h3>\n<table>\n", escaped(&operation));
        for row in &rows {
            let width = value(row) / most * 600.0;
            html += &format!(
                "<tr><td>{}<td><svg width=\"600\" height=\"12\"><rect class=\"unbind\" \
                 width=\"{width:.1}\" height=\"12\"/></svg><td>{}\n",
                escaped(text(row, "variant")),
                value(row)
            );
        }
        html += "</table>\n";
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_tells_when_it_unbound() {
        let all = timeline(include_str!("../../fixtures/patched-controller-unbind.log"));
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|it| it.start < it.end));
        assert!(all.windows(2).all(|two| two[0].end < two[1].start));
    }

    #[test]
    fn a_page_has_the_verdicts_and_links_to_consoles() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let paths = Paths::at(dir.path(), dir.path());
        fs::create_dir(paths.out())?;
        assert!(page(&paths).is_err());
        let demo = r#"{"results": [{"machine": "m<", "compatible": "c", "scenario": "s",
            "stock": {"verdict": "failed", "expected": true, "first_splat": "BUG: x",
                      "function": "f", "after": "unbind", "log": "out/boot/stock.log"},
            "patched": {"verdict": "passed", "expected": true, "cycles": 5,
                        "longest_unbind_us": 812000, "log": "out/boot/patched.log"}}]}"#;
        fs::write(paths.out().join("demo.json"), demo)?;
        let page = page(&paths)?;
        assert!(page.contains("<td class=\"good\"><a href=\"boot/stock.log\">failed</a>"));
        assert!(page.contains("5 unbinds, longest 812 ms"), "{page}");
        assert!(page.contains("m&lt;") && page.contains("<code>BUG: x</code>"));
        assert!(!page.contains("<script") && !page.contains("http"));
        Ok(())
    }
}

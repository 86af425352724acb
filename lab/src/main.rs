//! `cargo lab`: builds, boots and judges the kernels of this repository.

mod base;
mod bench;
mod board;
mod build;
mod check;
mod cli;
mod data;
mod judge;
mod lab;
mod parts;
mod run;
mod series;
mod source;
mod toolchain;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::base::paths::Paths;
use crate::base::{interrupt, space};
use crate::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(_) if interrupt::interrupted() => {
            eprintln!("interrupted");
            ExitCode::from(interrupt::EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {}", explained(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error in full; of a full disk, what to do comes first. Not every program says why
/// it cannot write.
fn explained(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let full = Paths::find().map(|paths| space::full(&paths));
    let full = full.unwrap_or_default();
    if full.is_empty() && !space::is_about_space(&text) {
        return text;
    }
    // Whoever says that the disk is full has nothing more to say.
    let why = match space::is_about_space(&text) {
        true => text.lines().next().unwrap_or_default(),
        false => &text,
    };
    format!(
        "the disk is full{full}; make room (XDG_CACHE_HOME moves the cache) and run it again: \
         what was half made is made anew ({why})"
    )
}

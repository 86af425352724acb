//! `cargo lab fits`: which patches apply to another kernel tree.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Table;

use crate::base::paths::Paths;
use crate::base::ui::{self, Ui};
use crate::series::fits::{self, SeriesFit};
use crate::series::repository::Fit;
use crate::source::{self, local};

/// Tell which patches apply to another kernel tree
///
/// Each series is tried by itself, on what of the others it needs, up to its first patch
/// that does not apply. Of one that needs fuzz, or `git am --3way`, it says so and goes on
/// with the merged tree. PATH is the top directory of a git tree (its last commit is used)
/// or of an unpacked tarball, or a file linux-*.tar.* or linux-source-*.deb. It is only
/// read: a copy goes to the cache (a minute, 2 GB; three are kept).
///
/// Takes half a minute, seconds when the tree is known. Exit status 0 only if every patch
/// applies, or is there already.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A kernel tree
    pub path: PathBuf,
}

pub fn run(paths: &Paths, ui: &Ui, args: &Args) -> Result<ExitCode> {
    let source = source::ensure(paths, ui)?;
    let stores = local::object_stores(paths, &args.path);
    let fits = fits::fits(paths, ui, &source, &stores)?;
    println!("{}", table(&fits));
    println!("on {}:", source.version);
    for fit in &fits {
        println!("{}", summary(fit));
    }
    let good = |(_, fit): &(String, Fit)| fit.is_good();
    Ok(match fits.iter().all(|it| it.fits.iter().all(good)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn table(fits: &[SeriesFit]) -> Table {
    let mut table = ui::table(["patch", "result"]);
    for (name, fit) in fits.iter().flat_map(|it| &it.fits) {
        table.add_row([name.clone(), fit.to_string()]);
    }
    table
}

fn summary(it: &SeriesFit) -> String {
    let count = |is: fn(&Fit) -> bool| it.fits.iter().filter(|(_, fit)| is(fit)).count();
    let there = count(|fit| *fit == Fit::AlreadyThere);
    let mut text = format!(
        "{}: {} of {} patches apply",
        it.series,
        count(Fit::is_good) - there,
        it.patches
    );
    if there > 0 {
        text += &format!(", {there} there already");
    }
    let loose = count(|fit| matches!(fit, Fit::Fuzz | Fit::Merge));
    if loose > 0 {
        text += &format!(
            "; {loose} need fuzz or a merge, which is not done without a person who looks at it: \
             `git am -C1` or `git am --3way` in that tree"
        );
    }
    if count(|fit| matches!(fit, Fit::Fails(_))) > 0 {
        text += &match it.patches - it.fits.len() {
            0 => "; the last one fails".to_owned(),
            left => format!("; {left} after the one that fails were not tried"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts() {
        let fits = |patches: usize, list: &[Fit]| {
            summary(&SeriesFit {
                series: "2-mtd".into(),
                patches,
                fits: list.iter().map(|fit| ("p".into(), fit.clone())).collect(),
            })
        };
        let text = fits(2, &[Fit::Applies, Fit::AlreadyThere]);
        assert_eq!(text, "2-mtd: 1 of 2 patches apply, 1 there already");
        let text = fits(5, &[Fit::Merge, Fit::Fails("a.c:3".into())]);
        assert!(text.starts_with("2-mtd: 0 of 5 patches") && text.contains("1 need fuzz"));
        assert!(text.ends_with("; 3 after the one that fails were not tried"));
        let text = fits(1, &[Fit::Fails("a.c:3".into())]);
        assert!(text.ends_with("; the last one fails"));
    }
}

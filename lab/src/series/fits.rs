//! How each series fits a tree.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use crate::base::paths::Paths;
use crate::base::ui::Ui;
use crate::series::patches::{self, Needs};
use crate::series::repository::{Fit, Repository};
use crate::source::tree::Source;

/// How a series fits a tree.
#[derive(Clone, Debug)]
pub struct SeriesFit {
    pub series: String,
    /// How many patches it has.
    pub patches: usize,
    /// Of each patch, up to the first that fails.
    pub fits: Vec<(String, Fit)>,
}

/// How each series fits the stock tree with what of the series that it needs does;
/// `stores` may have what the patches were made of.
pub fn fits(paths: &Paths, ui: &Ui, source: &Source, stores: &[PathBuf]) -> Result<Vec<SeriesFit>> {
    let dir = paths.patches();
    let patches = patches::read(&dir)?;
    let mut repository = Repository::open(paths, source)?;
    repository.stores = stores.to_vec();
    let step = ui.step("Trying the patches");
    repository.start_am(&patches, &source.base)?;
    let mut all = Vec::new();
    for (series, needs) in Needs::read(&dir)?.each() {
        repository.reset(&source.base)?;
        let mut fit = SeriesFit {
            series: series.clone(),
            patches: 0,
            fits: Vec::new(),
        };
        let mut failed = BTreeSet::new();
        for patch in patches::of(&patches, needs) {
            fit.patches += usize::from(patch.series() == series);
            if failed.contains(patch.series()) {
                continue;
            }
            step.note(patch.name.as_str());
            let one = repository.fit_somehow(&patch)?;
            if matches!(one, Fit::Fails(_)) {
                failed.insert(patch.series().to_owned());
            }
            if patch.series() == series {
                fit.fits.push((patch.name, one));
            }
        }
        all.push(fit);
    }
    step.done("");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use anyhow::Context;

    use super::*;
    use crate::base::git;
    use crate::series::repository;
    use crate::source::tree::BASE;

    /// A repository with a stock tree of one file, `a`, of the lines 1 to 9.
    fn small() -> Result<(tempfile::TempDir, Paths, Source)> {
        let dir = tempfile::tempdir()?;
        let mut paths = Paths::at(&dir.path().join("clone"), &dir.path().join("cache"));
        paths.local = Some(PathBuf::new());
        let stock = dir.path().join("stock");
        for dir in [&stock, &paths.patches()] {
            fs::create_dir_all(dir)?;
        }
        git::run(&stock, ["init", "--quiet", "--initial-branch", BASE])?;
        for name in ["a", "Kconfig"] {
            fs::write(stock.join(name), lines("1 2 3 4 5 6 7 8 9"))?;
        }
        git::run(&stock, ["add", "."])?;
        git::run(&stock, ["commit", "--quiet", "-m", "base"])?;
        let base = git::line(&stock, ["rev-parse", "HEAD"])?;
        let source = Source {
            version: "1".into(),
            dir: stock,
            base,
        };
        Ok((dir, paths, source))
    }

    fn lines(words: &str) -> String {
        words.replace(' ', "\n") + "\n"
    }

    /// A patch from one text of `a` to another, as number so and so of 1-fixes.
    fn write_patch(paths: &Paths, number: u32, from: &str, to: &str) -> Result<()> {
        write_patch_of(paths, "1-fixes", number, from, to)
    }

    fn write_patch_of(
        paths: &Paths,
        series: &str,
        number: u32,
        from: &str,
        to: &str,
    ) -> Result<()> {
        let dir = tempfile::tempdir()?;
        git::run(dir.path(), ["init", "--quiet"])?;
        for text in [from, to] {
            fs::write(dir.path().join("a"), lines(text))?;
            git::run(dir.path(), ["add", "."])?;
            git::run(dir.path(), ["commit", "--quiet", "-m", "change"])?;
        }
        let name = format!("{number:04}-change.patch");
        let mail = git::out(dir.path(), ["format-patch", "--stdout", "-1"])?;
        let folder = paths.patches().join(series);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), mail)?)
    }

    /// How each series fits, in words.
    fn fits_of(paths: &Paths, source: &Source, stores: &[PathBuf]) -> Result<Vec<Vec<String>>> {
        let all = fits(paths, &Ui::new().quiet(), source, stores)?;
        let words = |it: &SeriesFit| it.fits.iter().map(|(_, fit)| fit.to_string()).collect();
        Ok(all.iter().map(words).collect())
    }

    #[test]
    fn each_patch_is_tried_and_what_there_is_is_left_out() -> Result<()> {
        let (_dir, paths, source) = small()?;
        let ui = Ui::new().quiet();
        write_patch(&paths, 1, "1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9")?;
        write_patch(&paths, 2, "1 2 3 4 y 6 7 8 9", "1 2 3 4 x 6 7 8 9")?;
        write_patch(&paths, 3, "1 2 3 4 x q r s", "1 2 3 4 x z q r s")?;
        write_patch(&paths, 4, "k l m n", "k l n n")?;
        let fits = fits_of(&paths, &source, &[])?;
        assert_eq!(fits.len(), 1);
        assert_eq!(fits[0][..2], ["applies", "already there"]);
        assert!(fits[0][2].starts_with("fails at a:"), "{fits:?}");
        assert_eq!(fits[0].len(), 3, "the one after that is not tried");
        // A build takes what is there already for done, and nothing that does not fit.
        let said =
            repository::checkout(&paths, &ui, &source, None).map_err(|error| error.to_string());
        assert!(
            said.as_ref()
                .is_err_and(|text| text.contains("patches/1-fixes/0003-change.patch")),
            "{said:?}"
        );
        let (tree, _) = repository::checkout(&paths, &ui, &source, Some(2))?;
        assert_eq!(
            fs::read_to_string(tree.join("a"))?,
            lines("1 2 3 4 x 6 7 8 9")
        );
        Ok(())
    }

    #[test]
    fn fuzz_and_merges_are_named() -> Result<()> {
        let (_dir, paths, source) = small()?;
        // Other lines around than the tree has, but for one on each side.
        write_patch(&paths, 1, "1 b c 4 5 6 g h 9", "1 b c 4 x 6 g h 9")?;
        let fits = || -> Result<String> {
            let store = paths.clone.join("store/.git/objects");
            let stores = store.is_dir().then_some(store);
            Ok(fits_of(&paths, &source, &Vec::from_iter(stores))?[0][0].clone())
        };
        assert_eq!(fits()?, "needs fuzz (git am -C1)");
        // A half of it is in the tree: only git, knowing the file it was made from, can.
        let from = "0 2 3 4 5 6 7 8 9";
        write_patch(&paths, 1, from, "1 2 3 4 5 6 7 8 y")?;
        assert_eq!(fits()?, "fails at a:1");
        let store = paths.clone.join("store");
        fs::create_dir(&store)?;
        git::run(&store, ["init", "--quiet"])?;
        fs::write(store.join("a"), lines(from))?;
        git::run(&store, ["add", "."])?;
        assert_eq!(fits()?, "needs a merge (git am --3way)");
        Ok(())
    }

    /// A patch from one text of `a` and of `Kconfig` to others, made in a tree that has
    /// these; the tree's objects.
    fn write_patch_made_in(
        paths: &Paths,
        tree: &Path,
        name: &str,
        texts: [(&str, &str); 2],
    ) -> Result<PathBuf> {
        git::run(tree, ["init", "--quiet"])?;
        for (a, other) in texts {
            fs::write(tree.join("a"), lines(a))?;
            fs::write(tree.join("Kconfig"), lines(other))?;
            git::run(tree, ["add", "."])?;
            git::run(tree, ["commit", "--quiet", "-m", "change"])?;
        }
        let mail = git::out(tree, ["format-patch", "--stdout", "--full-index", "-1"])?;
        let file = paths.patches().join(name);
        fs::create_dir_all(file.parent().context("a patch is in a folder")?)?;
        fs::write(file, mail)?;
        Ok(tree.join(".git/objects"))
    }

    #[test]
    fn a_patch_that_fails_leaves_nothing_behind() -> Result<()> {
        let (dir, paths, source) = small()?;
        let (stock, patched) = ("1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9");
        // Of its two hunks the tree lacks one: git merges the other, to a file that only
        // the store has, and gives up.
        let made = dir.path().join("made");
        fs::create_dir(&made)?;
        let (from, to) = ("1 2 3 4 other 6 7 8 9", "1 2 3 4 patched 6 7 8 9");
        let texts = [(stock, from), (patched, to)];
        let store = write_patch_made_in(&paths, &made, "1-fixes/0001-change.patch", texts)?;
        write_patch(&paths, 2, stock, patched)?;
        write_patch_of(&paths, "2-mtd", 1, stock, patched)?;
        write_patch_of(&paths, "2-mtd", 2, "k l m n", "k l n n")?;
        // A merge whose outcome only the store has; what comes next starts from that.
        let merged = "1 2 3 4 5 6 7 8 y";
        let texts = [("0 2 3 4 5 6 7 8 9", stock), (merged, stock)];
        write_patch_made_in(&paths, &made, "3-spi/0001-change.patch", texts)?;
        write_patch_of(&paths, "3-spi", 2, merged, "z 2 3 4 5 6 7 8 y")?;
        let fits = fits_of(&paths, &source, &[store])?;
        assert_eq!(fits[0], ["fails at Kconfig:2"]);
        assert_eq!(fits[1], ["applies", "fails at a:1"]);
        assert_eq!(fits[2], ["needs a merge (git am --3way)", "applies"]);
        Ok(())
    }
}

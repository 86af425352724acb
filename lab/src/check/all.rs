//! What can be said of the series without building it.

use anyhow::Result;

use crate::build::kernel::Kernel;
use crate::check::finding::Check;
use crate::check::{
    checkpatch, coccinelle, format, kernel_doc, lab_patches, lint, record, unsafe_code,
};
use crate::lab::Lab;
use crate::series::{repository, verify};
use crate::source;

/// Runs every check that can be run; without a series that applies, few can.
pub fn all(lab: &Lab) -> Result<Vec<Check>> {
    let report = verify::verify(&lab.paths, &lab.ui)?;
    let mut checks = vec![Check {
        name: "series",
        looked: report.patches + report.exported,
        findings: report.problems,
    }];
    if let Some(commit) = report.applied {
        let source = source::ensure(&lab.paths, &lab.ui)?;
        let step = lab.ui.step("Checking style");
        let (tree, _) = repository::checkout(&lab.paths, &lab.ui, &source, None)?;
        step.note("checkpatch");
        checks.push(checkpatch::checkpatch(lab, &tree)?);
        let changed = verify::changed_files(&commit)?;
        step.note("kernel-doc");
        checks.push(kernel_doc::kernel_doc(lab, &source.dir, &tree, &changed)?);
        step.note("rustfmt");
        checks.push(format::rustfmt(lab, &tree, &changed)?);
        checks.push(unsafe_code::unsafe_code(lab, &source.dir, &tree, &changed)?);
        step.note("coccinelle");
        checks.push(coccinelle::coccinelle(lab, &tree)?);
        checks.push(lab_patches::lab_patches(lab, &tree)?);
        step.done("");
    }
    checks.push(format::lab_format(lab)?);
    record::record(lab, "checks", &checks)?;
    Ok(checks)
}

/// What needs a build: clippy and rustdoc, of the kernel that the KUnit tests are in.
pub fn rust(lab: &Lab, kernel: &Kernel) -> Result<Vec<Check>> {
    let checks = lint::all(lab, kernel)?;
    record::record(lab, "compiled", &checks)?;
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::paths::Paths;
    use crate::check::checkpatch::{Allowed, Lines, Message};

    const PATCH: &str = "\
Subject: x

---
diff --git a/include/trace/events/spi.h b/include/trace/events/spi.h
@@ -1 +1 @@
-	return -ENOTSUPP;
+		return -ENOTSUPP;
+		return -ENOTSUPP; /* new */
diff --git a/drivers/spi/spi.c b/drivers/spi/spi.c
+	for (;;)		\\
";

    fn message(line: usize, kind: &str) -> Message {
        Message {
            line,
            kind: kind.into(),
            text: String::new(),
        }
    }

    fn allowed(kind: &str, file: &str, line: &str, moved: bool) -> Allowed {
        Allowed {
            types: vec![kind.into()],
            file: file.into(),
            line: line.into(),
            moved,
            reason: "r".into(),
        }
    }

    #[test]
    fn messages_are_read_and_nothing_else_passes() -> Result<()> {
        let said = "0001-a.patch:82: CHECK:OPEN_ENDED_LINE: Lines: should\n\n\
                    0002-b.patch:1: ERROR:SPACING: space\n";
        let read = checkpatch::messages(said)?;
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].line, read[0].kind.as_str()),
            (82, "OPEN_ENDED_LINE")
        );
        assert_eq!(read[0].text, "CHECK:OPEN_ENDED_LINE: Lines: should");
        assert!(checkpatch::messages("Can't open perl script").is_err());
        Ok(())
    }

    #[test]
    fn a_line_belongs_to_its_file() {
        let lines = Lines::new(PATCH.as_bytes());
        assert_eq!(lines.file(1), "");
        assert_eq!(lines.file(7), "include/trace/events/spi.h");
        assert_eq!(lines.file(10), "drivers/spi/spi.c");
        assert_eq!(lines.file(1000), "drivers/spi/spi.c");
    }

    #[test]
    fn the_allow_list_is_by_type_file_line_and_origin() {
        let lines = Lines::new(PATCH.as_bytes());
        let trace = allowed("A", "include/trace/", "", false);
        assert!(lines.allows(&trace, &message(7, "A")));
        assert!(!lines.allows(&trace, &message(10, "A")));
        assert!(!lines.allows(&trace, &message(7, "B")));
        let moved = allowed("A", "", "", true);
        assert!(lines.allows(&moved, &message(7, "A")));
        assert!(!lines.allows(&moved, &message(8, "A")));
        let macros = allowed("A", "", r"\\$", false);
        assert!(lines.allows(&macros, &message(10, "A")));
        assert!(!lines.allows(&macros, &message(7, "A")));
    }

    #[test]
    fn the_committed_allow_list_reads() -> Result<()> {
        let file = Paths::find()?.data().join("check/checkpatch.toml");
        assert!(!checkpatch::allow_list(&file)?.is_empty());
        Ok(())
    }

    #[test]
    fn removed_lines_are_counted_in_the_old_file() -> Result<()> {
        let diff = "diff = \n--- /a/b.c\n+++ /tmp/cocci-output-1-b.c\n@@ -9,4 +9,3 @@ int f()\n \n-x\n y\n+z\n\
                    @@ -20,1 +19,0 @@\n-- w\n--- c.c\n+++ c.c\n@@ -1 +1 @@\n-v\n";
        let lines = coccinelle::removed(diff)?;
        let wanted = [("b.c", 10), ("b.c", 20), ("c.c", 1)];
        assert_eq!(
            lines,
            wanted.map(|(file, line)| (file.to_owned(), line)).into()
        );
        assert!(coccinelle::removed("Fatal error: exception\n").is_err());
        assert!(coccinelle::removed("")?.is_empty());
        Ok(())
    }

    #[test]
    fn only_new_warnings_count() {
        let lines = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let before = lines(&["Warning: a.c:10 no return of 'f'"]);
        let after = lines(&[
            "Warning: a.c:12 no return of 'f'",
            "Warning: a.c:12 no return of 'f'",
            "Warning: a.c:20 no return of 'f'",
            "Warning: a.c:30 no return of 'g'",
        ]);
        assert_eq!(
            kernel_doc::fresh(&before, &after),
            ["a.c:20 no return of 'f'", "a.c:30 no return of 'g'"]
        );
    }
}

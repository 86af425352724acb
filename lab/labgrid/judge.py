# SPDX-License-Identifier: GPL-2.0
"""Reads the serial console of a board that ran the tests, and says whether it passed.

    python3 judge.py console.log

Needs expected.json beside it, which says what ran, and reports.txt, which says how kernel
reports begin. Passed is only a run in which every expected test is there, once, and passed;
tests that need permission to write to the flash may be skipped, no others. The exit status
is 0 if so, else 1.
"""

import json
import pathlib
import re
import sys

# Time, and with CONFIG_PRINTK_CALLER who printed it.
PREFIX = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
RESULT = re.compile(r"^(ok|not ok) (\d+) ?-? ?([^#]*?)(?: # SKIP ?(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?: # SKIP ?(.*))?$", re.IGNORECASE)
WHOLE = re.compile(r"^LAB: (control|final) (\S+) (\d+ [0-9a-f]{64})$")
# How the kernel begins to report that something is wrong.
PATTERNS = pathlib.Path(__file__).with_name("reports.txt").read_text().split("\n")
REPORT = re.compile("|".join(f"(?:{line})" for line in PATTERNS if line and line[0] != "#"))


class Verdict:
    """`name` is passed, failed, or inconclusive (not all was shown); `why` says more."""

    def __init__(self, name, why, counts, notes):
        self.name = name
        self.why = why
        self.counts = counts
        self.notes = notes

    @property
    def passed(self):
        return self.name == "passed"

    def __str__(self):
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        lines = [f"{self.name}: {counts}"]
        lines += [f"  {line}" for line in self.why]
        lines += [f"  note: {line}" for line in self.notes]
        return "\n".join(lines)


def clean(text):
    """The lines that were printed, without time, caller and colour."""
    lines = COLOUR.sub("", text.replace("\r", "")).split("\n")
    return [PREFIX.sub("", line).rstrip() for line in lines]


def program(lines, expected, why, skips, counts):
    """Reads what one test program printed, as KTAP."""
    name, wanted, may_skip = expected["name"], expected["tests"], expected["may-skip"]
    starts = [n for n, line in enumerate(lines) if line == f"LAB: start {name}"]
    if len(starts) != 1:
        why.append(f"{name}: started {len(starts)} times")
        counts["missing"] += len(wanted)
        return
    end = re.compile(rf"^LAB: end {re.escape(name)} (\d+)$")
    said, status = [], None
    for line in lines[starts[0] + 1 :]:
        found = end.match(line)
        if found:
            status = int(found[1])
            break
        said.append(line)
    if status is None:
        why.append(f"{name}: did not end")
    elif status:
        why.append(f"{name}: exit status {status}")
    if not any(re.match(r"^K?TAP version \d+$", line) for line in said):
        why.append(f"{name}: no KTAP")

    plan, seen = None, []
    for line in said:
        found = PLAN.match(line)
        if found:
            if plan is not None:
                why.append(f"{name}: two plans")
            plan = int(found[1])
            if found[2] is not None:
                skips.append(f"{name}: skipped: {found[2]}")
            continue
        found = RESULT.match(line)
        if not found:
            continue
        ok, number, test, skip = found[1].lower() == "ok", int(found[2]), found[3], found[4]
        if number != len(seen) + 1:
            why.append(f"{name}: result {number} comes after {len(seen)}")
        if test not in wanted:
            why.append(f"{name}: unexpected test: {test}")
        if test in seen:
            why.append(f"{name}: twice: {test}")
        seen.append(test)
        if not ok:
            counts["failed"] += 1
            why.append(f"{name}: not ok: {test}")
        elif skip is not None:
            counts["skipped"] += 1
            if test not in may_skip:
                skips.append(f"{name}: skipped: {test}: {skip}")
        else:
            counts["passed"] += 1
    if plan is None:
        why.append(f"{name}: no plan")
    elif plan != len(seen):
        why.append(f"{name}: {len(seen)} of {plan} tests")
    missing = [test for test in wanted if test not in seen]
    counts["missing"] += len(missing)
    why.extend(f"{name}: missing: {test}" for test in missing)


def judge(text, expected):
    """The verdict on a console."""
    lines = clean(text)
    why, skips, notes = [], [], []
    counts = {"passed": 0, "failed": 0, "skipped": 0, "missing": 0}

    for each in expected["programs"]:
        program(lines, each, why, skips, counts)

    first = next((n for n, line in enumerate(lines) if line.startswith("# marker: unbind ")), None)
    reports = [(n, line) for n, line in enumerate(lines) if REPORT.match(line)]
    for n, line in reports:
        if first is not None and n > first:
            why.append(f"the kernel reported, after the first unbind: {line}")
        else:
            notes.append(f"the kernel reported, before any unbind: {line}")

    reads = {found[1]: found[3] for found in map(WHOLE.match, lines) if found}
    if "control" not in reads:
        why.append("the flash was not read before the tests")
    elif "final" not in reads:
        why.append("the flash was not read after the tests")
    elif reads["control"] != reads["final"]:
        why.append("the flash reads differently after the tests")

    drivers = re.compile(r"^# controller: \S+, driver (\S+)$")
    found = {match[1] for match in map(drivers.match, lines) if match}
    if found != {expected["driver"]}:
        other = ", ".join(sorted(found)) or "none"
        why.append(f"the controller's driver is to be {expected['driver']}, is {other}")
    if "LAB: done" not in lines:
        why.append("the run did not come to its end")

    if first is None:
        # Whatever is wrong besides, it is not about unbinding.
        name = "inconclusive"
        why.insert(0, "nothing was unbound")
    elif why:
        name = "failed"
    else:
        name = "inconclusive" if skips else "passed"
    return Verdict(name, why + skips, counts, notes)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = pathlib.Path(__file__).resolve().parent
    expected = json.loads((here / "expected.json").read_text())
    text = pathlib.Path(sys.argv[1]).read_text(errors="replace")
    verdict = judge(text, expected)
    print(verdict)
    sys.exit(0 if verdict.passed else 1)


if __name__ == "__main__":
    main()

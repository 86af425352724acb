# SPDX-License-Identifier: GPL-2.0
"""Tests of judge.py: a good console passes, and nothing that is wrong with one does."""

import copy
import json
import pathlib

import pytest

import judge

EXPECTED = json.loads((pathlib.Path(__file__).resolve().parent / "expected.json").read_text())
SUM = "ab" * 32


def console():
    """The lines of a run in which all is as it has to be."""
    lines = [
        "U-Boot 2026.01",
        "=> booti 0x42000000",
        "[    0.000000][    T0] Linux version 7.3.4 (lab@lab)",
        f"[    9.000000][    T1] LAB: control mtd0 16777216 {SUM}",
    ]
    for program in EXPECTED["programs"]:
        tests = program["tests"]
        lines += [
            f"[   10.000000][   T50] LAB: start {program['name']}",
            "[   10.000000][   T51] TAP version 13",
            f"[   10.000000][   T51] # controller: 30bb0000.spi, driver {EXPECTED['driver']}",
            f"[   10.000000][   T51] 1..{len(tests)}",
            "[   11.000000][   T52] # marker: unbind flash cycle 1",
        ]
        for number, test in enumerate(tests, 1):
            skip = " # SKIP MTD_TEST_DESTRUCTIVE is not set" if test in program["may-skip"] else ""
            lines.append(f"[   12.000000][   T51] ok {number} {test}{skip}")
        lines.append(f"[   13.000000][   T50] LAB: end {program['name']} 0")
    lines += [f"[   14.000000][    T1] LAB: final mtd0 16777216 {SUM}", "LAB: done"]
    return lines


def verdict(lines, end="\n"):
    return judge.judge(end.join(lines), EXPECTED)


def at(lines, text):
    return next(n for n, line in enumerate(lines) if text in line)


def test_a_good_run_passes():
    result = verdict(console())
    assert result.passed, str(result)
    skipped = sum(len(program["may-skip"]) for program in EXPECTED["programs"])
    total = sum(len(program["tests"]) for program in EXPECTED["programs"])
    assert skipped and result.counts["skipped"] == skipped
    assert result.counts["passed"] == total - skipped


def test_line_ends_and_colours_of_a_serial_line_do_not_matter():
    lines = console()
    lines[0] = "\x1b[1;32m" + lines[0] + "\x1b[0m"
    assert verdict(lines, "\r\n").passed


def test_every_line_but_a_few_is_needed():
    lines = console()
    # Of no meaning, or there twice. The plan, the version and the results are.
    may_go = ["U-Boot", "=> booti", "Linux version", "# controller", "# marker"]
    for n, line in enumerate(lines):
        if any(text in line for text in may_go):
            continue
        assert not verdict(lines[:n] + lines[n + 1 :]).passed, line
    for text in ("# controller", "# marker"):
        assert not verdict([line for line in lines if text not in line]).passed, text


def test_no_test_may_fail():
    for n, line in enumerate(console()):
        if "] ok " in line:
            lines = console()
            lines[n] = line.replace("] ok ", "] not ok ")
            result = verdict(lines)
            assert result.name == "failed", line


def test_no_other_test_may_skip():
    may_skip = [test for program in EXPECTED["programs"] for test in program["may-skip"]]
    for n, line in enumerate(console()):
        if "] ok " in line and not any(test in line for test in may_skip):
            lines = console()
            lines[n] = line + " # SKIP the controller has another device"
            result = verdict(lines)
            assert result.name == "inconclusive", line
            assert any("skipped: " in why for why in result.why)


def test_a_skip_hides_no_failure():
    lines = console()
    n = at(lines, "] ok 1 ")
    lines[n] += " # SKIP the controller has another device"
    lines[n + 1] = lines[n + 1].replace("] ok ", "] not ok ")
    assert verdict(lines).name == "failed"


def test_all_skipped_is_inconclusive():
    lines = console()
    for program in EXPECTED["programs"]:
        start = at(lines, f"LAB: start {program['name']}")
        end = at(lines, f"LAB: end {program['name']}")
        lines[start + 1 : end + 1] = [
            "TAP version 13",
            "1..0 # SKIP there is no MTD",
            f"LAB: end {program['name']} 4",
        ]
    result = verdict(lines)
    assert result.name == "inconclusive"
    assert result.counts["passed"] == 0


@pytest.mark.parametrize(
    "report",
    [
        "BUG: KASAN: slab-use-after-free in cqspi_indirect_read_execute+0x404/0x538",
        "WARNING: drivers/mtd/mtdcore.c:42 at del_mtd_device+0x1/0x2",
        "WARNING: possible circular locking dependency detected",
        "Unable to handle kernel paging request at virtual address dfff800000000000",
        "Internal error: Oops: 0000000096000006 [#1] SMP",
        "INFO: task sh:71 blocked for more than 30 seconds.",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "Kernel panic - not syncing: Oops: Fatal exception",
    ],
)
def test_a_report_counts_after_the_first_unbind(report):
    lines = console()
    line = f"[   11.500000][   T60] {report}"
    after = verdict(
        lines[: at(lines, "# marker") + 1] + [line] + lines[at(lines, "# marker") + 1 :]
    )
    assert after.name == "failed"
    before = verdict(lines[:4] + [line] + lines[4:])
    assert before.passed
    assert any(report in note for note in before.notes)


def test_the_flash_has_to_be_the_same():
    lines = console()
    n = at(lines, "LAB: final")
    lines[n] = lines[n].replace("ab", "cd", 1)
    assert "the flash reads differently after the tests" in verdict(lines).why


def test_the_driver_has_to_be_the_expected_one():
    lines = [line.replace(EXPECTED["driver"], "other") for line in console()]
    result = verdict(lines)
    assert any("is to be" in why for why in result.why)


def test_results_in_another_order_or_twice():
    lines = console()
    n = at(lines, "] ok 2 ")
    assert not verdict(lines[:n] + [lines[n]] + lines[n:]).passed
    swapped = copy.copy(lines)
    swapped[n], swapped[n + 1] = lines[n + 1], lines[n]
    assert not verdict(swapped).passed


def test_two_runs_in_one_console_are_not_one():
    assert not verdict(console() + console()).passed


def test_nothing_at_all():
    result = verdict([])
    assert result.name == "inconclusive"

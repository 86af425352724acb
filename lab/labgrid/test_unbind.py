# SPDX-License-Identifier: GPL-2.0
"""Deploys a kernel to a board, has it unbind its flash, and judges what it says.

    pytest --lg-env env.yaml test_unbind.py

A test of the board that was skipped is not a pass here either: see judge.py. Leaves
console.log and verdict.json where pytest is started.
"""

import json
import pathlib

import pytest

import judge

HERE = pathlib.Path(__file__).resolve().parent
# Where pytest is started: the files of this directory may be on a medium that is not
# written to.
WHERE = pathlib.Path.cwd()
EXPECTED = json.loads((HERE / "expected.json").read_text())


@pytest.fixture(scope="session")
def console(strategy):
    """What the board said, whole; kept in console.log."""
    for old in ("console.log", "verdict.json"):
        (WHERE / old).unlink(missing_ok=True)
    try:
        strategy.transition("running")
        text = strategy.read("LAB: done", EXPECTED["seconds"])
    finally:
        strategy.transition("off")
    (WHERE / "console.log").write_text(text)
    return text


def test_kernel_survives_unbinding(console):
    verdict = judge.judge(console, EXPECTED)
    said = {"name": verdict.name, "why": verdict.why, "counts": verdict.counts}
    (WHERE / "verdict.json").write_text(json.dumps(said, indent=2) + "\n")
    print(verdict)
    assert verdict.passed, str(verdict)

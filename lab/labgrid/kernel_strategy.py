# SPDX-License-Identifier: GPL-2.0
"""Brings a target to a kernel that is loaded from the network, or by the emulator.

With a U-Boot driver in the environment, the files go to the TFTP server, and U-Boot gets
the commands of uboot.json. Without one, switching the power on is all (QEMUDriver).
"""

import enum
import json
import pathlib
import time

import attr
from labgrid import target_factory
from labgrid.protocol import ConsoleProtocol, PowerProtocol
from labgrid.strategy import Strategy, StrategyError
from pexpect import EOF, TIMEOUT

# A console that says nothing is looked at again after this many seconds.
SLICE = 5


class Status(enum.Enum):
    unknown = 0
    off = 1
    running = 2


@target_factory.reg_driver
@attr.s(eq=False)
class KernelStrategy(Strategy):
    bindings = {
        "power": PowerProtocol,
        "console": ConsoleProtocol,
        "uboot": {"UBootDriver", None},
        "tftp": {"TFTPProviderDriver", None},
    }

    # Where the files and uboot.json are, seen from the environment's file.
    directory = attr.ib(default="..", validator=attr.validators.instance_of(str))
    # The TFTP server, where DHCP does not tell.
    server = attr.ib(default="", validator=attr.validators.instance_of(str))
    status = attr.ib(default=Status.unknown)

    def transition(self, status):
        if not isinstance(status, Status):
            status = Status[status]
        if status == self.status:
            return
        if status == Status.off:
            self.target.activate(self.power)
            self.power.off()
        elif status == Status.running:
            self.transition(Status.off)
            # Until it runs: what fails half way is to be switched off again.
            self.status = Status.unknown
            # First, so that nothing is missed of what comes.
            self.target.activate(self.console)
            self.power.on()
            if self.uboot:
                self.load()
        else:
            raise StrategyError(f"no transition to {status}")
        self.status = status

    def load(self):
        """Stages the files and has U-Boot fetch and start them."""
        here = pathlib.Path(self.target.env.config_file).resolve().parent / self.directory
        steps = json.loads((here / "uboot.json").read_text())
        staged = {}
        if self.tftp:
            self.target.activate(self.tftp)
            staged = {name: self.tftp.stage(str(here / name)) for name in steps["files"]}
        self.target.activate(self.uboot)
        for command in steps["commands"]:
            for name, path in staged.items():
                command = command.replace(f"@{name}@", path)
            for name in steps["files"]:
                command = command.replace(f"@{name}@", name)
            self.uboot.run_check(command, timeout=steps["timeout"])
            if command == "dhcp" and self.server:
                self.uboot.run_check(f"setenv serverip {self.server}")
        self.console.sendline(steps["start"])

    def read(self, pattern, timeout):
        """All that the console says until `pattern`, or until the time is over."""
        deadline = time.monotonic() + timeout
        expected = [pattern, r"---\[ end Kernel panic", TIMEOUT, EOF]
        while True:
            left = deadline - time.monotonic()
            slice_ = max(1, min(SLICE, left))
            index, before, _, after = self.console.expect(expected, timeout=slice_)
            if index < 2:
                # Up to the end of the line.
                return (before + after).decode(errors="replace") + "\n"
            if index == 3 or left <= 0:
                return before.decode(errors="replace")

"""Several hosts on one machine: network namespaces on a bridge, or a slow switch, of their own.

Nothing of this touches an interface of the machine: the bridge lives in a namespace, too.
"""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable

from switch import Switch, open_tap

PORT = 7000
NUMBERS = itertools.count()


def run(*command: str, text: str | None = None) -> str:
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout


@functools.cache
def why_not() -> str | None:
    """Why there can be no namespaces here, or nothing."""
    try:
        with Hosts(2) as hosts:
            hosts.cut([0], [1])
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespaces here: {getattr(error, 'stderr', None) or error}".strip()
    return None


class Hosts:
    """Use it in a `with`; hosts are numbered from 0. With a delay, each frame takes so long or up to
    twice as long, and one in a hundred is lost."""

    def __init__(self, count: int, delay_s: float = 0):
        self.delay_s = delay_s
        self.switch: Switch | None = None
        self.prefix = f"dagz-{os.getpid()}-{next(NUMBERS)}"
        self.count = count
        self.made: list[str] = []

    def __enter__(self) -> Hosts:
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self.switch:
            self.switch.close()
        for name in self.made:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def _make(self) -> None:
        for host in range(self.count):
            self._add(self.name(host))
        if self.delay_s:
            taps = [open_tap(self.name(host), "eth0") for host in range(self.count)]
            self.switch = Switch(taps, self.delay_s, loss=0.01, seed=self.count)
        else:
            self._bridge()
        for host in range(self.count):
            name = self.name(host)
            run("ip", "-n", name, "addr", "add", f"{self.address(host)}/24", "brd", "+", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "eth0", "up")

    def _bridge(self) -> None:
        switch = f"{self.prefix}-switch"
        self._add(switch)
        run("ip", "-n", switch, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        run("ip", "-n", switch, "link", "set", "bridge", "up")
        for host in range(self.count):
            port = f"port{host}"
            run("ip", "-n", switch, "link", "add", port, "type", "veth",
                "peer", "name", "eth0", "netns", self.name(host))
            run("ip", "-n", switch, "link", "set", port, "master", "bridge", "up")

    def _add(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self.made.append(name)

    def name(self, host: int) -> str:
        return f"{self.prefix}-{host}"

    def address(self, host: int) -> str:
        return f"10.77.0.{host + 1}"

    def command(self, host: int) -> list[str]:
        """What to put before a command that shall run on this host."""
        return ["ip", "netns", "exec", self.name(host)]

    def options(self, host: int) -> list[str]:
        """For a node on this host that knows the first two."""
        seeds = ",".join(f"{self.address(seed)}:{PORT}" for seed in range(min(2, self.count)))
        return ["--listen", f"{self.address(host)}:{PORT}", "--peers", seeds, "--no-beacon"]

    def cut(self, senders: Iterable[int], receivers: Iterable[int]) -> None:
        """Nothing gets from these hosts to those any more, which is tried."""
        receivers = list(receivers)
        addresses = ", ".join(map(self.address, receivers))
        for host in senders:
            # nft wants a line end before a closing brace.
            run(*self.command(host), "nft", "-f", "-", text=f"""
add table inet dagz
add chain inet dagz out {{ type filter hook output priority 0
}}
add rule inet dagz out ip daddr {{ {addresses} }} counter drop
""")
            if not self._is_cut(host, receivers[0]):
                raise OSError(f"the cut from host {host} to host {receivers[0]} does not cut")

    def heal(self) -> None:
        for host in range(self.count):
            subprocess.run([*self.command(host), "nft", "delete", "table", "inet", "dagz"],
                           capture_output=True)

    def _is_cut(self, sender: int, receiver: int) -> bool:
        # A datagram that the filter drops on its way out fails at its sender.
        probe = (
            "import socket, sys\n"
            "try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))\n"
            "except PermissionError: print('cut')"
        )
        address = self.address(receiver)
        return run(*self.command(sender), sys.executable, "-c", probe, address) == "cut\n"

"""Nodes that die, stand still, leave, come late and are cut off: no verdict is lost (chaos.py)."""

import sys

import pytest

from chaos import chaos
from hosts import Hosts, run, why_not


@pytest.mark.parametrize("seed", [3, 8, 17])
def test_no_verdict_is_lost(seed, tmp_path):
    chaos(seed, False, tmp_path)


@pytest.mark.parametrize("seed", [5, 12, 21])
def test_no_verdict_is_lost_between_hosts(seed, tmp_path):
    if why_not():
        pytest.skip(why_not())
    chaos(seed, True, tmp_path)


def test_the_slow_switch_is_slow():
    if why_not():
        pytest.skip(why_not())
    probe = (
        "import socket, sys, time\n"
        "for _ in range(2):\n"  # the first one asks for the address as well
        "    began = time.monotonic()\n"
        "    try: socket.create_connection((sys.argv[1], 9), timeout=10)\n"
        "    except ConnectionRefusedError: pass\n"
        "print(time.monotonic() - began)"
    )
    with Hosts(2, delay_s=0.05) as hosts:
        took = float(run(*hosts.command(0), sys.executable, "-c", probe, hosts.address(1)))
    assert took >= 0.1


@pytest.mark.parametrize("seed", [7, 19])
def test_no_verdict_is_lost_over_slow_links(seed, tmp_path):
    if why_not():
        pytest.skip(why_not())
    switch = chaos(seed, True, tmp_path, delay_s=0.02).hosts.switch
    assert switch.carried > 100
    assert switch.lost > 0

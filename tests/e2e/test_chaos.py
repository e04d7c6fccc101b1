"""Nodes that die, stand still, leave, come late and are cut off: no verdict is lost (chaos.py)."""

import pytest

from chaos import chaos
from hosts import why_not


@pytest.mark.parametrize("seed", [3, 8, 17])
def test_no_verdict_is_lost(seed, tmp_path):
    chaos(seed, False, tmp_path)


@pytest.mark.parametrize("seed", [5, 12, 21])
def test_no_verdict_is_lost_between_hosts(seed, tmp_path):
    if why_not():
        pytest.skip(why_not())
    chaos(seed, True, tmp_path)

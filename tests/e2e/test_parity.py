"""A part of a real suite, compared with plain pytest test by test."""

import pathlib
import subprocess
import sys


def test_networkx_classes():
    script = pathlib.Path(__file__).with_name("parity.py")
    ran = subprocess.run(
        [sys.executable, str(script), "networkx/classes"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "networkx/classes: the same; " in ran.stdout

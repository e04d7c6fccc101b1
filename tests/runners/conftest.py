"""What the tests of the driver share."""

import textwrap

import pytest


@pytest.fixture
def write(tmp_path):
    """Writes files of a suite; returns its directory."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "pytest.ini").write_text("[pytest]\n")

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "suite" / name.replace("__", "/").replace("_dot_", ".")
            if not path.suffix:
                path = path.with_suffix(".py")
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path / "suite"

    return write

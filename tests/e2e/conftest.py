import os
import pathlib

import pytest

# Before any test module looks: ctest names the binary, a plain `pytest tests/e2e` takes the built one.
ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("DAGZ_BINARY", str(ROOT / "build" / "dagz"))

from job import Job  # noqa: E402


@pytest.fixture
def job(tmp_path):
    one = Job(tmp_path)
    yield one
    one.end()

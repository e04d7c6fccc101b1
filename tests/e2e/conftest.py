import pytest

from job import Job


@pytest.fixture
def job(tmp_path):
    one = Job(tmp_path)
    yield one
    one.end()

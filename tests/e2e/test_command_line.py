"""The command line of the shipped binary: help, versions, mistakes, completions in real shells."""

import os
import shutil
import subprocess

import pytest

DAGZ = os.environ["DAGZ_BINARY"]


def dagz(*arguments, cwd, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DAGZ_")}
    return subprocess.run(
        [DAGZ, *arguments],
        cwd=cwd,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_version_and_help(tmp_path):
    version = dagz("--version", cwd=tmp_path)
    assert (version.returncode, version.stdout.split()[0]) == (0, "dagz")
    overview = dagz("help", cwd=tmp_path)
    assert overview.returncode == 0 and "doctor" in overview.stdout
    assert "--on-isolation run-all|slice" in dagz("run", "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["run", "--wrokers", "2"], "did you mean '--workers'?"),
        (["serve", "--url", "no url"], "--url"),
        (["run", "pytest"], "dagz run -- pytest"),
    ],
)
def test_mistakes_cost_one_line_and_exit_4(tmp_path, arguments, sentence):
    result = dagz(*arguments, cwd=tmp_path)
    assert result.returncode == 4
    assert result.stdout == ""
    assert sentence in result.stderr and result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_mistakes_in_the_environment_and_the_file(tmp_path):
    assert "DAGZ_GRACE: 'x'" in dagz("run", cwd=tmp_path, DAGZ_GRACE="x").stderr
    (tmp_path / "dagz.toml").write_text("retries = 1\nwrokers = 2\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    result = dagz("run", cwd=below)
    assert result.returncode == 4
    assert f"{tmp_path}/dagz.toml:2: unknown key 'wrokers'" in result.stderr
    assert "dagz: dagz.toml:2:" in dagz("run", cwd=tmp_path).stderr


COMPLETIONS = [
    (["dagz", "re"], ["report"]),
    (["dagz", "run", "--trust", ""], ["auto", "secret", "open"]),
    (["dagz", "run", "--trust", "=", "se"], ["secret"]),
    (["dagz", "run", "--re"], ["--rendezvous", "--retries"]),
    (["dagz", "report", "--format", "j"], ["json", "junit"]),
    (["dagz", "completion", ""], ["bash", "zsh", "fish"]),
    (["dagz", "help", "do"], ["doctor"]),
    (["dagz", "history", ""], ["export", "import", "prune", "flaky"]),
    (["dagz", "history", "import", ""], ["durations.json"]),
]


@pytest.mark.parametrize("words, expected", COMPLETIONS)
def test_bash_completes(tmp_path, words, expected):
    script = dagz("completion", "bash", cwd=tmp_path).stdout
    (tmp_path / "durations.json").touch()
    script += (
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dagz; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    result = subprocess.run(
        ["bash", "-euc", script, "bash", *words], capture_output=True, text=True, timeout=60,
        cwd=tmp_path,
    )
    assert result.stderr == ""
    assert result.stdout.split() == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_the_script(tmp_path, shell):
    script = dagz("completion", shell, cwd=tmp_path).stdout
    assert "rendezvous" in script
    if shutil.which(shell) is None:
        return  # what the script holds is tested without the shell
    result = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")

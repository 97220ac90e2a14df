"""The wheel: all that belongs in it and nothing else, and it works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(arguments: Sequence[str | Path], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, PYTHONPATH replaced."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COVERAGE"))}
    return subprocess.run(
        [str(a) for a in arguments],
        cwd=cwd,
        env={**kept, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tracked() -> list[str]:
    """Files that git knows; the wheel is compared with them."""
    found = run(["git", "ls-files", "-z", "analyzer", "queries"], ROOT)
    assert not found.returncode, "the wheel can only be held against a git checkout"
    return [name for name in found.stdout.split("\0") if name]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the tracked files alone, so that neither leftovers nor a cache get in."""
    source = tmp_path_factory.mktemp("source")
    for name in [*tracked(), "pyproject.toml", "README.md", "CHANGELOG.md"]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    out = tmp_path_factory.mktemp("dist")
    built = run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source], out
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_git_knows(wheel: Path) -> None:
    held = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    expected = {
        f"analyzer/{name}" if name.startswith("queries/") else name
        for name in tracked()
        if (ROOT / name).is_file()
    }
    assert held == expected
    assert "analyzer/policy.toml" in held
    assert "analyzer/py.typed" in held
    assert any(name.startswith("analyzer/queries/") for name in held)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked as pip does; dependencies come from this environment."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index"]
    done = run([*command, "--target", target, wheel], target)
    assert done.returncode == 0, done.stderr
    return target


# -P: neither the current folder nor a script's is importable, so the checkout can only come in
# through an editable install, which PYTHONPATH precedes
START = "import sys, analyzer; from analyzer.cli import run; print(analyzer.__file__, flush=True);"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sql", "rows"], "SELECT coalesce(wanted, FALSE)"),
        (["sql"], "check_rows"),
        (["--version"], "0.1.0"),
        (["scan", "--help"], "Example: analyzer scan"),
    ],
)
def test_it_works_away_from_the_checkout(
    installed: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    code = f"{START} sys.exit(run({arguments!r}))"
    done = run([sys.executable, "-P", "-c", code], tmp_path, PYTHONPATH=str(installed))
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert Path(done.stdout.splitlines()[0]).is_relative_to(installed)


def test_the_shipped_policy_is_found(installed: Path, tmp_path: Path) -> None:
    code = "from analyzer import policy; print(policy.load().shadow.latency_limit_ms)"
    done = run([sys.executable, "-P", "-c", code], tmp_path, PYTHONPATH=str(installed))
    assert done.stdout.strip() == "200.0", done.stderr

"""Documentation that cannot fall behind, and a lock that names no machine."""

import importlib
import re
from pathlib import Path

import click
import pytest

from analyzer.cli import COMMANDS, EXIT_CODES, reference

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERY = [(name, command) for name, command, _ in reference.commands()]


def test_the_reference_is_what_help_says() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert written.splitlines() == reference.full().splitlines(), "run `make docs`"


def test_the_readme_lists_every_command() -> None:
    assert reference.BEGIN in README
    assert reference.with_reference(README) == README, "run `make docs`"


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_help_has_an_example_that_runs_this_command(name: str, command: click.Command) -> None:
    assert command.help
    assert f"Example: analyzer {name}" in (command.epilog or "")


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_every_option_is_explained(name: str, command: click.Command) -> None:
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_every_command_has_its_module() -> None:
    for name in COMMANDS:
        assert (ROOT / "analyzer" / "cli" / f"{name}.py").is_file(), name


def test_the_readme_tells_every_exit_code() -> None:
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in README


def test_commands_in_the_readme_exist() -> None:
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for name in re.findall(r"^analyzer ([a-z]+)", block, re.MULTILINE):
            assert name in COMMANDS, name


def test_links_in_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", ["requirements.lock", "tests/registry/requirements.lock"])
def test_the_lock_is_hashed_and_names_no_place(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--index-url" not in lock
    assert "--find-links" not in lock
    assert not re.search(r"(^|\s)/\w", lock)
    for requirement in re.split(r"\n(?=\S)", lock.strip()):
        if not requirement.startswith("#"):
            assert "--hash=sha256:" in requirement, requirement
    least = "hatchling" if name == "requirements.lock" else "mlflow-skinny"
    assert re.search(rf"^{least}==", lock, re.MULTILINE)


def test_the_lock_holds_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement)
        assert name
        assert re.search(rf"^{re.escape(name[0].lower())}==", lock, re.MULTILINE), name[0]


def test_what_the_readme_imports_exists() -> None:
    blocks = "".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    assert "from analyzer.gate import gate" in blocks
    for module, names in re.findall(r"^from (analyzer[\w.]*) import (.+)$", blocks, re.MULTILINE):
        for name in names.split(", "):
            found = importlib.import_module(module)
            if not hasattr(found, name):
                importlib.import_module(f"{module}.{name}")

"""Every docstring's example is run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from analyzer import stats

MODULES = [module.name for module in pkgutil.iter_modules(stats.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"analyzer.stats.{name}")
    found = doctest.testmod(module)
    assert found.failed == 0
    for noun, thing in vars(module).items():
        own = inspect.isfunction(thing) and thing.__module__ == module.__name__
        if own and not noun.startswith("_"):
            assert thing.__doc__, noun
            assert ">>>" in thing.__doc__, noun

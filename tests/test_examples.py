"""The examples in docstrings are what happens."""

import doctest
import importlib
from pathlib import Path

import pytest

import foretune

ROOT = Path(foretune.__file__).parent
WITH_EXAMPLES = [
    "foretune." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0

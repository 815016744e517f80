"""The list of mutants stays alive: each still applies, and breaks nothing but its guard."""

import ast

import pytest

from tools import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_applies_and_names_tests_that_exist(mutant: mutants.Mutant) -> None:
    text = mutants.mutated(mutant)
    assert text != (mutants.ROOT / mutants.SOURCE / mutant.file).read_text(encoding="utf-8")
    ast.parse(text)
    paths = [part for part in mutant.tests if part.startswith("tests/")]
    assert paths
    assert all((mutants.ROOT / path).exists() for path in paths)


def test_there_are_more_than_twenty_and_no_name_twice() -> None:
    names = [mutant.name for mutant in mutants.MUTANTS]
    assert len(names) > 20
    assert len(set(names)) == len(names)

"""The mutants stay valid: each still applies, compiles, and names existing tests."""

import ast

import pytest

from tools import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_applies_and_names_existing_tests(mutant: mutants.Mutant) -> None:
    text = mutants.mutated(mutant)
    assert text != (mutants.ROOT / mutants.SOURCE / mutant.file).read_text(encoding="utf-8")
    ast.parse(text)
    paths = [part for part in mutant.tests if part.startswith("tests/")]
    assert paths
    assert all((mutants.ROOT / path).exists() for path in paths)


def test_there_are_over_twenty_mutants_with_unique_names() -> None:
    names = [mutant.name for mutant in mutants.MUTANTS]
    assert len(names) > 20
    assert len(set(names)) == len(names)

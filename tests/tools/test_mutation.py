"""The parts of scripts/mutation exist; the script itself is run by hand."""

import pytest

from tests.support.client import ROOT
from tools.mutation import PARTS, Part


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_part_has_files_and_tests(part: Part) -> None:
    assert all(any(ROOT.glob(pattern)) for pattern in part.files)
    assert all((ROOT / test).is_file() for test in part.tests)

"""Each parser keeps its promise on a hundred inputs, always the same."""

import fuzz
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_a_parser_keeps_its_promise(target, tmp_path):
    fuzz.run(target, tmp_path, examples=100, always_the_same=True)

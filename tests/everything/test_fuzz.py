"""Each parser keeps its promise on inputs that nobody has seen; more with OPENQUAKE_FUZZ=20000."""

import os

import fuzz
import pytest

EXAMPLES = int(os.environ.get("OPENQUAKE_FUZZ", "1500"))


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_a_parser_keeps_its_promise(target, tmp_path):
    fuzz.run(target, tmp_path, EXAMPLES, always_the_same=False)

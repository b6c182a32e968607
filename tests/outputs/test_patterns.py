"""TAXONOMY and TAG_FILTER: one grammar for all outputs."""

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidChoice
from oq_processing.outputs.core import patterns
from oq_processing.outputs.core.patterns import Matcher, matching, read_filter

REGIONS = ["Active Shallow Crust", "Deep [1]", "Deep 1", "Deep [1", "D?ep", "*", "active", ""]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("Deep [1]", ["Deep [1]"]),
        ("deep [1]", ["Deep [1]"]),
        ("Deep [1", ["Deep [1"]),
        ("Deep*", ["Deep [1]", "Deep 1", "Deep [1"]),
        ("*[*", ["Deep [1]", "Deep [1"]),
        ("D?ep", ["D?ep"]),
        ("d?EP", ["D?ep"]),
        ("Active*", ["Active Shallow Crust"]),  # in its own letter case
        ("active*", ["active"]),
        ("ACTIVE*", ["Active Shallow Crust", "active"]),  # in none: in any
        ("*crust", ["Active Shallow Crust"]),
        ("*", REGIONS),
        ("Crust", []),
        ("Deep", []),
        (".*", []),
        ("Active.Shallow.Crust", []),
    ],
)
def test_a_star_is_the_only_wildcard_and_case_does_not_matter(pattern, meant):
    found, unmatched = matching([pattern], REGIONS)
    assert [value for value, is_meant in zip(REGIONS, found) if is_meant] == meant
    assert unmatched == ([] if meant else [pattern])


def test_each_pattern_decides_for_itself():
    found, unmatched = matching(["rm", "W*", "x", "y*"], ["RM", "Rm", "w", "W1", "s"])
    assert found.tolist() == [True, True, False, True, False]
    assert unmatched == ["x", "y*"]


def test_values_that_come_in_parts_are_matched_as_a_whole():
    matcher = Matcher(["rm*"])
    parts = [matcher.look(part) for part in (["RM1", "S"], np.array([None, "rm2"], object))]
    # the second part has it in its own letter case, so the first does not count
    assert [matcher.meant(codes).tolist() for codes in parts] == [[False, False], [False, True]]
    assert matcher.unmatched == []
    assert matcher.seen == ["RM1", "S", "rm2"]


def test_many_values_are_matched_with_few_remembered(monkeypatch):
    monkeypatch.setattr(patterns, "_REMEMBERED", 2)
    matcher = Matcher(["a1*", "B1"])
    parts = [matcher.look(f"a{i + j}" for j in range(3)) for i in range(0, 12, 3)]
    parts.append(matcher.look(["b1", "a1"]))
    assert len(matcher.seen) == 2
    found = [matcher.meant(codes).tolist() for codes in parts]
    assert found == [
        [False, True, False],
        *[[False] * 3] * 2,
        [False, True, True],
        [True, True],
    ]


def test_no_values():
    found, unmatched = matching(["a"], [])
    assert (found.tolist(), unmatched) == ([], ["a"])


def test_a_line_break_is_a_character_like_others():
    assert matching(["a*b"], ["a\nb"])[0].tolist() == [True]


@pytest.mark.parametrize(
    ("taxonomy", "tag_filter", "filters"),
    [
        ("", " ", []),
        ("RM*, W", "", [{"taxonomy": ("RM*", "W")}]),
        (
            "W",
            "NAME_1=Bagmati, Gandaki; Taxonomy=RM*;;name_1=x",
            [{"taxonomy": ("W",)}, {"name_1": ("Bagmati", "Gandaki", "x"), "taxonomy": ("RM*",)}],
        ),
        ("", "trt=Deep [1]", [{"trt": ("Deep [1]",)}]),
        ("", "tax=A(b, c; d)", [{"tax": ("A(b, c; d)",)}]),
    ],
)
def test_filters(taxonomy, tag_filter, filters):
    assert read_filter(taxonomy, tag_filter) == filters


@pytest.mark.parametrize(
    ("taxonomy", "tag_filter", "words"),
    [
        (",", "", "“,” names no value; write RM*, W (TAXONOMY)."),
        ("", "a", "“a” is no tag with its values; write NAME_1=Bagmati"),
        ("", "=a", "“=a” is no tag with its values"),
        ("", "a=", "names no value; write NAME_1=Bagmati, Gandaki; taxonomy=RM* (TAG_FILTER)."),
        ("", ";", "“;” names no tag; write NAME_1=Bagmati"),
    ],
)
def test_what_is_not_a_filter(taxonomy, tag_filter, words):
    with pytest.raises(InvalidChoice) as error:
        read_filter(taxonomy, tag_filter)
    assert words in str(error.value)

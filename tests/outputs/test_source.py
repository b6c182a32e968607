"""What a run has fetched is fetched once, by whichever readers ask for it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from oq_processing.engine.calculation import LogRecord, Output
from oq_processing.engine.errors import NotFound
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.plots import plot as plots
from oq_processing.outputs.plots.plot import Place

PARAMETERS = {
    "hazard_imtls": {"PGA": [0.1, 0.2], "SA(1.0)": [0.1, 0.2]},
    "poes": [0.1],
    "investigation_time": 50.0,
}


@pytest.fixture
def counted(hazard_source, sites):
    """A source of hazard and what is asked of its client: each request, and how often."""
    maps = {("mean", imt): [[0.1], [0.2]] for imt in ("PGA", "SA(1.0)")}
    source = hazard_source(PARAMETERS, maps, {5: sites([0.0, 1.0], [0.0, 0.0])})
    extracts = source.client.extracts
    for imt in ("PGA", "SA(1.0)"):
        key = ("imt", imt), ("kind", "mean")
        extracts[(5, "hmaps", *key, ("site_id", "1"))] = {"mean": np.full((1, 1, 1), 0.2)}
        extracts[(5, "hcurves", *key, ("site_id", "1"))] = {"mean": np.full((1, 1, 2), 0.2)}
    asked = source.client.asked

    def log(number, *_):
        asked.append(("log", number))
        return [LogRecord("", "INFO", "", "Using engine version 3.26.2")]

    def outputs(number):
        asked.append(("outputs", number))
        return [Output(7, "hmaps", "Hazard Maps", ("csv",))]

    source.client.log, source.client.outputs = log, outputs
    return source, asked


@pytest.mark.parametrize(
    ("output", "requests"),
    [
        ("hmaps", 6),  # parameters, realizations, sites, log, two maps
        ("hcurves", 4),  # parameters, realizations, sites, one curve
        ("uhs", 5),  # parameters, realizations, sites, two maps
    ],
)
def test_a_run_asks_for_each_thing_once(counted, output, requests):
    source, asked = counted
    source = replace(source, output=replace(source.output, type=output))
    if output == "hmaps":
        table = catalogue.read(source, Choices())
        assert table.provenance["engine_version"] == "3.26.2"
        assert sum(block.rows for block in table.blocks()) == 2
    else:
        plots.read(source, Choices(), Place(site_id="1"))
    assert Counter(asked).most_common(1)[0][1] == 1
    assert len(asked) == requests


def test_realizations_that_are_not_there_are_asked_for_once(counted):
    source, asked = counted
    del source.client.extracts[5, "realizations"]
    source = replace(source, output=replace(source.output, type="uhs"))
    assert plots.read(source, Choices(), Place(site_id="1")).series
    assert asked.count((5, "realizations")) == 1


def test_what_was_fetched_serves_other_outputs_of_the_calculation(counted):
    source, asked = counted
    catalogue.read(source, Choices())
    before = list(asked)
    other = replace(source, output=replace(source.output, id=8, type="hmaps-stats"))
    catalogue.read(other, Choices(imt="PGA"))
    assert asked == before
    assert source.outputs() == source.outputs()
    assert source.log(5) == other.log(5)
    assert asked == [*before, ("outputs", 5)]


def test_what_could_not_be_fetched_is_asked_for_again(counted):
    source, asked = counted
    for _ in range(2):
        with pytest.raises(NotFound):
            source.npz("assets")
    assert asked.count((5, "assets")) == 2


def test_each_query_is_a_request_of_its_own(counted):
    source, _ = counted
    first, second = (source.npz("hmaps", kind="mean", imt=imt) for imt in ("PGA", "SA(1.0)"))
    assert first.path != second.path
    assert source.npz("hmaps", imt="PGA", kind="mean") is first

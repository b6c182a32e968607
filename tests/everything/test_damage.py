"""Event-based damage of many realizations against the engine's own sums of them."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pytest

from oq_processing.outputs import catalogue
from oq_processing.outputs.core.choices import Choices
from oq_processing.outputs.core.source import Source

STATES = ("slight", "moderate", "extreme", "complete")


def test_damage_of_a_realization_adds_up_to_aggrisk(calculations, client, tmp_path):
    number = calculations("risk/EventBasedDamage")
    outputs = client.outputs(number)

    def source_of(kind: str) -> Source:
        output = catalogue.find_output(outputs, kind, number)
        return Source(client, client.calculation(number), output, tmp_path)

    export = source_of("aggrisk").export("csv")
    with zipfile.ZipFile(export.path) as archive:
        # the sums of all assets; others are by tag
        [name] = [n for n in archive.namelist() if n.startswith("aggrisk-_")]
        _, header, *lines = csv.reader(io.StringIO(archive.read(name).decode()))
    totals = [dict(zip(header, line)) for line in lines]
    assert [int(total["rlz_id"]) for total in totals] == list(range(50))
    source = source_of("damages-rlzs")
    table = catalogue.read(source, Choices(kind="rlzs"))
    names = [c.name for c in table.columns]
    sums = dict.fromkeys(names[8:], 0.0)
    for block in table.blocks():
        for name, values in zip(names[8:], block.values[8:]):
            sums[name] += float(values.sum())
    assert len(sums) == 50 * 5
    # the engine scales each by the mean number of events, and sums those of the realization itself
    events = np.bincount(source.npz("events").array("array")["rlz_id"])
    assert len(events) == 50
    for rlz, total in enumerate(totals):
        own = events[rlz] / events.mean()
        for state in (*STATES, "losses"):
            expected = float(total["losses_value" if state == "losses" else state])
            assert sums[f"rlz-{rlz}-structural-{state}"] * own == pytest.approx(expected, rel=1e-5)

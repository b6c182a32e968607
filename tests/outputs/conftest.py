"""A source without HTTP: exports and extracts are made by the test."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from oq_processing.engine.calculation import Calculation, Output
from oq_processing.engine.errors import NotFound
from oq_processing.engine.http.transport import Transport
from oq_processing.engine.server import Download
from oq_processing.outputs import catalogue
from oq_processing.outputs.core.source import Source


class FakeClient:
    """Answers with given bytes; extracts are found by (calculation, what, query)."""

    url = "http://fake"

    def __init__(self) -> None:
        self.exported = b""
        self.name = "output-7-values_1.csv"
        self.extracts = {}
        self.asked = []
        self.transport = Transport()

    def export(self, output, fmt, target, progress=None):
        self.asked.append(fmt)
        target.write_bytes(self.exported)
        return Download(target, self.name, len(self.exported))

    def extract(self, calculation_id, what, target, query=None, progress=None):
        key = (calculation_id, what, *sorted((query or {}).items()))
        self.asked.append(key)
        members = self.extracts.get(key)
        if members is None:
            raise NotFound(f"no {key}")
        with target.open("wb") as file:
            np.savez_compressed(file, **members)
        return Download(target, what, target.stat().st_size)

    def log(self, *_):
        return []

    def engine_version(self):
        return "3.26.2"


@pytest.fixture
def fake_source(tmp_path):
    """A function that makes a source which exports the given bytes."""

    def make(data: bytes = b"", filename: str = "output-7-values_1.csv", **output) -> Source:
        client = FakeClient()
        client.exported, client.name = data, filename
        about = {"type": "values", "name": "Values", "formats": ("csv",), **output}
        return Source(
            client,
            Calculation(5, "a job", "classical", "complete"),
            Output(id=7, **about),
            tmp_path,
        )

    return make


@pytest.fixture
def hazard_source(fake_source):
    """A source of hazard maps: ``parameters``, and values by kind and IMT, shape (sites, PoEs)."""

    def make(parameters, maps, sitecols, realizations=1) -> Source:
        source = fake_source(type="hmaps", name="Hazard Maps")
        extracts = source.client.extracts
        extracts[5, "oqparam"] = {"json": np.array(json.dumps(parameters).encode())}
        rlzs = np.zeros(realizations, [("rlz_id", "<u4"), ("weight", "<f4")])
        rlzs["rlz_id"] = np.arange(realizations)
        extracts[5, "realizations"] = {"array": rlzs}
        for calculation_id, array in sitecols.items():
            extracts[calculation_id, "sitecol"] = {"array": array}
        for (kind, imt), values in maps.items():
            member = f"rlz-{int(kind[4:]):03d}" if kind.startswith("rlz-") else kind
            array = np.asarray(values, "f4")[:, np.newaxis, :]
            extracts[5, "hmaps", ("imt", imt), ("kind", kind)] = {member: array}
        return source

    return make


@pytest.fixture
def sites():
    """A function that makes a sitecol."""

    def make(lon, lat, depth=None, custom=None):
        dtype = [("sids", "<u4"), ("lon", "<f8"), ("lat", "<f8"), ("depth", "<f8")]
        dtype += [("custom_site_id", "S8")] if custom is not None else []
        array = np.zeros(len(lon), dtype)
        array["sids"], array["lon"], array["lat"] = range(len(lon)), lon, lat
        if depth is not None:
            array["depth"] = depth
        if custom is not None:
            array["custom_site_id"] = custom
        return array

    return make


def table_rows(table) -> list[tuple]:
    """Return all rows of a table, NaN as None."""
    found = []
    for block in table.blocks():
        found += zip(*(values.tolist() for values in block.values))
    return [tuple(None if v != v else v for v in row) for row in found]


@pytest.fixture
def rows_of():
    return table_rows


@pytest.fixture
def exported():
    """A function that reads an output's CSV export: member → (header, rows of text)."""

    def read(client, calculation_id: int, kind: str, folder: Path):
        output = catalogue.find_output(client.outputs(calculation_id), kind, calculation_id)
        target = folder / f"export-{calculation_id}-{kind}"
        download = client.export(output, "csv", target)
        if zipfile.is_zipfile(target):
            with zipfile.ZipFile(target) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
        else:
            files = {download.name.partition("-")[2].partition("-")[2]: target.read_bytes()}
        found = {}
        for name, data in files.items():
            header, *rows = csv.reader(io.StringIO(data.decode()))
            if header[0].startswith("#"):
                header, *rows = rows
            found[name.rpartition("_")[0]] = (header, rows)
        return found

    return read


@pytest.fixture
def source_of(client, tmp_path):
    """A function that makes the source of an output of a real calculation."""

    def make(calculation_id: int, kind: str = "hmaps") -> Source:
        calculation = client.calculation(calculation_id)
        output = catalogue.find_output(client.outputs(calculation_id), kind, calculation_id)
        return Source(client, calculation, output, tmp_path)

    return make


def assets_array(fields: dict, tags: dict) -> dict[str, np.ndarray]:
    """Return an extract of assets: ``fields`` and ``tags``, one value for each asset."""
    names = {tag: ["?", *sorted(set(values) - {"?"})] for tag, values in tags.items()}
    types = {"id": "S50", "asset_id": "S50", "site_id": "<u4", "ordinal": "<u4"}
    dtype = [(name, types.get(name, "<f4")) for name in fields]
    array = np.zeros(len(next(iter(fields.values()))), dtype + [(tag, "<u4") for tag in tags])
    for name, values in fields.items():
        array[name] = [v.encode() if isinstance(v, str) else v for v in values]
    for tag, values in tags.items():
        array[tag] = [names[tag].index(value) for value in values]
    about = {**names, "tagnames": list(tags)}
    return {"array": array, "json": np.array(json.dumps(about).encode())}


COST_TYPES = (
    '<costTypes><costType name="structural" type="aggregated" unit="EUR"/>'
    '<costType name="contents" type="aggregated" unit="USD"/></costTypes>'
)


@pytest.fixture
def asset_source(fake_source):
    """A source of a calculation with assets, in the units of its exposure (None: not told)."""

    def make(
        kind, fields, tags, parameters=None, exports=None, what="assets", exposure=COST_TYPES
    ) -> Source:
        source = fake_source(type=kind, name="Risk", formats=("csv", "npz"))
        client = source.client
        parameters = {"calculation_mode": "classical_risk", **(parameters or {})}
        object.__setattr__(source.calculation, "mode", parameters["calculation_mode"])
        client.extracts[5, "oqparam"] = {"json": np.array(json.dumps(parameters).encode())}
        client.extracts[5, what] = assets_array(fields, tags)
        of_exposure = Output(9, "exposure", "Exposure", ("zip",))
        client.outputs = lambda number: [of_exposure] if exposure else []
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("assetcol_5.csv", "id")
            archive.writestr("exposure_5.xml", exposure or "")

        def export(output, fmt, target, progress=None):
            client.asked.append((output.type, fmt))
            name, data = ("e.zip", zipped.getvalue()) if output.id == 9 else exports[fmt]
            target.write_bytes(data)
            return Download(target, name, len(data))

        client.export = export
        return source

    return make

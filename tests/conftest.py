"""What the tests share: one real engine server, and calculations that are made once."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oq_processing.engine import launch, watch
from oq_processing.engine.client import EngineClient
from oq_processing.engine.job import package as job
from oq_processing.engine.watch import check_succeeded, follow

ROOT = Path(__file__).parent.parent
ENGINE = ROOT / ".engine"

NEEDS_ENGINE = {"server", "demos", "engine_python"}
"""Fixtures by which a test asks for an engine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="run only what needs neither an engine nor seconds"
    )


@pytest.hookimpl(trylast=True)  # after pytest has brought together what shares fixtures
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run first what needs neither an engine nor seconds, and nothing else with ``--quick``."""
    parts: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        needs = NEEDS_ENGINE.intersection(item.fixturenames)
        parts[not needs and item.get_closest_marker("slow") is None].append(item)
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=parts.pop(False))
    items[:] = [item for part in parts.values() for item in part]


# no test may depend on the caller's own servers and credentials
for variable in ("OPENQUAKE_SERVER", "OPENQUAKE_AUTHCFG", "OPENQUAKE_OQ"):
    os.environ.pop(variable, None)


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user's own engine would live: no test finds the caller's."""
    folder = tmp_path_factory.mktemp("data-home")
    os.environ["XDG_DATA_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def registry(qgis_app, qgis_processing) -> Iterator:
    """The registry of Processing, with our provider in it."""
    # here, as tests without QGIS read this file too
    from qgis.core import QgsApplication

    from oq_processing.provider import OpenQuakeProvider

    registry = QgsApplication.processingRegistry()
    provider = None
    if registry.providerById("openquake") is None:
        provider = OpenQuakeProvider()
        assert registry.addProvider(provider)
    yield registry
    if provider is not None:
        registry.removeProvider(provider)


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The Python of the engine's own environment."""
    return ENGINE / "bin" / "python"


@pytest.fixture(scope="session")
def demos() -> Path:
    """The engine's demos, as its package installs them."""
    return ENGINE / "demos"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.LocalEngine]:
    """A real engine, for the length of the test session.

    Its calculations start no workers, which would take longer to start than the work takes here;
    script/demo and the tests of Start Local Engine have them.
    """
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        serial = "[distribution]\noq_distribute = no\n"
        patch.setattr(launch, "_CONFIGURATION", launch._CONFIGURATION + serial)
        engine = launch.start(ENGINE / "bin" / "oq", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "HEEDS_AFTER", 0.0)  # without workers it heeds an abort at once
        yield engine
    launch.stop(engine)


@pytest.fixture(scope="session")
def client(server: launch.LocalEngine) -> EngineClient:
    """The client of the real engine."""
    return EngineClient(server.url)


class Calculations:
    """Calculations by demo, each made once in a session and shared by the tests."""

    def __init__(self, client: EngineClient, demos: Path, folder: Path) -> None:
        self._client = client
        self._demos = demos
        self._folder = folder
        self._ids: dict[tuple[str, str, int | None], int] = {}

    def submit(self, demo: str, ini: str = "job.ini", hazard_id: int | None = None) -> int:
        """Start a demo without waiting for it; return the id."""
        [package] = job.prepare(self._demos / demo / ini)
        archive = self._folder / f"{demo.replace('/', '-')}-{time.monotonic_ns()}.zip"
        job.write_archive(package, archive)
        return self._client.submit(archive, package.ini.rpartition("/")[2], hazard_id)

    def __call__(self, demo: str, ini: str = "job.ini", hazard_id: int | None = None) -> int:
        """Return the id of the complete calculation of a demo."""
        key = (demo, ini, hazard_id)
        if key not in self._ids:
            calculation_id = self.submit(demo, ini, hazard_id)
            *_, last = follow(self._client, calculation_id)
            check_succeeded(self._client, last.calculation)
            self._ids[key] = calculation_id
        return self._ids[key]


@pytest.fixture(scope="session")
def calculations(
    client: EngineClient, demos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Calculations:
    return Calculations(client, demos, tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="session")
def area_source(calculations: Calculations) -> int:
    """Classical PSHA on a grid of 624 sites, one realization, 8 IMTs, 2 PoEs."""
    return calculations("hazard/AreaSourceClassicalPSHA")


@pytest.fixture(scope="session")
def logic_tree(calculations: Calculations) -> int:
    """Classical PSHA with statistics and single realizations."""
    return calculations("hazard/LogicTreeCase2ClassicalPSHA")


BY_TAG = """[general]
description = Losses by taxonomy
calculation_mode = event_based_risk
post_loss_amplification_file = pla_model.csv
aggregate_by = taxonomy; site_id, taxonomy; site_id
sites_csv = sites.csv
asset_hazard_distance = 20
discard_assets = true
avg_losses = false
structural_vulnerability_file = structural.xml
nonstructural_vulnerability_file = nonstructural.xml
exposure_file = exposure.xml
gmfs_csv = gmfs.csv
investigation_time = 1000
region = -84.2 10, -84 10, -84 9.8, -84.2 9.8
"""


@pytest.fixture(scope="session")
def losses_by_tag(
    calculations: Calculations, engine_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> int:
    """Event-based risk in EUR, by taxonomy, by site and taxonomy, by site; one realization."""
    prefix = engine_python.parent.parent
    [cases] = prefix.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    folder = tmp_path_factory.mktemp("jobs") / "by_tag"
    shutil.copytree(cases / "gmf_ebrisk" / "case_6", folder)
    (folder / "job.ini").write_text(BY_TAG, encoding="utf-8")
    return calculations(str(folder))

"""What a run of an algorithm has at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ... import settings
from ...engine.calculation import SUCCEEDED
from ...engine.client import EngineClient
from ...engine.errors import InvalidChoice
from ...engine.files import temporary_folder
from ...layers.publish import Draw, publish
from ...outputs import catalogue
from ...outputs.core.source import Source
from ...outputs.core.table import Table
from .reporter import Reporter
from .values import Values

R = TypeVar("R")
Results = dict[str, Any]
"""The outputs of an algorithm, by name."""


@dataclass(frozen=True)
class Run(Generic[R]):
    """What is wanted, checked; the values it was read from; how to report, and whom to ask."""

    request: R
    values: Values
    report: Reporter
    server: EngineClient | None = None

    @property
    def client(self) -> EngineClient:
        """The client of the server; only algorithms with SERVER have one."""
        if self.server is None:
            raise RuntimeError(f"{self.values.algorithm.name()} talks to no server")
        return self.server

    def write_table(self, name: str, table: Table, draw: Draw | None = None) -> str:
        """Write a table without geometry to a sink; return the layer's id or source."""
        table = replace(table, provenance={"server": self.client.url, **table.provenance})
        return publish(self.values.target(name), table, self.report, (50, 100), draw=draw)


@contextmanager
def opened_output(
    run: Run[Any], calculation_id: int, wanted: str, single: str = ""
) -> Iterator[Source]:
    """Yield an output of a calculation; progress goes from 2 to 50 % while it is fetched.

    ``wanted`` is its type, title or id; ``single`` the type that takes its place where there is one
    realization and so no statistics. Raises :class:`InvalidChoice` if there is no such output.
    """
    client, report = run.client, run.report
    calculation = client.calculation(calculation_id)
    outputs = client.outputs(calculation.id)
    if not outputs and calculation.status not in SUCCEEDED:
        raise InvalidChoice(
            f"Calculation {calculation.id} is {calculation.status} and has no outputs."
        )
    types = [output.type for output in outputs]
    if single in types and wanted not in types:
        report.info(f"There is no {wanted}: one realization has no statistics. {single} is joined.")
        wanted = single
    output = catalogue.find_output(outputs, wanted, calculation.id)
    report.info(f"{output.name} of calculation {calculation.id}: {calculation.description}")
    report.phase(f"Fetching {output.name}")
    with temporary_folder() as folder:
        source = Source(client, calculation, output, folder, report.span(2, 50))
        source.fetched["outputs", calculation.id] = outputs
        yield source


def overridden(source: Source) -> dict[str, Any]:
    """Return what a run of this profile has changed in the calculation's job, for provenance."""
    changed = settings.overrides_of(source.client.url, source.calculation)
    return {"overridden_parameters": changed} if changed else {}

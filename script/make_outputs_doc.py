#!/usr/bin/env -S QT_QPA_PLATFORM=offscreen python3
"""Write docs/outputs.md: every output type, what it becomes, and how that is verified.

    .venv/bin/python script/make_outputs_doc.py [SERVER [ID ...]]

With a server, the outputs of its calculations (all complete ones, or those given) are loaded first,
as examples; what was seen is kept in docs/outputs.json, so that one run may add to another.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from oq_processing.engine.calculation import Calculation, Output  # noqa: E402
from oq_processing.engine.client import EngineClient  # noqa: E402
from oq_processing.engine.errors import EngineError  # noqa: E402
from oq_processing.outputs import catalogue  # noqa: E402
from oq_processing.outputs.core.choices import Choices  # noqa: E402
from oq_processing.outputs.core.source import Source  # noqa: E402
from oq_processing.outputs.core.table import Style, Table  # noqa: E402

SEEN = ROOT / "docs" / "outputs.json"
PAGE = ROOT / "docs" / "outputs.md"
FIELDS = 6  # names shown of a table

HEAD = """# Outputs

What *Load Output as Layer* makes of each output type of the engine. A type that is not listed here
loads the general way: by its CSV export. Its geometry is a column that holds points, lines or
polygons as text (WKT), one or several in a row, whatever the name of the column; else points where
there are longitude and latitude; else it is a table. A row whose cell is empty has no geometry, Z
and M are left out, and a column of several kinds stays text; so does any with `GEOMETRY=none`.

Written by `script/make_outputs_doc.py`. Fields and default are those of an example; a calculation
with other intensity measures, loss types or statistics has others. *Verified*: every value,
coordinate and row of every demo of the engine is compared with the engine's own CSV export
(`tests/truth.py`) by the case named; *general* is file by file and column by column.

| Type | Output | Geometry | Fields (example) | Choices | Default field | Style | Verified |
|---|---|---|---|---|---|---|---|
"""


def observe(client: EngineClient, calculation: Calculation, output: Output) -> dict:
    """Load an output without choices, else with all statistics; return what it became."""
    seen: dict = {"name": output.name, "formats": list(output.formats), "mode": calculation.mode}
    with tempfile.TemporaryDirectory() as folder:
        source = Source(client, calculation, output, Path(folder))
        failure = ""
        for choices in (Choices(), Choices(kind="all")):
            try:
                return {**seen, **_of_table(catalogue.read(source, choices))}
            except EngineError as error:
                failure = failure or str(error)
        return {**seen, "error": failure}


def _of_table(table: Table) -> dict:
    drawn = table.column(table.style.field).title if table.style else ""
    return {
        "geometry": table.geometry,
        "rows": table.rows,
        "fields": [c.name for c in table.columns],
        "default": drawn,
        "style": _style(table.style) if table.style else "",
    }


def _style(style: Style) -> str:
    if style.categories:
        return "categories"
    colors = "own colours" if style.colors else style.ramp
    on_top = ", large on top" if style.order_by else ""
    return f"{style.classification}, {colors}{on_top}"


def _better(new: dict, old: dict | None) -> bool:
    """Prefer what loads, then what is drawn."""
    if old is None or "error" in old:
        return True
    return "error" not in new and bool(new["default"]) > bool(old["default"])


def collect(client: EngineClient, ids: list[int], seen: dict[str, dict]) -> None:
    """Add what the calculations have to ``seen``; a type is loaded until it has a good example."""
    done: set[str] = set()
    for number in ids or sorted(c.id for c in client.all_calculations() if c.succeeded):
        calculation = client.calculation(number)
        for output in client.outputs(number):
            if output.type in done:
                continue
            print(number, calculation.mode, output.type, flush=True)
            found = observe(client, calculation, output)
            # a new run replaces what an older one saw, whatever it was
            first = output.type not in seen or not seen[output.type].get("fresh")
            if first or _better(found, seen[output.type]):
                seen[output.type] = {**found, "fresh": True}
            loaded = "error" not in found and (found["default"] or found["geometry"] == "none")
            if loaded or not _has_table(output.formats):
                done.add(output.type)
    for entry in seen.values():
        entry.pop("fresh", None)


def verified() -> dict[str, str]:
    """Return the name of the truth case of each output type that has one."""
    from truth import cases, general_case

    return {
        kind: case.__module__.rpartition(".")[2]
        for kind, case in cases().items()
        if case is not general_case
    }


def page(seen: dict[str, dict]) -> str:
    """Return the page of all types that are known to us or were seen."""
    special = catalogue.special_types()
    checked = verified()
    lines = []
    for kind in sorted({*special, *seen}, key=str.lower):
        known = catalogue.output_type(kind)
        example = seen.get(kind, {})
        title = f"{_cell(example.get('name', '–'))}: {known.about}"
        if example and not _has_table(example["formats"]):
            formats = ", ".join(example["formats"])
            title = _cell(example["name"])
            cells = [f"no table ({formats}): *Download Output*", "", "", "", "", ""]
        else:
            fields = example.get("fields", [])
            shown = ", ".join(f"`{f}`" for f in fields[:FIELDS])
            more = f", … ({len(fields)})" if len(fields) > FIELDS else ""
            cells = [
                known.becomes,
                shown + more,
                ", ".join(known.choices),
                example.get("default", ""),
                example.get("style", ""),
                checked.get(kind, "general"),
            ]
        lines.append(f"| `{kind}` | {title} | " + " | ".join(map(_cell, cells)) + " |")
    return HEAD + "\n".join(lines) + "\n"


def _has_table(formats: Sequence[str]) -> bool:
    return "csv" in formats or "zip" in formats


def _cell(text: str) -> str:
    return text.replace("|", "\\|") or "–"


def main() -> None:
    seen = json.loads(SEEN.read_text("utf-8")) if SEEN.exists() else {}
    if len(sys.argv) > 1:
        collect(EngineClient(sys.argv[1]), [int(number) for number in sys.argv[2:]], seen)
        text = json.dumps(seen, indent=1, sort_keys=True, ensure_ascii=False)
        SEEN.write_text(text + "\n", "utf-8")
    PAGE.write_text(page(seen), "utf-8")


if __name__ == "__main__":
    main()

"""Many rows for the list of a fake engine, which it gives as the real one does."""

from __future__ import annotations

from fake_engine import FakeEngine, Request, json_answer


def row(number: int, **changed) -> dict:
    """A row of the engine's list."""
    return {
        "id": number,
        "owner": "alice",
        "calculation_mode": "classical",
        "status": "complete",
        "is_running": False,
        "description": f"Test {number}",
        "abortable": False,
        "size_mb": 2.5,
        "start_time": "2026-11-23, 17:37:53 UTC",
        "parent_id": None,
        "relevant": 1,
        "tags": None,
        **changed,
    }


def list_rows(fake: FakeEngine, rows: list[dict]) -> None:
    """Let the fake list these rows as the engine does: newest first, filtered, in pages."""

    def answer(request: Request):
        query = request.query
        found = sorted(rows, key=lambda r: -r["id"])
        if mode := query.get("calculation_mode"):
            found = [r for r in found if r["calculation_mode"] == mode]
        if owner := query.get("user_name_like"):
            # % stands for anything, as in SQL
            found = [r for r in found if r["owner"].startswith(owner.partition("%")[0])]
        begin = int(query.get("offset", 0))
        return json_answer(found[begin : begin + int(query.get("limit", 100))])

    fake.answers["GET /v1/calc/list"] = answer

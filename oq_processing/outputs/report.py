"""The engine's full report: from reStructuredText to a page of HTML.

It uses underlined headings, grid tables and plain paragraphs, nothing else; docutils, which could
do all of reStructuredText, is not part of every QGIS.
"""

from __future__ import annotations

import re
from html import escape

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 1.5em; max-width: 70em; }}
table {{ border-collapse: collapse; margin: 0.5em 0 1.5em; }}
th, td {{ border: 1px solid #bbb; padding: 0.2em 0.6em; text-align: left; }}
th {{ background: #eee; }}
</style></head><body>
{body}
</body></html>
"""
_BORDER = re.compile(r"\+[-=+]+\+$")
_UNDERLINE = re.compile(r"([=\-~^*#])\1*$")


def to_html(text: str) -> str:
    """Return the report as a whole page of HTML."""
    lines = text.splitlines()
    parts: list[str] = []
    title = ""
    paragraph: list[str] = []

    def end_paragraph() -> None:
        if paragraph:
            parts.append(f"<p>{'<br>'.join(escape(line) for line in paragraph)}</p>")
            paragraph.clear()

    i = 0
    while i < len(lines):
        line = lines[i].rstrip()
        following = lines[i + 1].rstrip() if i + 1 < len(lines) else ""
        if _BORDER.match(line):
            end_paragraph()
            end = i
            while end < len(lines) and lines[end].startswith(("+", "|")):
                end += 1
            parts.append(_table(lines[i:end]))
            i = end
            continue
        if line and _UNDERLINE.match(following) and len(following) >= min(len(line), 3):
            end_paragraph()
            level = 2 if title else 1
            title = title or line
            parts.append(f"<h{level}>{escape(line)}</h{level}>")
            i += 2
            continue
        if line:
            paragraph.append(line)
        else:
            end_paragraph()
        i += 1
    end_paragraph()
    return _PAGE.format(title=escape(title or "Report"), body="\n".join(parts))


def _table(lines: list[str]) -> str:
    """Return a grid table; its cells end where the first border has a ``+``."""
    edges = [i for i, sign in enumerate(lines[0]) if sign == "+"]
    header = next((i for i, line in enumerate(lines) if i and _is_header_end(line)), None)
    rows: list[list[str]] = []
    cells: list[str] | None = None
    for i, line in enumerate(lines):
        if _BORDER.match(line.rstrip()):
            if cells is not None:
                tag = "th" if header is not None and i <= header else "td"
                rows.append([f"<{tag}>{escape(cell)}</{tag}>" for cell in cells])
            cells = None
            continue
        found = [line[a + 1 : b].strip() for a, b in zip(edges, edges[1:])]
        cells = found if cells is None else [f"{c} {f}".strip() for c, f in zip(cells, found)]
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>\n{body}\n</table>"


def _is_header_end(line: str) -> bool:
    return line.startswith("+=")

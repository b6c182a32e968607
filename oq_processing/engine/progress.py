"""From the engine's log lines to one percentage that never falls."""

from __future__ import annotations

import re

# anchored: "... dependency from the rupture seed: 34%" is no progress
_PERCENT = re.compile(r"^([\w-]+)\s+(\d+)% \[(\d+) submitted, (\d+) queued\]")
_SENT = re.compile(r"^Sent (\d+) ([\w-]+) tasks?")

_CLASSICAL = {
    "read_source_model": 2,
    "preclassical": 15,
    "classical|classical_disagg": 70,
    "postclassical": 8,
    "make_hmap_png": 3,
}
_DISAGGREGATION = {
    "read_source_model": 2,
    "preclassical": 35,
    "classical|classical_disagg": 30,
    "postclassical": 5,
    "compute_disagg": 25,
}
_EVENT_BASED = {
    "read_source_model": 3,
    "count_ruptures": 5,
    "sample_ruptures": 15,
    "filter_rups": 2,
    "event_based": 60,
    "postclassical": 10,
}
_EVENT_BASED_RISK = {
    "read_source_model": 3,
    "count_ruptures": 3,
    "sample_ruptures": 12,
    "filter_rups": 2,
    "event_based": 37,
    "event_based_risk|damage_from_gmfs": 35,
    "build_aggcurves": 3,
}
_SCENARIO_RISK = {"filter_rups": 5, "event_based": 60, "event_based_risk": 30}

STAGES: dict[str, dict[str, int]] = {
    "classical": _CLASSICAL,
    "disaggregation": _DISAGGREGATION,
    "event_based": _EVENT_BASED,
    "event_based_risk": _EVENT_BASED_RISK,
    "event_based_damage": _EVENT_BASED_RISK,
    "ebrisk": _EVENT_BASED_RISK,
    "scenario": {"filter_rups": 5, "event_based": 90},
    "scenario_risk": _SCENARIO_RISK,
}
"""Per calculation mode, each stage in order with the share (%) of the run it usually takes.

A run has only one of the stages that ``|`` stands between.
"""

_BEFORE_ANY = {"read_source_model": 3, "preclassical": 12}
"""Stages that may come first in modes of which we know nothing else."""

_START = 3.0  # executing, before any stage
_END = 99.0  # the last percent belongs to ``complete``


class Progress:
    """Progress of one calculation, 0..100, fed with its status and log messages."""

    def __init__(self, mode: str) -> None:
        self._known = mode in STAGES
        stages = STAGES.get(mode, _BEFORE_ANY)
        width = (_END - _START) * (0.95 if self._known else 0.15) / sum(stages.values())
        self._span: dict[str, tuple[float, float]] = {}
        begin = _START
        for names, weight in stages.items():
            for stage in names.split("|"):
                self._span[stage] = (begin, width * weight)
            begin += width * weight
        self._end_of_known = begin
        self.percent = 0.0
        self.text = "Queued"

    def status(self, status: str) -> None:
        """Take the calculation's status into account."""
        if status == "executing":
            self._advance(_START)
            if self.text == "Queued":
                self.text = "Executing"
        elif status in {"complete", "shared"}:
            self.percent, self.text = 100.0, "Complete"

    def message(self, message: str) -> None:
        """Take the message of a log record into account."""
        if match := _PERCENT.match(message):
            stage, done = match[1], float(match[2])
            begin, share = self._stage(stage)
            self._advance(begin + share * done / 100)
            self.text = f"{stage} {match[2]}%"
        elif match := _SENT.match(message):
            self._advance(self._stage(match[2])[0])
            self.text = f"{match[2]} ({match[1]} tasks)"

    def _stage(self, stage: str) -> tuple[float, float]:
        if stage not in self._span:
            if self._known:
                # it may come at any time: shown in the text, not in the percentage
                self._span[stage] = (self.percent, 0.0)
            else:
                # modes of one stage are the rule (classical_risk, scenario_damage, ...)
                begin = max(self.percent, self._end_of_known)
                self._span[stage] = (begin, (_END - begin) * 0.9)
        return self._span[stage]

    def _advance(self, percent: float) -> None:
        self.percent = max(self.percent, min(percent, _END))

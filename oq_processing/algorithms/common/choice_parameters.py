"""The parameters that choose values of an output, shared by the algorithms that read outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgis.core import QgsProcessingParameterString

from ...i18n import tr
from ...outputs.core.choices import SELECTING, Choices
from . import parameters as p
from .values import Values

_USUAL = ("KIND", "IMT", "POE", "LOSS_TYPE")
"""What most outputs can be chosen by; the others are advanced parameters."""


def choice_parameters(names: Sequence[str] = SELECTING) -> list[QgsProcessingParameterString]:
    """Return a text parameter for each choice; all optional, so that a model can feed them."""
    words = {
        "KIND": (
            tr("Statistic or realization"),
            tr(
                "mean, quantile-0.15, median, max, std, rlz-3, rlz-0..9, rlzs, or all (all "
                "statistics). Empty: the mean."
            ),
        ),
        "IMT": (
            tr("Intensity measure type"),
            tr("PGA, SA(0.2), …; several with commas. Empty: all."),
        ),
        "POE": (
            tr("Probability of exceedance"),
            tr("0.1, 10% or 475y (return period); several with commas. Empty: all."),
        ),
        "LOSS_TYPE": (
            tr("Loss type"),
            tr("structural, contents, …; several with commas. Empty: all."),
        ),
        "EVENT_ID": (
            tr("Event"),
            tr(
                "Ground motion: id of the event. Empty: the event of the largest magnitude; of a "
                "scenario the average over its events."
            ),
        ),
        "RUPTURE_ID": (
            tr("Rupture"),
            tr("Ground motion: id of a rupture, instead of one of its events."),
        ),
        "RETURN_PERIOD": (
            tr("Return period"),
            tr("Aggregate curves: years, of those computed; several with commas. Empty: all."),
        ),
        "EP_TYPE": (
            tr("Exceedance probability type"),
            tr("Aggregate curves: ep, aep or oep. Empty: all there are."),
        ),
        "MIN_MAGNITUDE": (
            tr("Smallest magnitude"),
            tr("Ruptures: leave out those of a smaller magnitude."),
        ),
        "TAXONOMY": (
            tr("Taxonomy"),
            tr("Assets: only those of a taxonomy; several with commas; * for any text."),
        ),
        "TAG_FILTER": (
            tr("Tags"),
            tr(
                "Assets: only those with these tags, for example "
                "NAME_1=Bagmati,Gandaki; OCCUPANCY=Res*"
            ),
        ),
        "MEMBER": (
            tr("Member"),
            tr("Which file of an output that has several. Empty: all of the first kind."),
        ),
    }
    return [p.text(name, *words[name], advanced=name not in _USUAL) for name in names]


def read_choices(values: Values, **others: Any) -> Choices:
    """Return the choices that were made; ``others`` are fields of :class:`Choices`."""
    texts: dict[str, Any] = {name.lower(): values.text(name) for name in SELECTING}
    return Choices(**texts, **others)

"""From log lines to one percentage that never falls."""

import re

import pytest

from oq_processing.engine.progress import STAGES, Progress


def fed(mode, messages):
    """Return the percentage and text after each message of an executing calculation."""
    progress = Progress(mode)
    progress.status("executing")
    told = []
    for message in messages:
        progress.message(message)
        told.append((round(progress.percent, 6), progress.text))
    return told


def test_the_log_of_a_real_calculation(client, area_source):
    messages = [record.message for record in client.whole_log(area_source)]
    progress = Progress("classical")
    assert (progress.percent, progress.text) == (0.0, "Queued")
    progress.status("created")
    assert (progress.percent, progress.text) == (0.0, "Queued")
    progress.status("executing")
    assert (progress.percent, progress.text) == (3.0, "Executing")
    percents, texts = [progress.percent], []
    for message in messages:
        progress.message(message)
        percents.append(progress.percent)
        if not texts or texts[-1] != progress.text:
            texts.append(progress.text)
    assert percents == sorted(percents)
    assert percents[-1] == pytest.approx(3 + 91.2 * 95 / 98), "no hazard map is drawn"
    stages = [re.split(r" \(| \d", text)[0] for text in texts]
    assert list(dict.fromkeys(stages)) == [
        "Executing",
        "read_source_model",
        "preclassical",
        "classical",
        "postclassical",
    ]
    assert texts[-1] == "postclassical 100%"
    assert "classical 100%" in texts
    progress.status("complete")
    assert (progress.percent, progress.text) == (100.0, "Complete")


def test_percent_lies_in_the_span_of_its_stage():
    told = fed(
        "scenario",
        [
            "Sent 2 filter_rups tasks, 1.2 KB",
            "filter_rups 100% [2 submitted, 0 queued]",
            "Sent 16 event_based tasks, 1.2 MB",
            "event_based  50% [16 submitted, 3 queued]",
            "Received 16 * 1.66 KB in 0 seconds [unpik=0.00s] from event_based",
        ],
    )
    # 95 % of what lies between 3 and 99 are shared 5 : 90
    assert told == [
        (3.0, "filter_rups (2 tasks)"),
        (7.8, "filter_rups 100%"),
        (7.8, "event_based (16 tasks)"),
        (51.0, "event_based 50%"),
        (51.0, "event_based 50%"),
    ]


@pytest.mark.parametrize("name", ["classical", "classical_disagg"])
def test_stages_that_replace_each_other_share_a_span(name):
    [(before, _), (half, _), (after, _), (post, _)] = fed(
        "classical",
        [
            "preclassical 100% [2 submitted, 0 queued]",
            f"{name}  50% [5 submitted, 0 queued]",
            f"{name} 100% [5 submitted, 0 queued]",
            "Sent 2 postclassical tasks, 10.82 KB",
        ],
    )
    assert half - before == pytest.approx(after - half)
    assert after - before == pytest.approx(91.2 * 70 / 98), "most of the run"
    assert post == after, "no gap is left for the other one"


def test_never_falls_when_a_stage_comes_again_or_late():
    told = fed(
        "event_based_risk",
        [
            "event_based 100% [9 submitted, 0 queued]",
            "sample_ruptures  10% [9 submitted, 0 queued]",
            "event_based  20% [9 submitted, 0 queued]",
        ],
    )
    assert [percent for percent, _ in told] == [told[0][0]] * 3
    assert told[-1][1] == "event_based 20%"


def test_unknown_stage_of_a_known_mode_is_told_and_moves_nothing():
    told = fed("classical", ["new_stage  90% [9 submitted, 0 queued]"])
    assert told == [(3.0, "new_stage 90%")]


@pytest.mark.parametrize("mode", ["scenario_damage", "classical_risk", "classical_bcr", "new_mode"])
def test_modes_of_one_stage_use_the_whole_bar(mode):
    told = fed(
        mode,
        [
            "Sent 4 some_risk tasks, 1.2 KB",
            "some_risk   0% [4 submitted, 0 queued]",
            "some_risk  50% [4 submitted, 0 queued]",
            "some_risk 100% [4 submitted, 0 queued]",
            "Sent 1 another tasks, 1.2 KB",
            "another 100% [1 submitted, 0 queued]",
        ],
    )
    percents = [percent for percent, _ in told]
    # it begins where the stages that may come before would end: 3 + 96 * 0.15
    assert percents[:4] == pytest.approx([17.4, 17.4, 17.4 + 81.6 * 0.45, 17.4 + 81.6 * 0.9])
    assert percents[3] == percents[4] < percents[5] < 99
    assert told[1][1] == "some_risk 0%"


@pytest.mark.parametrize(
    "message",
    [
        "Assuming 3 dependency from the rupture seed: 34% [1 submitted, 0 queued]",
        "ruptures: 34%",
        "classical 34%",
        " classical  34% [5 submitted, 0 queued]",
        "classical  34% [5 submitted]",
        "We Sent 4 classical tasks",
        "Sent classical tasks",
        "Received 10 * 880.89 KB in 1 seconds from classical",
        "",
    ],
)
def test_what_is_no_progress(message):
    assert fed("classical", [message]) == [(3.0, "Executing")]


@pytest.mark.parametrize("mode", sorted(STAGES))
def test_every_mode_ends_below_100_until_it_is_complete(mode):
    names = [name for names in STAGES[mode] for name in names.split("|")]
    progress = Progress(mode)
    progress.status("executing")
    last = progress.percent
    for name in names:
        progress.message(f"Sent 5 {name} tasks, 1 KB")
        for percent in (0, 50, 100):
            progress.message(f"{name} {percent:>3}% [5 submitted, 0 queued]")
            assert progress.percent >= last
            last = progress.percent
    assert last == pytest.approx(3 + 96 * 0.95)
    progress.message("a_new_one 100% [1 submitted, 0 queued]")
    assert progress.percent == last
    progress.status("shared")
    assert progress.percent == 100


@pytest.mark.parametrize("status", ["created", "submitted", "failed", "aborted"])
def test_other_statuses_move_nothing(status):
    progress = Progress("classical")
    progress.status("executing")
    progress.message("preclassical 100% [2 submitted, 0 queued]")
    before = progress.percent, progress.text
    progress.status(status)
    assert (progress.percent, progress.text) == before

"""What we collect for a job against what the engine itself says it needs, for all its examples."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from oq_processing.engine.errors import InvalidJob
from oq_processing.engine.job.package import prepare, write_archive

ORACLE = Path(__file__).with_name("job_oracle.py")

# what we send beyond the engine's list, by the reason (letters: the rules of the archive)
EXTRAS = {
    "C3: the table of a gsim written in the .ini": {
        "qa/scenario/case_35/job.ini": {"Wcrust_med_rhypo.hdf5"},
    },
    "D3: the table of a gsim given as an XML attribute": {
        "demos/hazard/GMPETablePSHA/job.ini": {"gmpe.hdf5"},
    },
    "E: the zip that the engine lists by what it unzips": {
        "qa/event_based_risk/case_01/job.ini": {"exposure1.zip"},
        "qa/event_based_risk/case_01/job2.ini": {"exposure1.zip"},
        "qa/event_based_risk/case_01/job_ins.ini": {"exposure1.zip"},
        "qa/event_based_risk/case_01/job_missing_occupancy.ini": {"exposure1.zip"},
        "qa/event_based_risk/case_master/job.ini": {"ssmLT.zip"},
        "qa/event_based_risk/case_master/job_ses.ini": {"ssmLT.zip"},
        "qa/multi_risk/case_1/job.ini": {"exposure_model.zip"},
        "qa/multi_risk/case_1/job_2.ini": {"exposure_model.zip"},
        "qa/scenario_damage/case_14/job_wrong.ini": {"exposure_model.zip"},
    },
    "B: set as _csv and as _file; the engine lists the last and wants both": {
        "qa/scenario_damage/case_16/job.ini": {"taxonomy_mapping.csv"},
    },
}

# one of each kind: `..`, sub-folders, zipped exposure and logic tree, reinsurance, several .ini, …
END_TO_END = [
    "demos/hazard/GMPETablePSHA/job.ini",
    "demos/hazard/LogicTreeCase3ClassicalPSHA/job.ini",
    "demos/hazard/ScenarioCase1/job.ini",
    "demos/risk/ClassicalRisk/job_risk.ini",
    "demos/risk/EventBasedRisk/job_eb.ini",
    "demos/risk/Reinsurance/job_pla.ini",
    "qa/classical/case_72/job.ini",
    "qa/classical/case_78/job.ini",
    "qa/classical_damage/case_3a/job_haz.ini",
    "qa/event_based_risk/case_01/job.ini",
    "qa/event_based_risk/case_04/job.ini",
    "qa/event_based_risk/case_master/job.ini",
    "qa/event_based_risk/reinsurance_1/job.ini",
    "qa/infrastructure_risk/case_3/job_scenario.ini",
    "qa/logictree/case_83/job_extendModel.ini",
    "qa/multi_risk/case_1/job_2.ini",
    "qa/scenario/case_35/job.ini",
    "qa/scenario_risk/case_shakemap/job.ini",
    "qa/scenario_risk/case_shapefile/job.ini",
]


@pytest.fixture(scope="module")
def trees(engine_python, tmp_path_factory):
    """The engine's examples, once for us and once for the engine, which unzips inputs in place."""
    prefix = engine_python.parent.parent
    [qa] = prefix.glob("lib/python3*/site-packages/openquake/qa_tests_data")
    root = tmp_path_factory.mktemp("examples")
    for copy in ("ours", "theirs"):
        shutil.copytree(qa, root / copy / "qa")
        shutil.copytree(prefix / "demos", root / copy / "demos")
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def packages(trees):
    ours = trees / "ours"
    found = {}
    for ini in sorted(ours.rglob("*.ini")):
        name = ini.relative_to(ours).as_posix()
        try:
            # two examples name an .ini as their hazard calculation, which we refuse
            [found[name]] = prepare(ini, parameters={"hazard_calculation_id": ""})
        except InvalidJob as exc:
            found[name] = exc
    return found


@pytest.fixture(scope="module")
def answers(engine_python, trees, packages):
    """The engine's answers by .ini, for the examples and for our archives of some, unpacked."""
    for name in END_TO_END:
        target = trees / "archive.zip"
        write_archive(packages[name], target)
        with zipfile.ZipFile(target) as archive:
            archive.extractall(trees / "unpacked" / name)
    theirs = [trees / "theirs" / name for name in packages]
    unpacked = [trees / "unpacked" / name / packages[name].ini for name in END_TO_END]
    run = subprocess.run(
        [engine_python, ORACLE],
        input="\n".join(map(str, theirs + unpacked)),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    return {Path(ini).relative_to(trees).as_posix(): what for ini, what in _json(run).items()}


def _json(run):
    return json.loads(run.stdout.splitlines()[-1])


def _unzipped(package, folder):
    """Places of what the engine unzips from the zips in a package."""
    found = set()
    for member in package.members:
        if member.name.endswith(".zip"):
            with zipfile.ZipFile(member.origin) as archive:
                beside = member.origin.parent
                found |= {beside / name for name in archive.namelist()}
                found.add(member.origin.with_suffix(".xml"))
    return {path.relative_to(folder).as_posix() for path in found}


def test_we_send_what_the_engine_reads(trees, packages, answers, record_property, capsys):
    allowed = {}
    for inis in EXTRAS.values():
        for ini, names in inis.items():
            allowed[ini] = {(Path(ini).parent / name).as_posix() for name in names}
    compared, refused, extras = [], {}, {}
    for ini, package in packages.items():
        answer = answers[f"theirs/{ini}"]
        if isinstance(answer, str):
            refused[ini] = answer
            continue
        compared.append(ini)
        assert not isinstance(package, InvalidJob), f"{ini}: {package}"
        theirs = {Path(name).relative_to(trees / "theirs").as_posix() for name in answer} - {ini}
        sources = [member.origin for member in package.members if member.name != package.ini]
        ours = {source.relative_to(trees / "ours").as_posix() for source in sources}
        missing = theirs - ours - _unzipped(package, trees / "ours")
        assert not missing, f"{ini}: the engine reads {sorted(missing)}, which we do not send"
        if ours - theirs:
            extras[ini] = ours - theirs
    count = sum(map(len, extras.values()))
    summary = (
        f"oracle: {len(compared)} inis compared, {len(refused)} refused by the engine, "
        f"{count} extras"
    )
    for name, value in (("compared", compared), ("refused", refused)):
        record_property(f"oracle_{name}", len(value))
    record_property("oracle_extras", count)
    with capsys.disabled():
        print(f"\n{summary}")
        for ini, reason in refused.items():
            print(f"  refused: {ini}: {reason.splitlines()[0].rpartition('/')[2][:90]}")
    assert extras == allowed
    assert len(compared) >= 515
    assert len(refused) <= 10


def test_what_the_engine_refuses_for_its_ini_is_refused_by_us_for_the_same_reason(packages):
    refused = {ini: str(what) for ini, what in packages.items() if isinstance(what, InvalidJob)}
    assert list(refused) == ["qa/mosaic/aelo_changelog.ini"]
    assert "date: [2.1.0], [2.0.0], [1.0.0]" in refused["qa/mosaic/aelo_changelog.ini"]


@pytest.mark.parametrize("ini", END_TO_END)
def test_an_unpacked_archive_is_all_the_engine_needs(ini, trees, packages, answers):
    package = packages[ini]
    assert not package.warnings
    original = answers[f"theirs/{ini}"]
    unpacked = answers[f"unpacked/{ini}/{package.ini}"]
    assert isinstance(unpacked, list), f"the engine refuses the archive: {unpacked}"
    # the archive's root is an ancestor of the example's own folder
    depth = len(Path(package.ini).parents) - 1
    root = (trees / "theirs" / ini).parents[depth]
    there = trees / "unpacked" / ini
    wanted = {Path(name).relative_to(root).as_posix() for name in original}
    assert {Path(name).relative_to(there).as_posix() for name in unpacked} == wanted
    assert package.ini in wanted


def test_a_job_that_names_its_own_folder_keeps_it(packages):
    # its logic tree names ../GMPETablePSHA/gmpe.hdf5, from inside GMPETablePSHA
    package = packages["demos/hazard/GMPETablePSHA/job.ini"]
    assert package.ini == "GMPETablePSHA/job.ini"
    assert "GMPETablePSHA/gmpe.hdf5" in {member.name for member in package.members}


@pytest.mark.parametrize("ini", END_TO_END)
def test_our_own_archive_is_sent_as_it_is(ini, packages, tmp_path):
    archive = tmp_path / "job.zip"
    write_archive(packages[ini], archive)
    [package] = prepare(archive)
    assert package.archive == archive
    assert package.ini == packages[ini].ini
    assert {m.name for m in package.members} == {m.name for m in packages[ini].members}

"""Texts that are made to take long, of servers and of jobs of others, are read in linear time."""

import io
import time
import zipfile

import pytest

from oq_processing.engine.errors import InvalidJob
from oq_processing.engine.http.exchange import Answer
from oq_processing.engine.http.explain import without_login
from oq_processing.engine.job.ini import read_ini
from oq_processing.engine.job.references import IniReference, Role, xml_references
from oq_processing.outputs.assets import units
from oq_processing.outputs.core.patterns import matching

INI = "[general]\ncalculation_mode = scenario\n"
TREE = '<logicTreeBranchSet uncertaintyType="sourceModel"><uncertaintyModel>{}</uncertaintyModel>'
LONGEST = 0.5  # seconds of this thread; in quadratic time it would be many


def ini_with_gap() -> None:
    with pytest.raises(InvalidJob, match=r"job\.ini cannot be read: line 3 is not name = value"):
        read_ini(f"{INI}a{' ' * 30_000}b\n".encode(), "job.ini")


def quotes_in_an_ini() -> None:
    gsim = "[GMPETable]\n  gmpe_table = 'a.hdf5'\n  x = " + '\\"' * 20_000
    ini = read_ini(f"{INI}gsim = {gsim}\n".encode(), "job.ini")
    changed = ini.with_paths([(IniReference("gsim", "a.hdf5", "quoted"), "b.hdf5")])
    assert "gmpe_table = 'b.hdf5'" in changed.text


def words_of_a_tree() -> None:
    text = f"<nrml>{TREE.format('x.xml ' * 50_000)}</logicTreeBranchSet></nrml>".encode()
    assert len(xml_references(io.BytesIO(text), Role.SOURCE_MODEL_LOGIC_TREE)) == 50_000


def titles() -> None:
    assert Answer(500, content=b"<title>" * 15_000).title() == ""


def slashes() -> None:
    assert without_login("/" * 50_000) == "/" * 50_000


def stars() -> None:
    values = ["ab" * 40]
    assert not matching([f"{'*a' * 12}*c"], values)[0].any()
    assert matching([f"{'*a' * 12}*b"], values)[0].all()


def cost_types(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "exposure.zip", "w") as archive:
        archive.writestr("a.xml", "<costType " * 30_000)
        archive.writestr("b.xml", f"<costType {'a' * 30_000}>")
        archive.writestr("c.xml", '<costType name="contents" unit="USD"/>')
    assert units._units_in(tmp_path / "exposure.zip") == {"": "", "contents": "USD"}


@pytest.mark.parametrize(
    "read",
    [
        ini_with_gap,
        quotes_in_an_ini,
        words_of_a_tree,
        titles,
        slashes,
        stars,
        cost_types,
    ],
)
def test_a_text_that_is_made_to_take_long(read, tmp_path):
    begin = time.thread_time()
    if read is cost_types:
        read(tmp_path)
    else:
        read()
    assert time.thread_time() - begin < LONGEST

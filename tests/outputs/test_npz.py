import io
import json
import pickle
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from oq_processing.engine.errors import InvalidOutput
from oq_processing.outputs.core import npz as npz_module
from oq_processing.outputs.core.npz import IN_MEMORY, MAX_RATIO, Npz


def npy(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return Npz(path)


def test_members(tmp_path):
    npz = archive(tmp_path / "a.npz", **{"a.npy": npy([1, 2]), "b.npy": npy(2.5), "c.txt": b"x"})
    assert npz.names == ["a", "b"]
    assert "a" in npz
    assert "c" not in npz
    assert npz.array("a").tolist() == [1, 2]
    assert npz.array("b").tolist() == 2.5


def test_a_missing_member_names_those_there_are(tmp_path):
    npz = archive(tmp_path / "a.npz", **{"mean.npy": npy([1])})
    with pytest.raises(InvalidOutput, match=r"has no “std”; it has: \['mean'\]"):
        npz.array("std")


def test_header_over_the_limit_of_numpy(tmp_path):
    dtype = [(f"poe-{i:09d}", "<f4") for i in range(1000)]
    data = npy(np.full(3, 0.25, dtype=dtype))
    with pytest.raises(ValueError, match="large"):
        np.lib.format.read_array(io.BytesIO(data))
    array = archive(tmp_path / "a.npz", **{"all.npy": data}).array("all")
    assert array["poe-000000999"].tolist() == [0.25] * 3


def test_a_mapped_member_with_a_large_header(tmp_path):
    dtype = [(f"poe-{i:09d}", "<f4") for i in range(1000)]
    array = np.zeros(IN_MEMORY // 4000 + 1, dtype=dtype)
    array["poe-000000999"] = np.arange(len(array))
    got = archive(tmp_path / "a.npz", **{"all.npy": npy(array)}).array("all")
    assert isinstance(got, np.memmap)
    assert (got["poe-000000999"] == np.arange(len(array))).all()


class _Bomb:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('exploded').write_text('')",)


@pytest.mark.parametrize("filling", [0, IN_MEMORY])
def test_objects_are_never_unpickled(tmp_path, monkeypatch, filling):
    monkeypatch.chdir(tmp_path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    # the tail makes the member one of those that are unpacked to disk
    data = header.getvalue() + pickle.dumps([_Bomb()]) + np.random.default_rng(1).bytes(filling)
    npz = archive(tmp_path / "a.npz", **{"array.npy": data})
    with pytest.raises(InvalidOutput, match=r"“array” in the engine's answer cannot be read"):
        npz.array("array")
    assert not (tmp_path / "exploded").exists()
    # the same bytes do explode where they are unpickled
    pickle.loads(pickle.dumps([_Bomb()]))
    assert (tmp_path / "exploded").exists()


def test_not_a_zip(tmp_path):
    for data in (b"", b"KeyError: no such thing", b"PK\x03\x04 and then nothing"):
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(InvalidOutput, match="not a whole npz file"):
            Npz(tmp_path / "a.npz")


def test_truncated_archive(tmp_path):
    path = tmp_path / "a.npz"
    archive(path, **{"a.npy": npy(np.arange(1000))})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InvalidOutput, match="not a whole npz file"):
        Npz(path)


@pytest.mark.parametrize("size", [100, 2_000_000])
def test_truncated_member(tmp_path, size):
    data = npy(np.random.default_rng(1).random(size))
    npz = archive(tmp_path / "a.npz", **{"a.npy": data[:-1]})
    with pytest.raises(InvalidOutput, match="“a” in the engine's answer cannot be read"):
        npz.array("a")


def test_damaged_member(tmp_path):
    path = tmp_path / "a.npz"
    npz = archive(path, **{"a.npy": npy(np.random.default_rng(1).random(1000))})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(InvalidOutput, match="“a” in the engine's answer cannot be read"):
        npz.array("a")


def test_a_member_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "a.npz"
    npz = archive(path, **{"a.npy": npy(np.arange(100))})
    with zipfile.ZipFile(path) as file:
        info = file.getinfo("a.npy")
    claimed = info.compress_size * (MAX_RATIO + 1)
    size = info.file_size.to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(size) == 2  # in the member's header and in the directory
    path.write_bytes(data.replace(size, claimed.to_bytes(4, "little")))
    with pytest.raises(InvalidOutput, match="“a” in the engine's answer is not believable"):
        npz.array("a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz"]


def test_a_zip_that_inflates_to_50_gb(tmp_path, monkeypatch):
    """Believable by its ratio, and larger than what is left on the disk."""
    path = tmp_path / "a.npz"
    npz = archive(path, **{"a.npy": npy(np.zeros(IN_MEMORY // 8))})
    with zipfile.ZipFile(path) as file:
        info = file.getinfo("a.npy")
    assert 900 < info.file_size / info.compress_size < MAX_RATIO
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=info.file_size - 1))
    with pytest.raises(InvalidOutput) as error:
        npz.array("a")
    assert str(error.value) == (
        "“a” in the engine's answer takes 0.0 GB when unpacked, and there are 0.0 GB "
        f"left in {tmp_path.parent}."
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=info.file_size))
    assert len(npz.array("a")) == IN_MEMORY // 8


@pytest.mark.parametrize(
    "head",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,",
        "{'descr': [('a', 'b', 'c', 'd')], 'fortran_order': False, 'shape': (1,)}",
        "__import__('pathlib').Path('exploded').write_text('')",
        "(" * 5000,
    ],
)
def test_headers_that_are_none(tmp_path, monkeypatch, head):
    monkeypatch.chdir(tmp_path)
    data = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    npz = archive(tmp_path / "a.npz", **{"a.npy": data + bytes(8)})
    with pytest.raises(InvalidOutput, match=r"^“a” in the engine's answer cannot be read"):
        npz.array("a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_members_no_zip_of_the_engine_has(tmp_path):
    """Encrypted, packed in another way, or with data that cannot be unpacked."""
    path = tmp_path / "a.npz"
    archive(path, **{"a.npy": npy(np.arange(1000))})
    good = path.read_bytes()
    here, there = good.find(b"PK\x03\x04"), good.find(b"PK\x01\x02")
    data = here + 30 + len("a.npy")
    for changes in ({here + 6: 1, there + 8: 1}, {here + 8: 99, there + 10: 99}, {data: 0xFF}):
        bad = bytearray(good)
        for at, value in changes.items():
            bad[at] = value
        path.write_bytes(bad)
        with pytest.raises(InvalidOutput, match=r"^“a” in the engine's answer cannot be read"):
            Npz(path).array("a")


def test_a_large_member_stays_on_disk(tmp_path):
    values = np.random.default_rng(1).random((IN_MEMORY // 16 + 1, 1, 2))
    npz = archive(tmp_path / "a.npz", **{"small.npy": npy([1]), "mean.npy": npy(values)})
    array = npz.array("mean")
    assert isinstance(array, np.memmap)
    assert array.shape == values.shape
    assert (array == values).all()
    assert npz.array("mean").filename == array.filename
    assert not isinstance(npz.array("small"), np.memmap)


def test_member_names_never_lead_out_of_the_folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    values = np.arange(IN_MEMORY // 8 + 1)
    name = "../../evil"
    npz = archive(folder / "a.npz", **{f"{name}.npy": npy(values)})
    array = npz.array(name)
    assert array[-1] == IN_MEMORY // 8
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    assert sorted(p.name for p in folder.iterdir()) == ["a.npz", "a.npz-0.npy"]


def test_json_with_trailing_nuls(tmp_path):
    value = {"mean": 1, "description": "naïve"}
    data = json.dumps(value).encode()
    array = np.frombuffer(data, dtype=f"S{len(data)}").reshape(())
    assert archive(tmp_path / "a.npz", **{"json.npy": npy(array)}).json() == value
    # numpy itself would cut NULs off the end
    gz = np.array(b"ab\0\0", dtype="S4")
    assert archive(tmp_path / "b.npz", **{"x.npy": npy(gz)}).array("x").tobytes() == b"ab\0\0"


def test_json_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_module, "MAX_JSON", 100)
    npz = archive(tmp_path / "a.npz", **{"json.npy": npy(np.array(b"[" * 101))})
    with pytest.raises(InvalidOutput, match="JSON of an unknown kind"):
        npz.json()


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"{", "no valid JSON"), (b"[" * 100_000, "no valid JSON"), (b"[1]", "of an unknown kind")],
)
def test_bad_json(tmp_path, data, words):
    with pytest.raises(InvalidOutput, match=words):
        archive(tmp_path / "a.npz", **{"json.npy": npy(np.array(data))}).json()

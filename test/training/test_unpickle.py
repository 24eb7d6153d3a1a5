"""Pickled npz files are read as NumPy reads them, and run nothing."""

from __future__ import annotations

import io
import pickle
import pickletools
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pstmo_core.keypoints.npz.safe_unpickle import (
    HostileFileError,
    UnpickleError,
    load_pickle,
    read_npz,
)

CONTENT = {
    "S1": {"Walking": [np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.zeros((0, 3))]},
    "facts": {"w": np.int64(1000), "rate": 25, "names": ("a", "ä"), "sides": [[1, 2], [3]]},
    "kinds": [np.array([True, False]), np.array(["x", "yz"]), np.array([b"q"]), np.float32(2.5)],
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "swapped": np.arange(3, dtype=">i4"),
    "objects": np.array([{"a": 1}, None], dtype=object),
    "arrays": np.array([[1, [2]], [None, "3"]], dtype=object),
    "containers": [{1, 2}, frozenset([3]), b"raw", None, True, 1.5, 10**30],
}


class Runs:
    """A pickle of this makes a careless reader call a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def boxed(value: Any) -> np.ndarray:
    box = np.empty((), dtype=object)
    box[()] = value
    return box


def same(one: Any, two: Any) -> bool:
    """Compare nested data, types too."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, np.ndarray) and one.dtype != object:
        return one.dtype == two.dtype and one.shape == two.shape and bool((one == two).all())
    if isinstance(one, (list, tuple, np.ndarray)):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def rezip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def npy(pickled: bytes) -> bytes:
    """An npy stream of one pickled object."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    return stream.getvalue() + pickled


def read_pickle(pickled: bytes) -> Any:
    return load_pickle(io.BytesIO(pickled), "file: 'key'")


def test_what_numpy_writes_comes_back_the_same(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", data=boxed(CONTENT), plain=np.eye(3), text="abc")
    content = read_npz(tmp_path / "a.npz")
    assert set(content) == {"data", "plain", "text"}
    assert same(CONTENT, content["data"])
    np.testing.assert_array_equal(content["plain"], np.eye(3))
    assert str(content["text"]) == "abc"


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_every_pickle_protocol_is_read(protocol: int) -> None:
    assert same(CONTENT, read_pickle(pickle.dumps(CONTENT, protocol)))
    assert same(CONTENT, read_pickle(pickle.dumps(boxed(CONTENT), protocol)))


def test_files_of_numpy_1_and_2_are_read_by_either() -> None:
    pickled = pickle.dumps(CONTENT, 2)
    for one, other in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        assert same(CONTENT, read_pickle(pickled.replace(one, other)))


def test_arrays_pickled_by_python_2_are_read() -> None:
    # cnumpy.core.multiarray._reconstruct of a str, as Python 2 wrote it with protocol 0.
    pickled = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\n"
        b"dtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb."
    )
    np.testing.assert_array_equal(read_pickle(pickled), np.array([1, 2], np.float32))


def test_ordered_dictionaries_come_back_plain() -> None:
    assert read_pickle(pickle.dumps(OrderedDict(a=1))) == {"a": 1}


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (eval, ("open({!r}, 'w').close()",), ".eval"),
        (Path.touch, (Path("x"),), "asks for"),
        (getattr, ([], "append"), ".getattr"),
        (np.fromfile, ("x",), "fromfile"),
        (np.load, ("x",), "asks for numpy"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_asks_for_a_function_is_refused_by_name_and_runs_nothing(
    tmp_path: Path,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: str,
    protocol: int,
) -> None:
    witness = tmp_path / "ran"
    arguments = tuple(a.format(str(witness)) if isinstance(a, str) else a for a in arguments)
    hostile = {"S1": {"Walking": [Runs(function, *arguments)]}}
    path = rezip(tmp_path / "bad.npz", {"positions_3d.npy": npy(pickle.dumps(hostile, protocol))})
    with pytest.raises(HostileFileError) as caught:
        read_npz(path)
    assert str(path) in str(caught.value) and "positions_3d" in str(caught.value)
    assert named in str(caught.value) and "nothing of it was run" in str(caught.value)
    assert not witness.exists()


def test_the_witness_of_the_hostile_test_would_have_seen_it_run(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    pickle.loads(pickle.dumps(Runs(eval, f"open({str(witness)!r}, 'w').close()")))
    assert witness.exists()


def test_names_that_look_like_numpys_are_not_enough() -> None:
    for module, name in (
        ("numpy.core.multiarray", "fromfile"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("collections", "OrderedDict.__init__"),
        ("builtins", "exec"),
        ("__builtin__", "eval"),
        ("copyreg", "_reconstructor"),
    ):
        text = b"\x80\x04" + b"".join(
            b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)
        )
        with pytest.raises(HostileFileError, match="asks for"):
            read_pickle(text + b"\x93.")


def test_a_pickle_cannot_change_the_functions_that_read_it() -> None:
    set_state = b"}(\x8c\x05_makeK\x01ub."
    with pytest.raises(HostileFileError, match="change"):
        read_pickle(b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93" + set_state)
    assert same(np.eye(2), read_pickle(pickle.dumps(np.eye(2))))


def test_an_array_type_that_would_read_bytes_as_addresses_is_refused() -> None:
    records = np.zeros(2, dtype=[("a", "f4"), ("b", "O")])
    with pytest.raises(UnpickleError, match="records|type"):
        read_pickle(pickle.dumps(records))
    pickled = pickle.dumps(np.arange(2, dtype=np.int64), 3)
    with pytest.raises(UnpickleError):
        read_pickle(pickled.replace(b"i8", b"O8"))


def test_an_array_claims_no_more_than_its_bytes() -> None:
    pickled = pickle.dumps(np.zeros((7, 3), np.uint8), 3)
    assert b"K\x07K\x03\x86" in pickled
    with pytest.raises(UnpickleError, match="bytes for an array"):
        read_pickle(pickled.replace(b"K\x07K\x03\x86", b"K\x7fK\x03\x86"))


def test_nesting_without_end_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    for value in (loop, deep):
        with pytest.raises(HostileFileError, match="nested"):
            read_pickle(pickle.dumps(value))


def test_what_is_held_a_billion_times_is_built_once() -> None:
    laughs: list[Any] = [np.zeros(3)]
    for _ in range(30):
        laughs = [laughs] * 10
    assert len(read_pickle(pickle.dumps(laughs))) == 10


def test_ten_bytes_cannot_fill_the_memory() -> None:
    memo = b"\x80\x04K\x01r\xff\xff\xff\xff0."
    text = b"\x80\x04\x8e" + b"\xff" * 6 + b"\0\0."
    for pickled in (memo, text):
        began = time.perf_counter()
        with pytest.raises(UnpickleError):
            read_pickle(pickled)
        assert time.perf_counter() - began < 0.5


def test_every_truncation_of_a_pickle_ends_in_one_sentence() -> None:
    pickled = pickletools.optimize(pickle.dumps(CONTENT, 4))
    for length in range(0, len(pickled) - 1, 7):
        with pytest.raises(UnpickleError) as caught:
            read_pickle(pickled[:length])
        assert "\n" not in str(caught.value) and str(caught.value).startswith("file: 'key'")


def test_every_damaged_byte_is_noticed_or_harmless() -> None:
    pickled = pickle.dumps(CONTENT, 4)
    rng = np.random.default_rng(5)
    for place in rng.integers(0, len(pickled), 300):
        damaged = bytearray(pickled)
        damaged[place] ^= int(rng.integers(1, 256))
        try:
            read_pickle(bytes(damaged))
        except UnpickleError as error:
            assert "\n" not in str(error)


def test_files_that_are_no_npz_say_so(tmp_path: Path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(UnpickleError, match=r"text\.npz: is not an npz"):
        read_npz(text)
    with pytest.raises(UnpickleError, match="cannot be read"):
        read_npz(tmp_path / "missing.npz")
    with pytest.raises(UnpickleError, match="cannot be read"):
        read_npz(tmp_path)
    archive = rezip(tmp_path / "model.pth", {"archive/data.pkl": b"\x80\x02}."})
    with pytest.raises(UnpickleError, match="not an npz"):
        read_npz(archive)


def test_a_truncated_or_damaged_zip_says_so(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez_compressed(whole, data=boxed(CONTENT), plain=np.random.default_rng(0).random(500))
    content = whole.read_bytes()
    broken = tmp_path / "broken.npz"
    for cut in (10, len(content) // 2, len(content) - 5):
        broken.write_bytes(content[:cut])
        with pytest.raises(UnpickleError, match=r"broken\.npz.*(truncated|damaged)"):
            read_npz(broken)
    broken.write_bytes(content[:400] + bytes([content[400] ^ 255]) + content[401:])
    with pytest.raises(UnpickleError, match=r"broken\.npz"):
        read_npz(broken)


def test_what_follows_an_array_is_not_passed_over(tmp_path: Path) -> None:
    path = rezip(tmp_path / "long.npz", {"data.npy": npy(pickle.dumps({}) + b"more")})
    with pytest.raises(UnpickleError, match="goes on"):
        read_npz(path)

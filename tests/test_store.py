"""The store: rows as they were measured, one writer, and one sentence for every accident."""

import math
import sqlite3
from dataclasses import replace

import pytest

from fastgrad import machine
from fastgrad.sweeps import plan, study
from fastgrad.sweeps.rows import Failure, StoreError, decode, encode, key
from fastgrad.sweeps.store import Store

ENVIRONMENT = {"code": "x", "flush to zero": "off"}


def measured(**changes):
    axes = {"activation": ["tanh", "elu"], "depth": [1, 3], "seeds": [3, 9], "width": 8, "batch": 4, "data": "normal"}
    dead = plan.grid(**axes | {"init": "normal", "std": 0.0} | changes)
    alive = plan.grid(**axes | {"init": "xavier_normal", "bias_std": [None, 0.5]} | changes)
    return [study.measure_cell(cell) for cell in (*dead, *alive)]


@pytest.fixture(scope="module")
def results():
    return measured()


def filled(path, results):
    with Store(path, writable=True) as store:
        store.claim(["plan"])
        store.add(results, [], ENVIRONMENT)
    return path


def same(one, other):
    """Equal, NaN included."""
    return repr(one) == repr(other)


def test_results_come_back_bit_for_bit(results, tmp_path):
    assert any(math.isinf(value) for result in results for value in result.log10_delta)
    assert any(math.isnan(result.decades_per_layer) for result in results)
    with Store(filled(tmp_path / "new" / "a.db", results)) as store:
        found = list(store.results())
        assert len(store) == len(found) == len(results)
        assert all(same(store.get(result.cell), result) for result in results)
    assert {repr(result) for result in found} == {repr(result) for result in results}


def test_a_key_is_the_definition_and_nothing_else(results):
    assert len({key(result.cell) for result in results}) == len(results)
    cell = results[0].cell
    assert key(replace(cell)) == key(cell)
    assert key(replace(cell, seeds=(9, 3))) != key(cell)


def test_adding_again_replaces_and_cures(results, tmp_path):
    cell = results[0].cell
    with Store(tmp_path / "a.db", writable=True) as store:
        store.add([], [Failure(cell, "ValueError: no")], ENVIRONMENT)
        assert list(store.failures()) == [Failure(cell, "ValueError: no")]
        assert (store.failed([key(cell)]), store.present([key(cell)])) == ({key(cell)}, set())
        for _ in range(2):
            store.add([results[0]], [], ENVIRONMENT)
        assert (len(store), store.failed_count()) == (1, 0)
        assert store.environments() == {1: ENVIRONMENT}


def test_one_process_writes_and_others_read(results, tmp_path):
    path = filled(tmp_path / "a.db", results[:2])
    with Store(path, writable=True) as writer:
        with pytest.raises(StoreError, match="is being written by another process"):
            Store(path, writable=True)
        with Store(path) as reader:
            writer.add([results[2]], [], ENVIRONMENT)
            assert len(reader) == 3
            with pytest.raises(StoreError, match="cannot open or write"):
                reader.add([results[3]], [], ENVIRONMENT)
    with Store(path, writable=True) as writer:
        assert len(writer) == 3


@pytest.mark.parametrize("link", ["of the file", "of the folder", "before the file"])
def test_one_process_writes_whatever_name_it_uses(link, results, tmp_path):
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    if link == "of the folder":
        other.symlink_to(folder)
        other = other / "a.db"
    else:
        other.symlink_to(folder / "a.db")
    first, second = (folder / "a.db", other) if link != "before the file" else (other, folder / "a.db")
    with Store(first, writable=True) as writer:
        with pytest.raises(StoreError, match="is being written by another process"):
            Store(second, writable=True)
        writer.add([results[0]], [], ENVIRONMENT)
        with Store(second) as reader:
            assert len(reader) == 1
    with Store(second, writable=True) as writer:
        writer.add([results[1]], [], ENVIRONMENT)
    with Store(first) as reader:
        assert len(reader) == 2


def test_a_file_with_two_names_is_not_written(results, tmp_path):
    path, other = filled(tmp_path / "a.db", results), tmp_path / "b.db"
    with Store(path, writable=True):
        other.hardlink_to(path)
        with pytest.raises(StoreError, match=r"b\.db is one file under several names"):
            Store(other, writable=True)
    with pytest.raises(StoreError, match=r"a\.db is one file under several names"):
        Store(path, writable=True)
    with Store(other) as reader:
        assert len(reader) == len(results)
    other.unlink()
    filled(path, results[:1])


def test_the_size_is_that_of_the_file_whoever_reads_it(results, tmp_path):
    path = filled(tmp_path / "a.db", results[:1])
    before = path.stat().st_size
    with Store(path) as reader:
        assert len(reader) == 1
        with Store(path, writable=True) as writer:
            for i in range(100):
                cell = replace(results[1].cell, seeds=(i, i + 1))
                writer.add([replace(results[1], cell=cell)], [], ENVIRONMENT)
            size = writer.bytes
        assert path.stat().st_size == size > before


def test_another_code_and_another_plan_are_noticed(results, tmp_path, monkeypatch):
    path = filled(tmp_path / "a.db", results)
    with Store(path, writable=True) as store:
        store.claim(["plan"])
        with pytest.raises(StoreError, match="holds another sweep"):
            store.claim(["other"])
        store.claim(["other"], extend=True)
        store.claim(["plan"])
        store.claim(["other"])
    monkeypatch.setattr(machine, "code", lambda: "9.9+feed")
    with Store(path, writable=True) as store:
        with pytest.raises(StoreError, match=r"was measured by fastgrad .*, and this is 9.9\+feed"):
            store.claim(["plan"])
        assert len(store) == len(results)


def test_files_that_are_something_else_are_left_alone(tmp_path):
    text, foreign, future = (tmp_path / name for name in ("text", "foreign.db", "future.db"))
    text.write_text("something else, and long enough to be taken for a header of a database " * 9)
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE mine (x)")
    with Store(future, writable=True) as store:
        store._db.execute("PRAGMA user_version = 7")
    before = {path: path.read_bytes() for path in (text, foreign, future)}
    for path, message in ((text, "damaged or no SQLite"), (foreign, "is no store"), (future, "has schema 7, and")):
        for writable in (False, True):
            with pytest.raises(StoreError, match=message):
                Store(path, writable)
        assert path.read_bytes() == before[path]


def test_paths_that_cannot_be(tmp_path):
    with pytest.raises(StoreError, match="there is no store"):
        Store(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="cannot make the folder"):
        Store(tmp_path / "file" / "a.db", writable=True)
    with pytest.raises(StoreError, match="cannot open or write"):
        Store(tmp_path, writable=True)


def test_a_full_disk_keeps_what_there_is(results, tmp_path):
    path = filled(tmp_path / "a.db", results[:1])
    with Store(path, writable=True) as store:
        store._db.execute(f"PRAGMA max_page_count = {store._one('PRAGMA page_count')}")
        many = [replace(results[1], cell=replace(results[1].cell, seeds=(i, i + 1))) for i in range(50)]
        with pytest.raises(StoreError, match=r"the disk is full: .* keeps what it has"):
            store.add(many, [], ENVIRONMENT)
        assert [same(result, results[0]) for result in store.results()] == [True]
    filled(path, results)
    with Store(path) as store:
        assert len(store) == len(results)


@pytest.mark.parametrize("damage", ["structure", "row"])
def test_a_damaged_page_is_noticed(results, tmp_path, damage):
    path = filled(tmp_path / "a.db", measured(depth=[30]))
    data = bytearray(path.read_bytes())
    if damage == "structure":
        data[-16384:-8192] = b"\xff" * 8192
    else:
        at = data.rindex(encode(measured(depth=[30])[-1])[-2][400:420])
        data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"a\.db is damaged"), Store(path) as store:
        list(store.results())
    if damage == "structure":
        with pytest.raises(StoreError, match=r"\.recover") as refused:
            Store(path, writable=True)
        assert "\n" not in str(refused.value)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("UPDATE environments SET facts = substr(facts, 2)", lambda store: store.environments()),
        ("UPDATE facts SET value = substr(value, 2) WHERE name = 'plans'", lambda store: store.claim(["plan"])),
        ("UPDATE failures SET cell = substr(cell, 2)", lambda store: list(store.failures())),
        ("UPDATE cells SET layers = 7", lambda store: list(store.results())),
    ],
)
def test_damaged_json_is_said_in_a_sentence_with_the_files_name(statement, asked, results, tmp_path):
    path = filled(tmp_path / "a.db", results[:1])
    with Store(path, writable=True) as store:
        store.add([], [Failure(results[1].cell, "ValueError: no")], ENVIRONMENT)
        asked(store)
        store._db.execute(statement)
        with pytest.raises(
            StoreError, match=r"a\.db is damaged: a (text in it is no JSON|value in it is of another type)"
        ):
            asked(store)


def test_any_changed_number_of_a_row_is_noticed(results):
    good = encode(results[-1])
    numbers = [i for i, value in enumerate(good) if isinstance(value, float)]
    assert len(numbers) >= 7
    for column in numbers:
        row = list(good)
        row[column] = math.nextafter(row[column], math.inf)
        with pytest.raises(ValueError, match="is not what was written"):
            decode(row, "1")

"""Cells and their results in one SQLite file, with what is needed to repeat each row."""

# Design: - One process writes, and holds a lock on FILE-lock, an empty SQLite file, while it does: the system
#           releases it however the process ends. Others may read meanwhile (WAL).
#         - FILE is where all symbolic links end, for the lock as for SQLite's own log. A hard link has no such
#           name: the log written under one is not seen under the other, so a file with two is not written.
#         - One transaction for a batch of rows. Killing the process loses the batch at most; a power cut
#           may lose the last transactions (synchronous=NORMAL), which are then measured again.
#         - A store holds the numbers of one version of the code and of one plan; another is refused.
#         - Results are records everywhere else; they become rows (rows.py) only here.

import json
import os
import sqlite3
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from fastgrad import machine
from fastgrad.sweeps.cell import Cell, CellResult
from fastgrad.sweeps.rows import (
    APPLICATION,
    COLUMNS,
    DEFINITION,
    SCHEMA,
    Failure,
    StoreError,
    cell_of,
    decode,
    definition,
    encode,
    key,
    schema,
)

KEYS_AT_ONCE = 500
PAGE = 16384  # a row is 1 to 5 kB: in pages of 4 kB a third of the file would be empty


class Store:
    """An open store.

    Parameters
    ----------
    path : path
        Made if it is not there, folders too, unless it is only to be read.
    writable : bool
        Whether rows will be added: then no other process may do so, and the file is checked as a whole.

    Raises
    ------
    StoreError
        If the file cannot be opened or written, is damaged, is no store, is one of another schema, or is being
        written by another process; if it is to be written and has several names (hard links).
    """

    def __init__(self, path: str | os.PathLike, writable: bool = False):
        self.path = Path(path)
        self._file = Path(os.path.realpath(path))
        self._writable = writable
        with self._clear_errors(), ExitStack() as opened:
            if writable:
                opened.callback(self._locked().close)
            elif not self.path.is_file():
                raise StoreError(f"there is no store {self.path}")
            self._db = opened.enter_context(closing(self._connect("mode=rwc" if writable else "mode=rw")))
            try:
                self._check(writable)
            except sqlite3.OperationalError:  # a folder that cannot be written: as it is, unless it changes
                if writable:
                    raise
                self._db.close()
                self._db = opened.enter_context(closing(self._connect("mode=ro&immutable=1")))
                self._check(writable)
            self._opened = opened.pop_all()

    def _connect(self, mode) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._file.as_uri()}?{mode}", uri=True, isolation_level=None)

    def _locked(self):
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder of {self.path}: {error.strerror}") from error
        lock = sqlite3.connect(f"{self._file}-lock", timeout=0, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("BEGIN EXCLUSIVE")
            if os.path.isfile(self._file) and os.stat(self._file).st_nlink > 1:
                raise StoreError(
                    f"{self.path} is one file under several names (hard links), of which SQLite's log knows one only: "
                    "copy it, or remove the others"
                )
        except sqlite3.OperationalError as error:
            lock.close()
            if "locked" not in str(error):
                raise
            raise StoreError(f"{self.path} is being written by another process") from None
        except BaseException:
            lock.close()
            raise
        return lock

    def _check(self, writable):
        application, found = (self._one(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if writable and not self._one("SELECT count(*) FROM sqlite_master") and not application:
            self._db.execute(f"PRAGMA page_size = {PAGE}")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(f"BEGIN;{schema()}COMMIT;")
        elif application != APPLICATION:
            raise StoreError(f"{self.path} is no store of fastgrad")
        elif found != SCHEMA:
            raise StoreError(f"{self.path} has schema {found}, and this fastgrad reads {SCHEMA}: open it with its own")
        elif writable and (fault := self._one("PRAGMA quick_check(1)")) != "ok":
            raise sqlite3.DatabaseError(fault)
        self._db.execute("PRAGMA synchronous = NORMAL" if writable else "PRAGMA query_only = ON")

    def close(self) -> None:
        """Close the file; whatever was added is in it."""
        if self._writable:
            # The last connection to be closed would do so by itself, but somebody may be reading.
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._opened.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # What the whole store is of.

    def claim(self, plan, extend: bool = False) -> None:
        """Make this the store of a plan and of the running code, or say what it is a store of.

        ``plan`` is what JSON can hold, or None to leave the plan alone. ``extend`` adds it to the plans here.
        StoreError if the rows are another code's, or another plan's.
        """
        with self._clear_errors(), self._transaction():
            facts = dict(self._db.execute("SELECT name, value FROM facts"))
            if facts.setdefault("code", machine.code()) != machine.code():
                raise StoreError(
                    f"{self.path} was measured by fastgrad {facts['code']}, and this is {machine.code()}: "
                    "their numbers may differ; choose another file"
                )
            plans = json.loads(facts.get("plans", "[]"))
            fresh = not plans and not self._one("SELECT count(*) FROM cells")
            if plan is not None and plan not in plans:
                if not (fresh or extend):
                    raise StoreError(f"{self.path} holds another sweep; choose another file, or extend this one")
                facts["plans"] = json.dumps([*plans, plan])
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    @property
    def code(self) -> str:
        """The version and digest of the code that measured the rows."""
        with self._clear_errors():
            return self._one("SELECT value FROM facts WHERE name = 'code'") or machine.code()

    # Rows.

    def add(self, results: Sequence[CellResult], failures: Sequence[Failure], environment: dict[str, str]) -> None:
        """Add results and failures of one environment, in one transaction."""
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        rows = list(map(encode, results))
        with self._clear_errors(), self._transaction():
            facts = json.dumps(environment, sort_keys=True)
            self._db.execute("INSERT OR IGNORE INTO environments (facts) VALUES (?)", (facts,))
            where = self._one("SELECT id FROM environments WHERE facts = ?", facts)
            self._db.executemany(f"INSERT OR REPLACE INTO cells VALUES ({marks}, {where})", rows)
            self._db.executemany("DELETE FROM failures WHERE key = ?", ((row[0],) for row in rows))
            self._db.executemany(
                f"INSERT OR REPLACE INTO failures VALUES (?, ?, ?, {where})",
                ((key(failure.cell), definition(failure.cell), failure.error) for failure in failures),
            )

    def present(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys whose cells have results."""
        return self._found("cells", keys)

    def failed(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys whose cells have failed, and have no results."""
        return self._found("failures", keys)

    def _found(self, table, keys):
        found = set()
        with self._clear_errors():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                query = f"SELECT key FROM {table} WHERE key IN ({', '.join('?' * len(some))})"
                found.update(row[0] for row in self._db.execute(query, some))
        return found

    def get(self, cell: Cell) -> CellResult | None:
        """The result of a cell; None if it is not here."""
        with self._clear_errors():
            query = f"SELECT key, {', '.join(COLUMNS)} FROM cells WHERE key = ?"
            row = self._db.execute(query, (key(cell),)).fetchone()
            return row and decode(row, self.code.partition("+")[0])

    def results(self, layers: bool = True) -> Iterator[CellResult]:
        """Every result, in order of its definition, read as it is asked for.

        Without ``layers`` its arrays are empty, and it takes about a tenth of the memory.
        """
        for result, _ in self.rows(layers):
            yield result

    def rows(self, layers: bool = True) -> Iterator[tuple[CellResult, int]]:
        """Every result with the number of its environment, in order of its definition."""
        with self._clear_errors():
            version = self.code.partition("+")[0]
            query = f"SELECT key, {', '.join(COLUMNS)}, environment FROM cells WHERE rowid = ?"
            # Sorting whole rows would copy the store to a temporary file.
            for number in self._db.execute(f"SELECT rowid FROM cells ORDER BY {', '.join(DEFINITION)}"):
                *row, environment = self._db.execute(query, number).fetchone()
                yield decode(row, version, layers), environment

    def failures(self) -> Iterator[Failure]:
        """Every cell that failed, in order of its definition."""
        with self._clear_errors():
            for text, error in self._db.execute("SELECT cell, error FROM failures ORDER BY cell"):
                yield Failure(cell_of(text), error)

    def failed_count(self) -> int:
        """How many cells failed."""
        with self._clear_errors():
            return self._one("SELECT count(*) FROM failures")

    @property
    def bytes(self) -> int:
        """How large the file is once all that was added is in it, and no longer in SQLite's log."""
        with self._clear_errors():
            return self._one("PRAGMA page_count") * self._one("PRAGMA page_size")

    def environments(self) -> dict[int, dict[str, str]]:
        """What the rows were measured on, by number."""
        with self._clear_errors():
            found = self._db.execute("SELECT id, facts FROM environments").fetchall()
            return {number: json.loads(facts) for number, facts in found}

    def __len__(self) -> int:
        with self._clear_errors():
            return self._one("SELECT count(*) FROM cells")

    def _one(self, query, *values):
        row = self._db.execute(query, values).fetchone()
        return row and row[0]

    @contextmanager
    def _transaction(self):
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _clear_errors(self):
        """Errors of SQLite, and of what stands in its columns, as one sentence that says what to do."""
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(_sentence(self.path, error)) from error


def _sentence(path, error):
    text = textwrap.shorten(str(error), 200)
    if isinstance(error, TypeError):
        return f"{path} is damaged: a value in it is of another type than was written"
    if isinstance(error, json.JSONDecodeError):
        return f"{path} is damaged: a text in it is no JSON ({text})"
    if isinstance(error, ValueError):
        return f"{path} is damaged: {text}"
    if "unable to open" in text or "readonly" in text:
        return f"cannot open or write {path} or its folder"
    if "full" in text:
        return f"the disk is full: {path} keeps what it has; make room and run the same command again"
    if "malformed" in text or "not a database" in text or not isinstance(error, sqlite3.OperationalError):
        return f"{path} is damaged or no SQLite file ({text}); `sqlite3 {path} .recover` gets out what is whole"
    return f"{path}: {text}"

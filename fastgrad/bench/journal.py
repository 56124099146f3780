"""A file of finished parts, a JSON object a line: what was interrupted goes on from there."""

# Design: Each line ends with a CRC-32 of the rest: a digit that a disk has changed would be a figure nobody measured.

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Journal:
    """The records of a file, in ``records``, and a way to add to them.

    Parameters
    ----------
    path : path
        Made if it is not there, folders too; a half-written last line is cut off.
    keys : sequence of str
        What every record has; the first of them begins each line.
    what : str
        What it is the file of, for the error.

    Raises
    ------
    ValueError
        If the file is of something else, or damaged.
    OSError
        If it cannot be written.
    """

    def __init__(self, path: str | Path, keys: Sequence[str], what: str):
        self.path, begins = Path(path), json.dumps({keys[0]: 0})[:-4].encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0)
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self.records = [_record(line, keys) for line in whole.splitlines()]
            half = text[len(whole) :]
            if None in self.records or not begins.startswith(half[: len(begins)]):
                raise ValueError(f"{self.path} is there and is not the file of {what} by this version")
            for number, record in enumerate(self.records, 1):
                if record.pop("crc") != _crc(record):
                    raise ValueError(f"{self.path} is damaged: line {number} is not what was written; remove it")
            file.truncate(len(whole))

    def add(self, record: dict) -> None:
        """Append a record; what was added before stays whatever happens."""
        try:
            with open(self.path, "a") as file:
                file.write(json.dumps({**record, "crc": _crc(record)}) + "\n")
        except OSError as error:  # a full disk names no file
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self.records.append(record)


class Parts:
    """Finished parts by name, in ``found``, and in a file from which the same work goes on after an interruption.

    Parameters
    ----------
    path : path or None
        Of the file; None: the parts are not kept.
    identity : str
        What the parts are of: those in the file that are of something else stay, but are not used.
    what : str
        What it is the file of, for the error.

    Raises
    ------
    ValueError, OSError
        As :class:`Journal` does.
    """

    def __init__(self, path: str | Path | None, identity: str, what: str):
        self.identity = identity
        self.journal = None if path is None else Journal(path, ("identity", "part", "found"), what)
        records = self.journal.records if self.journal else []
        self.found: dict[str, Any] = {one["part"]: one["found"] for one in records if one["identity"] == identity}

    def add(self, part: str, found) -> None:
        """A part, plain data for JSON; one of that name that is there is replaced."""
        if self.journal:
            self.journal.add({"identity": self.identity, "part": part, "found": found})
        self.found[part] = found

    def get(self, part: str, make: Callable[[], object]):
        """The part, made now unless it is there."""
        if part not in self.found:
            self.add(part, make())
        return self.found[part]

    def finish(self) -> None:
        """All is done: the file goes."""
        if self.journal:
            self.journal.path.unlink()


def _crc(record):
    return zlib.crc32(json.dumps(record).encode())


def _record(line, keys):
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {*keys, "crc"} <= set(record) else None

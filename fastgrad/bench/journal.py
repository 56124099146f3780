"""A file of finished parts, a JSON object a line: what was interrupted goes on from there."""

import json
from collections.abc import Sequence
from pathlib import Path


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
        If the file is of something else.
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
            file.truncate(len(whole))

    def add(self, record: dict) -> None:
        """Append a record; what was added before stays whatever happens."""
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(record)


def _record(line, keys):
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and set(keys) <= set(record) else None

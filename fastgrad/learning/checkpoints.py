"""A training run on disk: one file that is either whole or not there."""

# Design: - Written beside its place, synced, and renamed over it: whoever reads sees the old file or the new one.
#         - The file carries what the run was asked to do; a run that was asked something else refuses it, since its
#           numbers would be neither run's.

import io
import json
import os
from pathlib import Path

import numpy as np

from fastgrad._validation import plain

FORMAT = 1


def save(path: str | Path, settings: dict, record: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write settings, record (both for JSON) and arrays to ``path``, at once or not at all; OSError if it cannot."""
    path = Path(path)
    buffer = io.BytesIO()
    text = json.dumps(plain({"format": FORMAT, "settings": settings, "record": record}), allow_nan=False)
    np.savez(buffer, **arrays, about=np.frombuffer(text.encode(), np.uint8))  # type: ignore[arg-type]
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(new, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def load(path: str | Path, settings: dict) -> tuple[dict, dict[str, np.ndarray]]:
    """(record, arrays) of a checkpoint that was made with these settings.

    Raises
    ------
    ValueError
        If it is no checkpoint, is damaged, or is of other settings; the message names the first that differs.
    OSError
        If it cannot be read.
    """
    content = io.BytesIO(Path(path).read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        found, record = dict(about["settings"]), about["record"]
    except Exception as error:  # nothing is left that may fail but the bytes, and zipfile has many words for that
        raise ValueError(f"{path} is not a checkpoint of fastgrad, or is damaged") from error
    if about.get("format") != FORMAT:
        raise ValueError(f"{path} is a checkpoint of another version of fastgrad")
    for name, value in plain(settings).items():
        if found.get(name) != value:
            raise ValueError(
                f"{path} is of another run: its {name} is {found.get(name)!r}, not {value!r}; "
                "give another checkpoint, or resume=False to begin anew"
            )
    return record, arrays

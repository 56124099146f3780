"""Each call of calls.py so many times, for valgrind: ``every_part.py TIMES``."""

import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from tests.batteries.calls import of_numpy

warnings.simplefilter("ignore")
for call in of_numpy().values():
    for _ in range(int(sys.argv[1])):
        call()

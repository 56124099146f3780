"""Work, counted: what a test holds a cost to, since a time says as much of the machine as of the code."""

import sys


def calls_of(run) -> int:
    """How many functions ``run()`` calls in this thread, those written in C among them."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count

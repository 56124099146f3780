"""``fastgrad config``: what a build system asks for. It needs no extra, so a project's build can run it."""

# Design: argparse, not click: a build has fastgrad without its extra `cli`. An answer per line, in the order asked.

import argparse
import shlex
import sys
from collections.abc import Sequence

from fastgrad import ffi

ANSWERS = {
    "cflags": (lambda: shlex.join([f"-I{ffi.get_include()}", *ffi.CFLAGS]), "flags for the C or C++ compiler"),
    "libs": (
        lambda: shlex.join([f"-L{ffi.get_library_dir()}", "-lfastgrad", "-lm"]),
        "flags for the linker, for programs that include fastgrad/fastgrad.h",
    ),
    "library-dir": (ffi.get_library_dir, "the directory of libfastgrad"),
    "include-dir": (ffi.get_include, "the directory of fastgrad/*.h"),
    "cmake-dir": (ffi.get_cmake_dir, "the directory of the CMake package, for -Dfastgrad_DIR="),
    "pkgconfig-dir": (ffi.get_pkgconfig_dir, "the directory of fastgrad.pc, for PKG_CONFIG_PATH"),
}
EXAMPLE = "example:\n  cc -O3 $(python -m fastgrad config --cflags) main.c $(python -m fastgrad config --libs)"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"fastgrad: config: {message}", file=sys.stderr)
        self.exit(2)


def main(arguments: Sequence[str]) -> int:
    """Print an answer per option; 0, or SystemExit with 2 and one line on stderr for a wrong one."""
    raw = argparse.RawDescriptionHelpFormatter  # the example stays on its line
    description = "Where the C headers are."
    parser = _Parser(prog="fastgrad config", description=description, epilog=EXAMPLE, formatter_class=raw)
    for name, (_, says) in ANSWERS.items():
        parser.add_argument(f"--{name}", dest="asked", action="append_const", const=name, help=says)
    asked = parser.parse_args(arguments).asked
    if not asked:
        parser.error(f"give one of --{', --'.join(ANSWERS)}")
    for name in asked:
        print(ANSWERS[name][0]())
    return 0

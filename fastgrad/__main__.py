"""``fastgrad`` and ``python -m fastgrad``."""

import sys


def main() -> None:
    """Run the command line; without the extra ``cli`` one line on stderr and exit code 2."""
    if sys.argv[1:2] == ["config"]:
        from fastgrad.config import main as config

        sys.exit(config(sys.argv[2:]))
    try:
        import click  # noqa: F401 - only whether it is there
        import rich  # noqa: F401 - only whether it is there
    except ImportError as error:
        print(f"fastgrad: the commands need {error.name}: pip install 'fastgrad[cli]'", file=sys.stderr)
        sys.exit(2)
    try:
        from fastgrad.cli import commands

        commands()
    except KeyboardInterrupt:  # while modules were loaded, or once more after the first
        print("fastgrad: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

"""The asv suite, the studies, and the command that prints the tables of README.md and docs/; none is installed."""

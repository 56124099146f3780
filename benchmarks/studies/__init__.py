"""What is run once a release, and printed into docs/: ``python -m benchmarks.studies.NAME``."""

"""What papers and lessons report on vanishing gradients, and what our theory predicts, measured again here."""

# Design: - Data sets are what comes in wheels (digits, 5,000 MNIST images), so accuracies are compared as orders and
#           differences, and only what does not depend on the data set is compared as it is.

from benchmarks.studies.reproduction.findings import Curve, Finding, Reproduction
from benchmarks.studies.reproduction.registry import EXPERIMENTS, reproduce

__all__ = ["EXPERIMENTS", "Curve", "Finding", "Reproduction", "reproduce"]

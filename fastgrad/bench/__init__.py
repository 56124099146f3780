"""Speed side by side with peers and with the machine's own limits, measured in one run."""

from fastgrad.bench.activations import quick_speed, speed_activations

__all__ = ["quick_speed", "speed_activations"]

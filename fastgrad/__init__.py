"""fastgrad measures how gradients vanish in deep networks, exactly and fast, on plain CPUs."""

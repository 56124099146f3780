"""Every float32 through every kernel, ours and those of others: ``fastgrad audit``."""

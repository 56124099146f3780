"""Training: optimisers, the loop over the epochs, what watches it, and what says and mends what is wrong."""

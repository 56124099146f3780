"""Training: optimisers, the loop over the epochs, the gradient monitor, trends of the loss, and repair."""

"""Speed side by side with peers and with the machine's own limits, measured in one run."""

"""What is run once a release for the tables of docs/: no benchmarks, though asv imports them.

asv does so beside old commits of the package too, so what they need of it is imported when it is used.
"""

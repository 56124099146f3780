"""``fastgrad gate``: is this revision slower, less accurate, or are its gradients other ones than before?"""

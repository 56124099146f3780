"""``fastgrad gate``: is a revision slower or less accurate than another, or do its gradients decay differently?"""

"""Desired against observed, decided: pure functions from a project and a snapshot to a plan.

`up` and `down` are the two ends; `images`, `resources` (networks, volumes) and `containers` are the parts of `up`;
`lifecycle` is start and restart, from labels alone; `order` is the order of stopping.
"""

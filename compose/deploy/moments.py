"""Times of log lines, RFC 3339 with as many digits as they need: whether one has been shown before."""


def position(moment: str) -> str:
    """``moment`` as something that can be compared with others of the same place."""
    seconds, _, fraction = moment.rstrip("Z").partition(".")
    return f"{seconds}.{fraction.ljust(9, '0')}"

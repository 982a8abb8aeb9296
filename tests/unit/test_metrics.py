"""Metrics: what is counted, and Prometheus' text format."""

from __future__ import annotations

import pytest

from pycompose.engine.api.metrics import family, histogram, operations
from pycompose.engine.meters import Histogram, Meters, Operations


def test_operations() -> None:
    counted = Operations()
    with counted.measured():
        assert counted.active == 1
    with pytest.raises(KeyError), counted.measured():
        raise KeyError
    assert (counted.active, counted.succeeded, counted.failed) == (0, 1, 1) and counted.seconds > 0
    text = "".join(operations("pull", "Pulls", counted))
    assert 'pycompose_pulls_total{result="success"} 1\npycompose_pulls_total{result="failure"} 1\n' in text
    assert "# TYPE pycompose_pulls_active gauge\npycompose_pulls_active 0\n" in text


def test_histogram() -> None:
    values = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 3.0):
        values.observe(seconds)
    assert "".join(histogram("x_seconds", "X.", values)) == (
        "# HELP x_seconds X.\n# TYPE x_seconds histogram\n"
        'x_seconds_bucket{le="0.1"} 2\nx_seconds_bucket{le="1"} 3\nx_seconds_bucket{le="+Inf"} 4\n'
        "x_seconds_sum 3.65\nx_seconds_count 4\n"
    )


def test_labels_are_quoted() -> None:
    (_, line) = family("x", "gauge", "a\nb", [("", {"l": 'a"b\\c\nd'}, 1.5)])
    assert line == 'x{l="a\\"b\\\\c\\nd"} 1.5\n'


def test_requests() -> None:
    meters = Meters()
    meters.answered("GET", 200, 0.01)
    meters.answered("GET", 200, None)
    assert meters.requests == {("GET", 200): 2} and sum(meters.request_seconds.counts) == 1

"""The graph's geometry: lines keep away from boxes, whatever the graph; and what the SVG shows."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from support.composing import make_project

from pycompose.compose.screens.graph.layout import COLUMNS, Box, Edge, Node, Picture, arrange, levels
from pycompose.compose.screens.graph.svg import Drawn, draw


def _inside(box: Box, x: float, y: float) -> bool:
    return box.x < x < box.x + box.width and box.y < y < box.y + box.height


def _crossed(picture: Picture) -> list[tuple[str, Edge]]:
    """Boxes that a line goes through, by sampling; curves in a channel stay between its rows, as straight lines do."""
    found = []
    for route in picture.routes:
        for (x1, y1), (x2, y2) in zip(route.points, route.points[1:], strict=False):
            for step in range(51):
                x, y = x1 + (x2 - x1) * step / 50, y1 + (y2 - y1) * step / 50
                found += [(box.key, route.edge) for box in picture.boxes if _inside(box, x, y)]
    return found


@st.composite
def graphs(draw_one: st.DrawFn) -> tuple[list[Node], list[Edge]]:
    count = draw_one(st.integers(1, 14))
    nodes = [Node(f"s{index}", 190, draw_one(st.sampled_from([52.0, 84.0, 132.0]))) for index in range(count)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    chosen = draw_one(st.lists(pairs, max_size=25, unique=True)) if count > 1 else []
    return nodes, [Edge(f"s{low}", f"s{high}", "healthy") for low, high in chosen]


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_no_line_goes_through_a_box(graph: tuple[list[Node], list[Edge]]) -> None:
    nodes, edges = graph
    picture = arrange(nodes, edges)
    assert _crossed(picture) == []
    assert len(picture.routes) == len(edges)
    for one in picture.boxes:
        assert one.x >= 0 and one.x + one.width <= picture.width and one.y + one.height <= picture.height
        assert not [other for other in picture.boxes if other != one and _overlap(one, other)]


def _overlap(one: Box, other: Box) -> bool:
    aside = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (aside or one.y + one.height <= other.y or other.y + other.height <= one.y)


def test_levels_and_rows() -> None:
    edges = [Edge("db", "web"), Edge("web", "proxy"), Edge("db", "proxy")]
    assert levels(["proxy", "web", "db"], edges) == {"db": 0, "web": 1, "proxy": 2}
    # Two that wait for each other: a stranger's labels may say so.
    assert sorted(levels(["a", "b"], [Edge("a", "b"), Edge("b", "a")]).values()) == [0, 1]
    many = arrange([Node(f"s{index}", 190, 52) for index in range(100)], [])
    assert len({box.y for box in many.boxes}) == -(-100 // COLUMNS)
    crowd = [Node("db", 190, 52), *(Node(f"s{index}", 190, 52) for index in range(60))]
    assert _crossed(arrange(crowd, [Edge("db", f"s{index}") for index in range(60)])) == []


def test_the_picture_says_whose_volume_it_is_and_what_failed() -> None:
    services = [
        Drawn("db", "failed", "exited, exit code 3", (), ("demo_default",), ("demo_data",)),
        Drawn("<web>", "running", "running", ("8080:80",), ("demo_default",)),
    ]
    text = draw("a & b", services, [Edge("db", "<web>", "healthy", required=False)])
    root = ElementTree.fromstring(text)
    said = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    words = "".join(root.itertext())
    assert "network demo_default: db, <web>" in said
    assert "volume demo_data" in words and "volume demo_data:" not in words
    fills = [one.get("fill") for one in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert fills == ["#fff", "#f8c9c4", "#d7f5dd"]


def test_graph_draws_a_failed_service_in_another_colour() -> None:
    from pycompose.compose.cli.show.drawing import draw as picture
    from pycompose.compose.plan.observe import ObservedContainer

    project = make_project({"job": {}, "ok": {}})
    rows = [
        ObservedContainer("1", "demo-job-1", "job", 1, state="exited", exit_code=3),
        ObservedContainer("2", "demo-ok-1", "ok", 1, state="exited", exit_code=0),
    ]
    svg = picture(project, ["job", "ok"], rows, "svg")
    assert "exit code 3" in svg and svg.count("#f8c9c4") == 1 and svg.count('"#e8e8e8"') == 1
    assert "class s_job failed" in picture(project, ["job", "ok"], rows, "mermaid")

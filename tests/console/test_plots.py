"""Plots are drawn from numbers alone, with gaps, and with nothing where there is too little to draw."""

from xml.etree import ElementTree as ET

from services.console.plots import Curve, Mark, plot, scale


def test_a_gap_in_the_days_is_a_gap_in_the_line() -> None:
    blocks = ["2013-03-01", "2013-03-02", "2013-03-03", "2013-03-04"]
    svg = plot(blocks, [Curve("good", [1.0, 2.0, None, 4.0])], str, "<a> & b", [Mark("2013-03-02", "back")])
    (path,) = [one for one in ET.fromstring(svg).iter() if one.tag == "path"]
    assert path.get("d", "").count("M") == 2
    assert ET.fromstring(svg).get("aria-label") == "<a> & b"
    assert svg.count('class="mark back"') == 1


def test_a_day_or_nothing_is_no_plot() -> None:
    assert plot(["2013-03-01"], [Curve("good", [1.0])], str, "") == ""
    assert plot(["2013-03-01", "2013-03-02"], [Curve("good", [None, None])], str, "") == ""


def test_a_scale_holds_its_values_in_round_steps() -> None:
    for low, high in ((0, 0), (0, 1), (-3, 17), (0, 69_378), (-0.004, 0.001)):
        first, last, step = scale(low, high)
        assert first <= low <= high <= last
        assert 1 <= (last - first) / step <= 10

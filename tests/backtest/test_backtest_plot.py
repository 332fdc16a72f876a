"""The picture of a comparison, and what requests cost."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import MI, past
from PIL import Image

from reconciler.backtest.compare import Comparison, Row
from reconciler.backtest.drawing import COLOURS, Dot, Line, Words, svg
from reconciler.backtest.measures import Measures, ground
from reconciler.backtest.plot import picture
from reconciler.backtest.telling import currency_of, rows_of
from reconciler.cli import ended
from reconciler.model import Price
from reconciler.report import schemas

SVG = "{http://www.w3.org/2000/svg}"


def measures(slack: float, bad: float, changes: float = 1.0) -> Measures:
    return Measures(100, slack, slack, bad / 100, 0.5, bad, changes, changes, changes, 12.345)


def found(*rows: tuple[str, float, float, float]) -> Comparison:
    """Name, slack, overruns and changes; the others are also drawn at the slack of the first."""
    as_they_are = tuple(Row(name, (1.0, 1.0), measures(*numbers)) for name, *numbers in rows)
    first = as_they_are[0].measures
    scaled = tuple(
        Row(row.policy, (1.5, 1.5), measures(first.memory_slack, row.measures.cpu_minutes / 2))
        for row in as_they_are[1:]
    )
    return Comparison((), as_they_are, scaled)


THREE = found(("auto", 0.5, 2, 0.5), ("vpa", 0.4, 5, 4), ("krr", 0.45, 3, 2))


def dots(drawn: Comparison) -> list[Dot]:
    """Of the memory's half, without those that only explain sizes."""
    shapes = picture(drawn).shapes
    return [one for one in shapes if isinstance(one, Dot) and one.x < 500 and one.y < 400]


def words(drawn: Comparison) -> list[str]:
    return [one.text for one in picture(drawn).shapes if isinstance(one, Words)]


def test_less_slack_is_left_and_fewer_overruns_are_low() -> None:
    by = {one.told.partition(":")[0]: one for one in dots(THREE) if not one.hollow}
    assert by["vpa"].x < by["krr"].x < by["auto"].x
    assert by["vpa"].y < by["krr"].y < by["auto"].y  # downwards
    assert by["vpa"].radius == pytest.approx(by["auto"].radius * math.sqrt(4 / 0.5), rel=0.01)


def test_what_is_scaled_is_hollow_and_joined_to_what_it_was() -> None:
    auto = next(one for one in dots(THREE) if one.told.startswith("auto"))
    hollow = [one for one in dots(THREE) if one.hollow]
    assert len(hollow) == 2
    assert {round(one.x, 6) for one in hollow} == {round(auto.x, 6)}
    lines = [one for one in picture(THREE).shapes if isinstance(one, Line)]
    for one in hollow:
        was = next(dot for dot in dots(THREE) if not dot.hollow and dot.colour == one.colour)
        assert any((line.x1, line.y1, line.x2, line.y2) == (was.x, was.y, one.x, one.y) for line in lines)


def test_everybody_is_named_once_a_panel() -> None:
    for name in ("auto", "vpa", "krr"):
        assert words(THREE).count(name) == 2


def test_who_lies_at_one_place_is_named_together() -> None:
    assert words(found(("auto", 0.5, 2, 1), ("one", 0.4, 5, 1), ("two", 0.4, 5, 1))).count("one, two") == 2


def test_who_is_far_off_is_at_the_edge_with_the_number() -> None:
    drawn = found(("auto", 0.5, 2, 1), ("vpa", 0.4, 5, 1), ("wild", -1.2, 300, 1))
    assert "wild (-120 %, 300 %)" in words(drawn)
    for dot in dots(drawn):
        assert 64 <= dot.x <= 456
        assert 64 <= dot.y <= 356


def boxes(drawn: Comparison) -> list[tuple[float, float, float, float]]:
    shapes = [one for one in picture(drawn).shapes if isinstance(one, Words) and one.colour in POLICIES]
    return [(one.x, one.y - 12, one.x + len(one.text) * 6.5, one.y + 3) for one in shapes]


POLICIES = set(COLOURS) - {"ink", "faint", "grid"}


def test_names_do_not_cover_each_other() -> None:
    crowd = [(f"policy-{at}", 0.5 + at / 300, 2 + at / 30, 1.0) for at in range(6)]
    every = boxes(found(*crowd))
    for at, one in enumerate(every):
        for other in every[at + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart, (one, other)


@given(st.lists(st.tuples(st.floats(-3, 1), st.floats(0, 100), st.floats(0, 7)), min_size=1, max_size=9))
def test_any_comparison_can_be_drawn(rows: Sequence[tuple[float, float, float]]) -> None:
    drawn = svg(picture(found(*((f"p{at}", *row) for at, row in enumerate(rows)))))
    assert "nan" not in drawn
    assert "inf" not in drawn
    for circle in ElementTree.fromstring(drawn).iter(f"{SVG}circle"):
        assert -20 <= float(circle.attrib["cx"]) <= 980
        assert -20 <= float(circle.attrib["cy"]) <= 460


def test_names_are_text_and_nothing_else() -> None:
    name = "</text><script>alert(1)</script>&\"'\u202e\n"
    root = ElementTree.fromstring(svg(picture(found((name, 0.5, 2, 1)))))
    assert {one.tag.removeprefix(SVG) for one in root.iter()} == {
        "svg", "title", "style", "line", "circle", "text"
    }  # fmt: skip
    assert "</text><script>alert(1)</script>&\"'" in [one.text for one in root.iter(f"{SVG}text")]


def contrast(one: str, other: str) -> float:
    """As WCAG has it."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", sorted(POLICIES | {"ink", "faint"}))
def test_words_can_be_read_in_light_and_in_dark(name: str) -> None:
    colour = COLOURS[name]
    assert contrast(colour.light, "#ffffff") >= 4.5
    assert contrast(colour.dark, "#0d1117") >= 4.5
    for background in ("#ffffff", "#0d1117"):
        assert contrast(colour.both, background) >= 2.7


def test_the_picture_changes_with_the_readers_colours() -> None:
    style = re.search(r"<style>(.*)</style>", svg(picture(THREE)))
    assert style is not None
    light, dark = style[1].split("@media(prefers-color-scheme:dark)")
    for name in ("ink", "blue", "orange"):
        assert f".{name}{{fill:{COLOURS[name].light}}}" in light
        assert f".{name}{{fill:{COLOURS[name].dark}}}" in dark


# ------------------------------------------------------------------------------------ the command


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = ended(["backtest", *words])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECONCILE_CONFIG", raising=False)


@pytest.fixture
def series(tmp_path: Path) -> str:
    """One pod that always uses 0.1 cores and, all but its daily peak, 200 MiB."""
    history = past(memory=[400 * MI] * 32, cpu=0.1)
    path = tmp_path / "series.csv"
    rows = [
        f"{time},shop,web,web-1,app,{cpu},{memory}"
        for time, cpu, memory in zip(history.time, history.cpu, history.memory, strict=True)
    ]
    head = "timestamp,namespace,workload,pod,container,cpu_cores,memory_bytes"
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def test_a_plot_is_written_in_both_ways(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "--series", series, "--plot", "it.svg")[0] == 0
    assert ElementTree.parse("it.svg").getroot().tag == f"{SVG}svg"
    assert ran(capsys, "--series", series, "--plot", "it.png")[0] == 0
    image = Image.open(io.BytesIO(Path("it.png").read_bytes()))
    assert image.size == (1920, 880)
    colours = {colour for _, colour in image.getcolors(1 << 20) or []}
    assert tuple(bytes.fromhex(COLOURS["blue"].light[1:])) in colours


def test_the_same_series_gives_the_same_plot(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one.svg", "two.svg"):
        ran(capsys, "--series", series, "--plot", name)
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()


def test_what_can_not_be_drawn_is_told_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = ran(capsys, "--series", "absent.csv", "--plot", "it.pdf")
    assert (code, "name a file that ends in .svg or .png" in err) == (2, True)
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, err = ran(capsys, "--series", "absent.csv", "--plot", "it.png")
    assert (code, "install reconciler[png], or name a file that ends in .svg" in err) == (2, True)


def test_a_plot_that_can_not_be_written_is_told(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(capsys, "--series", series, "--plot", "nowhere/it.svg")
    assert (code, "--plot nowhere/it.svg can't be written" in err) == (2, True)


def test_a_cost_is_what_the_requests_in_force_cost_a_month(
    series: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reconcile.yaml").write_text(
        "apiVersion: reconciler/v1\nrepositories: [{url: https://git.example/shop}]\n"
        "prices: [{currency: EUR, cpuHour: 0.1, gibHour: 0.01}]\n"
    )
    code, out, err = ran(
        capsys, "--series", series, "-o", "json", "--policy", "krr-simple", "--policy", "vpa"
    )
    assert code == 0, err
    told = json.loads(out)
    jsonschema.validate(told, schemas.backtest())
    krr, vpa, scaled = told["rows"]
    assert krr["currency"] == "EUR"
    assert krr["cost_a_month"] == round(730 * (0.1 * 0.1 + 460 / 1024 * 0.01), 2)
    cpu, memory = (730 * (price * share) for price, share in ((0.1, 0.1), (0.01, 460 / 1024)))
    assert scaled["cost_a_month"] == pytest.approx(cpu + memory, abs=0.02)
    assert scaled["cpu_slack"] == pytest.approx(krr["cpu_slack"])
    assert [price["source"] for price in told["prices"]] == ["prices[0] of the settings"]
    assert vpa["cost_a_month"] != scaled["cost_a_month"]


def test_assumed_prices_are_said_to_be_such(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = ran(capsys, "--series", series)
    assert "a core and hour" in out
    assert "(public-cloud list prices, assumed)" in out
    assert "$" in out


def test_several_currencies_are_not_added_up() -> None:
    prices = {"a": Price("USD", 1, 1, "x"), "b": Price("EUR", 1, 1, "x")}
    assert currency_of(prices) is None
    assert {row["cost_a_month"] for row in rows_of(THREE, None)} == {None}
    assert {row["cost_a_month"] for row in rows_of(THREE, "USD")} == {12.35}


def test_the_schema_refuses_what_nobody_promised(series: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(ran(capsys, "--series", series, "-o", "json")[1])
    jsonschema.validate(told, schemas.backtest())
    assert json.loads(capsys_of(capsys, "schema", "backtest")) == schemas.backtest()
    for row in told["rows"]:
        row["more"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, schemas.backtest())


def capsys_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert ended(words) == 0
    return capsys.readouterr().out


def test_pods_that_run_side_by_side_cost_as_many_times() -> None:
    one = past(memory=[MI] * 2)
    doubled = {name: np.repeat(getattr(one, name), 2) for name in ("time", "cpu", "memory")}
    two = replace(one, **doubled, pod=np.tile([0, 1], len(one.time)))
    price = Price("USD", 1_000_000, 2_000_000, "x")
    assert ground(one, one.days, price).core.tolist() == [1, 1]
    assert ground(two, two.days, price).core.tolist() == [2, 2]
    assert ground(two, two.days, price).byte.tolist() == [4 / 2**30] * 2

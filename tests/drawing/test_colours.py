from __future__ import annotations

import math

import pytest

from unrolled.drawing.colours import MAPS, NOTHING, SERIES, Map, colour, ends, ink, place


def luminance(code: str) -> float:
    channels = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("kind", MAPS)
def test_a_map_ends_at_its_anchors_and_is_grey_where_nothing_is(kind: Map) -> None:
    assert colour(0.0, kind) == MAPS[kind][0]
    assert colour(1.0, kind) == MAPS[kind][-1]
    assert colour(math.nan, kind) == NOTHING


def test_the_sequential_map_can_be_read_by_lightness_alone() -> None:
    lights = [luminance(colour(step / 100)) for step in range(101)]
    assert lights == sorted(lights, reverse=True)


def test_the_diverging_map_is_lightest_in_the_middle_and_darkens_to_both_sides() -> None:
    lights = [luminance(colour(step / 100, "diverging")) for step in range(101)]
    assert lights[:51] == sorted(lights[:51])
    assert lights[50:] == sorted(lights[50:], reverse=True)


@pytest.mark.parametrize("kind", MAPS)
def test_text_can_be_read_on_every_colour(kind: Map) -> None:
    for step in range(101):
        background = colour(step / 100, kind)
        assert contrast(ink(background), background) >= 4.5  # WCAG 2.1, level AA


def test_series_differ_from_one_another() -> None:
    assert len(set(SERIES)) == len(SERIES)


@pytest.mark.parametrize(("value", "expected"), [(-1, 0), (0, 0), (1, 0.25), (4, 1), (9, 1)])
def test_place_holds_values_beyond_the_ends(value: float, expected: float) -> None:
    assert place(value, 0, 4) == expected


def test_place_without_a_range_and_without_a_number() -> None:
    assert place(3.0, 3.0, 3.0) == 0.0
    assert math.isnan(place(math.nan, 0, 1))


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("sequential", None, None, (-1, 4)),
        ("diverging", None, None, (-4, 4)),
        ("diverging", -2, None, (-2, 4)),
        ("sequential", 0, 10, (0, 10)),
    ],
)
def test_ends_are_the_datas_own_unless_given(
    kind: Map, low: float | None, high: float | None, expected: tuple[float, float]
) -> None:
    assert ends([-1.0, 4.0, math.nan, math.inf], kind, low, high) == expected


def test_ends_are_never_the_same() -> None:
    assert ends([2.0, 2.0]) == (2, 3)
    assert ends([math.nan], "diverging") == (0, 1)

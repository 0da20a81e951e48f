from __future__ import annotations

import builtins
import io
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")

import matplotlib

from unrolled.drawing.colours import INK
from unrolled.drawing.figure import _power, check_target, draw_on, svg
from unrolled.errors import UserError


def draw_line(path: Any, label: str = "label") -> None:
    with draw_on(path, [label], 2, 1) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.plot([0, 1], [0, 1])
        axes.set_xlabel(label)


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_the_same_data_gives_the_same_bytes_whatever_the_users_settings(tmp_path: Path, ending: str) -> None:
    draw_line(tmp_path / f"one{ending}")
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 20, "svg.hashsalt": "other"}):
        draw_line(tmp_path / f"two{ending}")
    one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")


def test_drawing_leaves_matplotlibs_settings_alone(tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 17.0}):
        draw_line(tmp_path / "one.png")
        assert matplotlib.rcParams["font.size"] == 17.0


@pytest.mark.parametrize("name", ["a.jpg", "a.pdf", "a"])
def test_another_ending_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"\.png, \.svg") as caught:
        draw_line(tmp_path / name)
    assert name in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        check_target(tmp_path / "nowhere" / "a.png")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match=r"unrolled\[drawing\]"):
        check_target(tmp_path / "a.png")


def test_dollar_signs_are_no_formula(tmp_path: Path) -> None:
    buffer = io.StringIO()
    draw_line(buffer, "$5 and $6")
    assert "$5 and $6" in buffer.getvalue()


def test_inline_svg_is_an_element_with_the_pages_ink() -> None:
    text = svg(draw_line, label="été 漢"[:3])
    assert text.startswith("<svg")
    assert "été" in text
    assert INK not in text
    assert "currentColor" in text


@pytest.mark.parametrize(
    ("value", "text"), [(1e-6, "10⁻⁶"), (1e12, "10¹²"), (100, "100"), (1, "1"), (0.01, "0.01"), (30, "30")]
)
def test_powers_of_ten_in_plain_characters(value: float, text: str) -> None:
    assert _power(value) == text

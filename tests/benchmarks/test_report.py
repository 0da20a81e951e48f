from __future__ import annotations

from benchmarks.report import Goal, Report, merge, worst


def report(measured: float) -> Report:
    return Report([Goal("work", "× peer", measured, 2)], ["row", "ms"], [["a", f"{measured}"]], ["a note"])


def test_a_goal_is_met_by_its_bound_or_by_the_machine() -> None:
    assert Goal("w", "g", 2.0, 2).met
    assert not Goal("w", "g", 1.9, 2).met
    assert Goal("w", "g", 1.9, 2, peak_share=0.9).met
    assert Goal("w", "ms", 20, 20, at_most=True).met
    assert not Goal("w", "ms", 21, 20, at_most=True).met


def test_the_worst_row_is_one_that_the_machine_does_not_excuse() -> None:
    (goal,) = worst("w", "g", [("at the limit", 0.5, 0.95), ("slow", 0.8, 0.4), ("fast", 3.0, 0.4)], 1)
    assert (goal.where, goal.met) == ("slow", False)
    assert worst("w", "g", [], 1) == []


def test_a_partial_run_replaces_its_own_section_alone() -> None:
    order = ["First", "Second"]
    both = merge("", {"Second": (report(3), "machine A"), "First": (report(1), "machine A")}, order)
    again = merge(both, {"First": (report(2.5), "machine B")}, order)
    assert both.index("## First") < both.index("## Second")
    assert "| First | work | × peer | ≥ 2 | 1.00 | **short** |" in both
    assert "| First | work | × peer | ≥ 2 | 2.50 | pass |" in again
    assert "**short**" not in again
    assert again.count("| Second | work |") == 1
    assert "machine B" in again[again.index("## First") : again.index("## Second")]
    assert again[again.index("## Second") :] == both[both.index("## Second") :]
    assert merge(again, {}, order) == again

"""What a benchmark found, as Markdown; a run of some subjects replaces their parts of the file alone."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.peer import ROOT
from unrolled import kernels


@dataclass(frozen=True)
class Goal:
    """A goal beside what was measured, in the goal's own unit.

    ``peak_share``, where there is one, answers a ratio too: 0.9 of what the machine can do is enough.
    """

    work: str
    goal: str
    measured: float
    bound: float
    at_most: bool = False
    peak_share: float | None = None
    digits: int = 2
    where: str = ""

    @property
    def met(self) -> bool:
        within = self.measured <= self.bound if self.at_most else self.measured >= self.bound
        return within or (self.peak_share is not None and self.peak_share >= 0.9)

    def row(self) -> str:
        sign = "≤" if self.at_most else "≥"
        measured = f"{self.measured:.{self.digits}f}"
        if self.peak_share is not None:
            measured += f" (at {self.peak_share:.2f} of peak)"
        measured += self.where and f", {self.where}"
        verdict = "pass" if self.met else "**short**"
        return f"| {self.work} | {self.goal} | {sign} {self.bound:g} | {measured} | {verdict} |"


def worst(work: str, goal: str, rows: Sequence[tuple[str, float, float | None]], bound: float) -> list[Goal]:
    """The goal of many rows, each ``(where, measured, share of peak)``: the one that is furthest from it."""
    goals = [
        Goal(work, goal, measured, bound, peak_share=share, where=where) for where, measured, share in rows
    ]
    return [min(goals, key=lambda each: (each.met, each.measured))] if goals else []


@dataclass(frozen=True)
class Report:
    """One subject's findings.

    Attributes:
        goals: each beside what was measured.
        columns, rows: the table of everything that was measured.
        notes: what could not run, and why; what a reader must know.
    """

    goals: list[Goal]
    columns: Sequence[str]
    rows: list[Sequence[str]]
    notes: list[str] = field(default_factory=list)

    def table(self) -> str:
        return "\n".join(map(_line, [self.columns, ["---"] * len(self.columns), *self.rows]))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def milliseconds(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def commit(root: Path = ROOT) -> str:
    """``, commit 5e3b237 with changes``: of what is measured; nothing outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    try:
        head = git("rev-parse", "--short", "HEAD")
        # Results of the subjects before are no change of what is measured.
        changes = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/RESULTS*.md")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f", commit {head}{' with changes' if changes else ''}"


def machine(threads: int, peers: Sequence[str]) -> str:
    """When, at which commit, processor, threads, versions: one line."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        name = found[1].strip()
    ours = f"unrolled {version('unrolled')} ({kernels.describe()['instruction_set']})"
    versions = ", ".join([ours, f"torch {torch.__version__}", f"Python {platform.python_version()}", *peers])
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}{commit()}; {name}, {os.cpu_count()} cores, {threads} threads; {versions}."


HEAD = """# Benchmarks

Written by `python -m benchmarks` (`make bench`). Every contender takes its turn in each round, on the same
data, weights and threads; a figure is the median over rounds, a ratio the median of the rounds' ratios. "Of
peak" is arithmetic counted from the shapes, without padding, over the best float32 matrix product (torch's or
ours) of the same rounds, whose median is among the notes of sections measured from commit fb85ade on. Numbers
are compared with the reference before they are timed, except where a note says that a peer computes something
else. A ratio is also met at 0.9 of peak. `git log COMMIT.. -- native src benchmarks` says what has changed
since a section was measured. Notes that begin with "By hand" were written into the file later.

"""
_GOALS = ["work", "goal", "bound", "measured", ""]
_SECTION = re.compile(r"^## (.*)\n", re.MULTILINE)


def merge(old: str, reports: dict[str, tuple[Report, str]], order: Sequence[str]) -> str:
    """The file, the sections of ``reports`` (title → findings, machine) in the place of their old ones."""
    parts = _SECTION.split(old)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    goals = _goals_by_section(sections.pop("Goals", ""))
    for title, (report, described) in reports.items():
        notes = "".join(f"- {note}\n" for note in report.notes)
        sections[title] = f"{described}\n\n{report.table()}\n\n{notes}"
        goals[title] = "".join(f"| {title} {goal.row()}\n" for goal in report.goals)
    titles = [title for title in order if title in sections]
    table = "\n".join(map(_line, (["subject", *_GOALS], ["---"] * (len(_GOALS) + 1))))
    body = f"## Goals\n\n{table}\n" + "".join(goals.get(title, "") for title in titles) + "\n"
    body += "".join(f"## {title}\n\n{sections[title].strip()}\n\n" for title in titles)
    return HEAD + body.rstrip("\n") + "\n"


def _goals_by_section(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        title = line.split("|")[1].strip() if line.startswith("|") else ""
        if title and title not in ("subject", "---"):
            found[title] = found.get(title, "") + line + "\n"
    return found

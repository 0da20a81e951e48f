"""Training the Multi30k translator at the sizes of JoeyNMT's configuration: the same batches, and our own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from benchmarks import peer, translator
from benchmarks.measure import OURS, Contender, Times, by_turns, check, difference, limit, reference, timed
from benchmarks.options import Options
from benchmarks.report import Goal, Report
from benchmarks.translator import JOEYNMT, Training
from unrolled.models import EncoderDecoder
from unrolled.tasks.translate import Translate
from unrolled.tasks.writing import Batch
from unrolled.text import IdStore

BATCHES, PAIRS, BUCKETS = 3, 64, 12
BUCKETED = "ours, own bucketing"
QUERY = "decoder.cell.attentional.attention.query_weight"
"""A fresh query moves all energies of a sentence almost alike, which the softmax does not see: what is left
of its gradient is a thousandth of the keys', and torch's own float32 comes no nearer to it than 2e-4."""


def run(options: Options) -> Report:
    task, settings = translator.prepared()
    model = translator.build(task)
    same = _same(task)
    plan = task.plan(seed=0, epoch=0)
    own = [cast("Batch", plan[index]) for index in range(BUCKETS)]
    work = {OURS: same, BUCKETED: own}
    gflop = {name: translator.training_gflop(model, batches) for name, batches in work.items()}
    per_token = {name: gflop[name] / _tokens(batches) for name, batches in work.items()}
    notes = [
        f"{sum(p.numel() for p in model.parameters()):,} weights",
        f"{BATCHES} batches of {PAIRS} pairs drawn at random, {gflop[OURS] / BATCHES:.1f}"
        f" GFLOP an update without padding; own bucketing: {BUCKETS} batches of an epoch,"
        f" {_tokens(own) / BUCKETS:.0f} target tokens on average",
    ]
    loss, gradients = _check(task, model, same[0])

    def contender(batches: Sequence[Batch]) -> Contender:
        training = Training(task, translator.build(task), settings)
        return _each_token(timed(lambda: [training.update(batch) for batch in batches], least=0), batches)

    contenders = {name: contender(batches) for name, batches in work.items()}
    sources = [translator.rows(batch.source, batch.source_lengths) for batch in same]
    targets = [translator.rows(batch.target, batch.target_lengths) for batch in same]
    try:
        with translator.joeynmt(task, model, sources=sources, targets=targets) as joey:
            check("JoeyNMT's loss", abs(joey.answer["loss"] / loss - 1), 1e-5)
            for what, gradient in gradients.items():
                found = peer.read_array(joey.folder, f"grad_{what}", gradient.shape)
                check(f"JoeyNMT's gradient of the {what}", difference(found, gradient), 1e-5)
            times = by_turns({**contenders, JOEYNMT: _each_token(joey.process.turn, same)}, options.rounds)
    except peer.PeerError as error:
        notes.append(f"{JOEYNMT} did not run: {error}")
        times = by_turns(contenders, options.rounds)
    notes += limit([times])
    rows = [_columns(name, times, per_token) for name in times.rounds]
    return Report(
        _goals(times, per_token), ["contender", "target tokens/s", "× JoeyNMT", "of peak"], rows, notes
    )


def _same(task: Translate) -> list[Batch]:
    """Batches as JoeyNMT draws them: so many pairs, whatever their lengths."""
    source, target = (IdStore.open(task.folder / "cache" / f"train.{side}") for side in ("source", "target"))
    drawn = np.random.default_rng(0).choice(len(source), BATCHES * PAIRS, replace=False)
    return [task.batch(source.rows(rows), target.rows(rows)) for rows in drawn.reshape(BATCHES, PAIRS)]


def _check(task: Translate, model: EncoderDecoder, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients without dropout, beside the reference in float64; its loss, and its gradients that
    JoeyNMT tells too."""

    def gradients(model: EncoderDecoder) -> tuple[float, list[Tensor]]:
        total = task.loss(model.eval(), batch).total
        own = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return total.item(), list(torch.autograd.grad(total, own))

    loss, ours = gradients(model)
    with reference():
        expected, theirs = gradients(copy.deepcopy(model).double())
    check("our loss", abs(loss / expected - 1), 1e-5)
    own = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    of = dict(zip(own, theirs, strict=True))
    for name, found in zip(own, ours, strict=True):
        check(f"our gradient of {name}", difference(found, of[name]), 1e-3 if name == QUERY else 1e-5)
    told = {"vectors": "encoder.embedding.weight", "projection": "decoder.readout.projection.weight"}
    return expected, {what: of[name] for what, name in told.items()}


def _tokens(batches: Sequence[Batch]) -> int:
    return sum(batch.count for batch in batches)


def _each_token(turn: Contender, batches: Sequence[Batch]) -> Contender:
    """Seconds a target token: what batches of different sizes can be compared by."""
    return lambda: turn() / _tokens(batches)


def _columns(name: str, times: Times, per_token: dict[str, float]) -> list[str]:
    beside = f"{times.ratio(JOEYNMT, name):.2f}" if JOEYNMT in times.rounds and name != JOEYNMT else ""
    share = f"{times.share(per_token[name], name):.2f}" if name in per_token else ""
    return [name, f"{1 / times.seconds(name):,.0f}", beside, share]


def _goals(times: Times, per_token: dict[str, float]) -> list[Goal]:
    goals = []
    for name, work, bound in ((OURS, "same batches", 3), (BUCKETED, "own bucketing", 4)):
        share = times.share(per_token[name], name)
        goals.append(Goal(work, "of peak", share, 0.6))
        if JOEYNMT in times.rounds:
            goals.append(
                Goal(work, "× JoeyNMT's tokens/s", times.ratio(JOEYNMT, name), bound, peak_share=share)
            )
    return goals

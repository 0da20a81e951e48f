from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from unrolled import kernels
from unrolled.errors import RunError, UserError
from unrolled.runs import Recipe, RunFolder, checkpoint, load
from unrolled.runs.weights import read_tensors
from unrolled.training import Interrupted, train
from unrolled.training.trainer import Trainer

Fit = Callable[..., Path]
HERE = Path(__file__).parent


def final(run: Path) -> dict[str, torch.Tensor]:
    """Everything a finished run ends with: its last checkpoint and its best weights."""
    saved = checkpoint.latest(run / "state")
    assert saved
    return {**saved.tensors, **{f"model {n}": t for n, t in read_tensors(run / "model.safetensors").items()}}


def assert_same(run: Path, expected: Path, why: object = "") -> None:
    mine, theirs = final(run), final(expected)
    assert mine.keys() == theirs.keys(), why
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), (name, why)
    assert timeless(run) == timeless(expected), why
    assert (run / "scores.json").read_text() == (expected / "scores.json").read_text(), why


def timeless(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


def test_training_learns_and_leaves_a_run(fit: Fit) -> None:
    run = fit("a", "training.updates=300", "model.dropout=0.0")
    folder = RunFolder(run)
    losses = [line["loss"] for line in timeless(run) if "loss" in line]
    assert losses[-1] < 0.2 * losses[0]
    scores = folder.read_scores()
    assert scores["update"] == 300
    assert set(scores["dev"]) == {"loss", "negative"}
    assert scores["dev"]["loss"]["value"] == min(
        line["dev"]["loss"] for line in timeless(run) if "dev" in line
    )
    line = timeless(run)[0]
    assert {"update", "epoch", "loss", "gradient_norm", "learning_rate", "clipped"} <= line.keys()
    assert next(iter(load(run).predict(["1 0 0"]))).text


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(fit: Fit) -> None:
    assert_same(fit("a"), fit("b"))
    assert not torch.equal(
        final(fit("c", seed=7))["weights.outside.bias"], final(fit("a"))["weights.outside.bias"]
    )


def test_training_leaves_the_callers_torch_as_it_was(fit: Fit) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fit("a", threads=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[1:]


SETTINGS = {
    "plain": [],
    "sgd": ["training.optimizer=sgd", "training.momentum=0.9", "training.schedule=plateau"],
    "accumulate": ["training.accumulate=2", "training.schedule=cosine", "training.warmup=3"],
    "ema": ["training.averaging=ema", "training.validate_every=7 updates"],
    "checkpoints": ["training.averaging=checkpoints", "training.average_last=2"],
    "sgd-average": ["training.averaging=sgd-average", "training.average_trigger=1", "training.optimizer=sgd"],
    "float64": ["training.precision=float64", "training.optimizer=adamw", "training.schedule=inverse-sqrt"],
    "never validated": ["training.validate_every=0"],
    "patience": ["training.patience=1", "training.learning_rate=0.5"],
}
LANGUAGE_MODEL = (
    'task = "language-model"\n[data]\ntrain = "text.txt"\ndev = "text.txt"\n[model]\nembedding_size = 4\n'
    "hidden_size = 4\n[training]\nupdates = 1\ncolumns = 2\nwindow = 5\ntensorboard = false\n"
)


class Stop(BaseException):
    """Ends a training as abruptly as a kill, but in the same process."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_training_stopped_at_any_update_and_resumed_is_the_same_bit_for_bit(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings = [
        *SETTINGS[name],
        "training.updates=16",
        "training.checkpoint_updates=3",
        "training.log_every=2",
    ]
    whole = fit("whole", *settings)
    step = Trainer._step
    for stop in range(1, 17, 3):

        def stopping(self: Trainer, group: object, stop: int = stop) -> None:
            if self.update == stop:
                raise Stop
            step(self, group)  # type: ignore[arg-type]

        monkeypatch.setattr(Trainer, "_step", stopping)
        with suppress(Stop):
            fit(f"stopped{stop}", *settings)
        monkeypatch.setattr(Trainer, "_step", step)
        assert_same(fit(f"stopped{stop}", *settings), whole, f"stopped before update {stop + 1}")


def test_a_failure_at_any_write_loses_nothing(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends at the n-th call that makes a write durable or visible, for every n there is."""
    settings = ["training.updates=4", "training.checkpoint_updates=2", "training.validate_every=3 updates"]
    whole = fit("whole", *settings)
    real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
    for number in range(1, 1000):
        left = [number]

        def failing(name: str, left: list[int] = left) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] == 0:
                    raise Stop
                return real[name](*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, failing(name))
            try:
                fit(f"failed{number}", *settings)
                break
            except Stop:
                pass
        assert_same(fit(f"failed{number}", *settings), whole, f"failed at write {number}")
    assert number > 20


def test_a_finished_run_does_nothing(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = fit("a")
    before = {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name not in ("lock", "recipe.toml")
    }
    monkeypatch.setattr(Trainer, "fit", None)
    fit("a")
    assert f"{run}: finished after 30 updates; nothing to do" in capsys.readouterr().err
    after = {
        path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name not in ("lock", "recipe.toml")
    }
    assert after.keys() == before.keys()
    assert not [path for path in after if path.is_file() and after[path] != before[path]]


def test_a_finished_run_goes_on_when_given_more_updates_as_if_it_never_ended(fit: Fit) -> None:
    whole = fit("whole", "training.updates=30")
    fit("more", "training.updates=12")
    assert_same(fit("more", "training.updates=30"), whole)
    assert Recipe.read(RunFolder(whole).recipe).training.updates == 30


def test_a_changed_recipe_is_refused_by_the_keys_name(fit: Fit) -> None:
    fit("a")
    with pytest.raises(UserError, match=r"a: model.hidden was 4 when this run began and is 5 now"):
        fit("a", "model.hidden=5")
    with pytest.raises(UserError, match=r"training.seed was 1 .* is 3 now"):
        fit("a", seed=3)


def test_a_run_that_never_began_may_change(fit: Fit) -> None:
    with pytest.raises(UserError, match=r"data.txt:7: is bad"):
        fit("a", "data.noise=99", "text.source.kind=word")
    run = fit("a", "text.source.kind=bpe", "model.hidden=5")
    assert "bpe" in (run / "tokenizer.toy.json").read_text()


def test_other_threads_or_kernels_need_to_be_allowed(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    fit("a", "training.updates=2", threads=1)
    with pytest.raises(
        UserError, match=r"trained with threads 1, now it is 2.*--threads 1, or --allow-inexact"
    ):
        fit("a", "training.updates=4", threads=2)
    monkeypatch.setattr(kernels, "describe", lambda: {"path": "other", "instruction_set": None})
    with pytest.raises(UserError, match=r"trained with kernels .*, now it is other"):
        fit("a", "training.updates=4", threads=1)
    fit("a", "training.updates=4", threads=2, allow_inexact=True)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    fit: Fit, capsys: pytest.CaptureFixture
) -> None:
    more = ["training.updates=30", "training.checkpoint_updates=5"]
    whole = fit("whole", *more)
    run = fit("a", "training.updates=20", "training.checkpoint_updates=5")
    path = run / "state" / "00000020" / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    fit("a", *more)
    told = capsys.readouterr().err
    assert (
        f"{path}: damaged: its checksum differs from the recorded one; going on from the one before" in told
    )
    assert_same(run, whole)


def test_training_without_validation_keeps_the_last_weights(fit: Fit) -> None:
    assert (fit("b", "training.validate_every=0", "training.updates=3") / "model.safetensors").exists()


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_a_schedule_that_has_reached_zero_is_not_gone_on_with(
    fit: Fit, capsys: pytest.CaptureFixture[str], schedule: str
) -> None:
    how = (f"training.schedule={schedule}", "training.warmup=1")
    run = fit("a", "training.updates=4", *how)
    with pytest.raises(UserError, match=rf"its {schedule} .* 0 at update 4, .*start_from = '{run}'"):
        fit("a", "training.updates=8", *how)
    assert "updates = 4" in (run / "recipe.toml").read_text()
    fit("a", "training.updates=4", *how)
    assert "on from there" not in capsys.readouterr().err
    early = (*how, "training.updates=6", "training.schedule_updates=4")
    assert fit("c", *early) == fit("c", *early)  # finished; what was asked for from the beginning
    low = (*how, "training.minimum_learning_rate=0.0001")
    fit("b", "training.updates=4", *low)
    assert RunFolder(fit("b", "training.updates=8", *low)).read_scores()["update"] == 8


def test_lost_state_is_an_error_never_a_fresh_start(fit: Fit) -> None:
    run = fit("a", "training.updates=4", "training.checkpoint_updates=2")
    for path in (run / "state").glob("*/state.json"):
        path.write_text("{}")
    with pytest.raises(RunError, match=r"no usable checkpoint .*state.json: damaged"):
        fit("a", "training.updates=8", "training.checkpoint_updates=2")
    for path in (run / "state").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    with pytest.raises(RunError, match=r"state: missing, but this run was trained before"):
        fit("a", "training.updates=8", "training.checkpoint_updates=2")


def test_a_loss_that_is_no_number_is_an_error_that_keeps_the_last_checkpoint(
    fit: Fit, tmp_path: Path
) -> None:
    with pytest.raises(
        RunError, match=r"the loss is inf at update 11 .*; the checkpoint of update 8 is kept: lower"
    ):
        fit("a", "model.explode_at=2", "training.checkpoint_updates=4")
    saved = checkpoint.latest(tmp_path / "a" / "state")
    assert saved
    assert saved.step == 8


def test_starting_from_another_runs_weights_takes_its_tokenizers(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit("first", "text.source.kind=bpe")
    second = fit("second", f"training.start_from={first}", "training.learning_rate=1e-12")
    mine, theirs = read_tensors(second / "model.safetensors"), read_tensors(first / "model.safetensors")
    torch.testing.assert_close(mine["outside.weight"], theirs["outside.weight"])
    assert "bpe" in (second / "tokenizer.toy.json").read_text()
    with pytest.raises(UserError, match=r"nowhere: no such run folder"):
        fit("third", f"training.start_from={tmp_path / 'nowhere'}")
    monkeypatch.setenv("RUNS", str(tmp_path))
    assert (fit("fifth", "training.start_from=$RUNS/first", "training.updates=1") / "scores.json").exists()
    with pytest.raises(
        UserError, match=r"model.safetensors: 'inside.weight' has shape \(4, 3\), in this model"
    ):
        fit("fourth", f"training.start_from={first}", "model.hidden=5")


def test_two_trainings_cannot_share_a_folder(fit: Fit, tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "a").lock(),
        pytest.raises(RunError, match="another training is writing to this run"),
    ):
        fit("a")
    fit("a")


def test_bfloat16_needs_a_gpu(fit: Fit) -> None:
    with pytest.raises(UserError, match=r"training.precision: bfloat16 needs a GPU"):
        fit("a", "training.precision=bfloat16")


def test_a_recipe_object_trains_too(recipe: Path, tmp_path: Path) -> None:
    own = Recipe.read(recipe, ["training.updates=2"])
    train(own, tmp_path / "a", progress=False)
    with pytest.raises(ValueError, match="overrides apply to a recipe that is read"):
        train(own, tmp_path / "b", overrides=["training.updates=2"])


def test_the_run_goes_to_runs_by_the_recipes_name(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(recipe, overrides=["training.updates=2"], progress=False)
    assert RunFolder("runs/toy").exists


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_update_and_saves(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    whole = fit("whole")
    step = Trainer._step

    def signalled(self: Trainer, group: object) -> None:
        if self.update == 6:
            os.kill(os.getpid(), number)
        step(self, group)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_step", signalled)
    # Whoever runs the tests under nohup ignores SIGHUP, and so would the training.
    own = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(
            Interrupted, match=r"a: interrupted; update 7 is saved, and the same command"
        ) as caught:
            fit("a")
    finally:
        signal.signal(number, own)
    assert caught.value.exit_code == 128 + number
    assert "interrupted: saving after this step" in capsys.readouterr().err
    monkeypatch.setattr(Trainer, "_step", step)
    assert_same(fit("a"), whole)


def test_a_signal_at_the_end_is_not_lost(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["training.updates=7", "training.validate_every=5 updates"]
    whole = fit("whole", *settings)
    step, validate = Trainer._step, Trainer._validate

    def last_step(self: Trainer, group: object) -> None:
        if self.update == 6:
            os.kill(os.getpid(), signal.SIGINT)
        step(self, group)  # type: ignore[arg-type]

    def last_validation(self: Trainer, log: object, epoch: int) -> None:
        if self.update == 7:
            os.kill(os.getpid(), signal.SIGINT)
        validate(self, log, epoch)  # type: ignore[arg-type]

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a script starts with &
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", last_step)
        with pytest.raises(Interrupted, match="update 7 is saved"):
            fit("a", *settings)
        patch.setattr(Trainer, "_validate", last_validation)
        with pytest.raises(KeyboardInterrupt):
            fit("a", *settings)
    assert_same(fit("a", *settings), whole)


def test_scores_of_the_weights_before_do_not_outlast_them(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fit("a", "training.updates=4")
    assert (run / "scores.json").exists()
    step = Trainer._step

    def stopping(self: Trainer, group: object) -> None:
        if self.update == 6:
            raise Stop
        step(self, group)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_step", stopping)
    with pytest.raises(Stop):
        fit("a", "training.updates=8")
    assert not (run / "scores.json").exists()


def test_data_that_changed_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("the cat sat\na dog ran\n" * 10)
    recipe = tmp_path / "lm.toml"
    recipe.write_text(LANGUAGE_MODEL)
    for more in ("", "", "birds sing\n"):
        with open(tmp_path / "text.txt", "a") as file:
            file.write(more)
        capsys.readouterr()
        train(recipe, tmp_path / "run", progress=False, threads=1)
        told = f"{tmp_path / 'text.txt'}: changed since {tmp_path / 'run'} was prepared"
        assert (told in capsys.readouterr().err) == bool(more)


def test_data_that_are_prepared_again_must_be_those_that_were_trained_on(tmp_path: Path) -> None:
    source, run, recipe = tmp_path / "text.txt", tmp_path / "run", tmp_path / "lm.toml"
    text = "the cat sat\na dog ran\n" * 10
    source.write_text(text)
    recipe.write_text(LANGUAGE_MODEL)

    def go_on(folder: Path, updates: int, **options: bool) -> None:
        more = [f"training.updates={updates}"]
        train(recipe, folder, overrides=more, progress=False, threads=1, **options)  # type: ignore[arg-type]

    go_on(run, 3)
    go_on(tmp_path / "whole", 6)
    source.write_text(text.replace("cat", "dog"))
    shutil.rmtree(run / "cache")
    for _ in range(2):
        with pytest.raises(UserError, match=r"run: its training data were prepared again, and are not those"):
            go_on(run, 6)
    shutil.copytree(run, tmp_path / "other")
    go_on(tmp_path / "other", 6, allow_inexact=True)
    source.write_text(text)
    tokenizer = run / "tokenizer.text.json"
    tokenizer.rename(tmp_path / "away")
    with pytest.raises(UserError, match=r"tokenizer\.text\.json: no such tokenizer file: put it back, or"):
        go_on(run, 6)
    (tmp_path / "away").rename(tokenizer)
    go_on(run, 6)
    assert_same(run, tmp_path / "whole")


def test_a_finished_run_needs_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("the cat sat\na dog ran\n" * 10)
    (tmp_path / "lm.toml").write_text(LANGUAGE_MODEL)
    train(tmp_path / "lm.toml", tmp_path / "run", progress=False)
    (tmp_path / "text.txt").unlink()
    shutil.rmtree(tmp_path / "run" / "cache")
    train(tmp_path / "lm.toml", tmp_path / "run", progress=False)
    told = capsys.readouterr().err
    assert "text.txt: no such file (evaluating needs the data, using the run does not)" in told
    assert "nothing to do (a larger training.updates goes on from there)" in told
    (tmp_path / "text.txt").write_text("the cat sat\na dog ran\n" * 10)
    found = train(tmp_path / "lm.toml", tmp_path / "run", progress=False)
    assert found.task.evaluate(found.models, "dev"), "prepared again, as was advised"


def test_what_stopped_for_want_of_patience_goes_on_with_more_of_it(
    fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ("training.learning_rate=0.5", "training.validate_every=1 updates", "training.schedule=cosine")
    run = fit("a", "training.patience=1", *how)
    stopped = RunFolder(run).read_scores()["update"]
    assert stopped < 30
    fit("a", "training.patience=1", *how)
    assert "nothing to do (a larger training.patience goes on from there)" in capsys.readouterr().err
    fit("a", "training.patience=30", *how)
    assert RunFolder(run).read_scores()["update"] > stopped


def test_what_a_killed_training_left_half_written_is_removed(fit: Fit, tmp_path: Path) -> None:
    left, other = (tmp_path / "a" / f".{name}.x1.tmp" for name in ("model.safetensors", "scores.json"))
    fit("a", "training.updates=1")
    for updates in (2, 2):  # of a run that goes on, and of one that is finished
        left.write_bytes(b"half")
        other.write_bytes(b"an evaluation's, which may be under way")
        fit("a", f"training.updates={updates}")
        assert (left.exists(), other.exists()) == (False, True)


def test_the_program_is_told_of_a_signal_in_one_line(recipe: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(HERE / "toy.py"),
        str(recipe),
        str(tmp_path / "a"),
        "training.updates=1000000",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "a" / "log.jsonl").exists():
            time.sleep(0.05)
            assert process.poll() is None
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    noted, told = error.splitlines()
    assert noted.startswith("interrupted: saving after this step")
    assert "interrupted; update" in told


@pytest.mark.parametrize("runs", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_training_killed_at_random_moments_is_the_same_bit_for_bit(
    fit: Fit, recipe: Path, tmp_path: Path, runs: int
) -> None:
    settings = ["training.updates=60", "training.checkpoint_updates=7", "training.averaging=ema"]
    whole = fit("whole", *settings)
    seed = time.time_ns() % 10**6
    command = [sys.executable, HERE / "kill.py", recipe, tmp_path, str(runs), "4", str(seed), *settings]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"seed {seed}: {answer.stderr}"
    # How many kills meet a training under way depends on what else the machine does.
    assert int(answer.stdout) >= runs, f"seed {seed}: killed {answer.stdout} times"
    for number in range(runs + 1):
        assert_same(tmp_path / f"killed{number}", whole, f"seed {seed}, run {number}")


def test_a_recipe_of_another_task_is_told_by_its_task(fit: Fit, recipe: Path, tmp_path: Path) -> None:
    run = fit("a", "training.updates=2")
    (tmp_path / "pairs.tsv").write_text("a\tb\nc\td\n")
    other = tmp_path / "other.toml"
    other.write_text(
        'task = "translate"\n[data]\ntrain = "pairs.tsv"\ndev = "pairs.tsv"\n[training]\nupdates = 1'
    )
    with pytest.raises(UserError, match="begun for task 'toy', and this recipe is for 'translate'"):
        train(other, run, progress=False)


@pytest.mark.parametrize("damage", [None, b"half"])
def test_the_weights_of_a_finished_run_are_written_again(fit: Fit, damage: bytes | None) -> None:
    run = fit("a", "training.validate_every=10 updates")
    weights = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()
    if damage is not None:
        (run / "model.safetensors").write_bytes(damage)
    fit("a", "training.validate_every=10 updates")
    assert (run / "model.safetensors").read_bytes() == weights


def test_a_finished_run_is_left_alone_under_other_threads(
    fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    fit("a")
    fit("a", threads=2)
    assert "nothing to do" in capsys.readouterr().err
    fit("b", "training.updates=3")
    with pytest.raises(UserError, match="threads"):
        fit("b", threads=2)

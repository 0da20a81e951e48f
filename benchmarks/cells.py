"""Training steps of the recurrent cells: forward, and the gradients of inputs and weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks import peer
from benchmarks.measure import OURS, Contender, Times, by_turns, check, difference, limit, timed
from benchmarks.options import Options
from benchmarks.report import Goal, Report, milliseconds, worst
from benchmarks.user_cell import eager_loop
from unrolled.nn import cells, loop
from unrolled.nn.torch_form import torch_weights
from unrolled.nn.unroll import unroll

Shape = tuple[int, int, int, int]
"""(time, batch, input, hidden)"""
SHAPES: tuple[Shape, ...] = (
    (35, 20, 200, 200),
    (35, 20, 650, 650),
    (50, 64, 128, 128),
    (100, 32, 256, 256),
    (50, 64, 512, 512),
    (25, 128, 256, 256),
)
TOLERANCE = 1e-5
"""Of output and of each gradient, ours and the peers', against the reference in float64."""
ONE_SEQUENCE: Shape = (200, 1, 128, 128)
RAGGED: tuple[Shape, ...] = ((50, 64, 128, 128), (100, 32, 256, 256), (50, 64, 512, 512))

CELLS: dict[str, tuple[Callable[[int, int], cells.GatedCell], type[nn.RNNBase], bool]] = {
    "RNN": (cells.RNN, nn.RNN, True),
    "GRU before": (lambda i, h: cells.GRU(i, h, reset="before"), nn.GRU, False),
    "GRU after": (lambda i, h: cells.GRU(i, h, reset="after"), nn.GRU, True),
    "GRU none": (lambda i, h: cells.GRU(i, h, reset="none"), nn.GRU, False),
    "LSTM": (cells.LSTM, nn.LSTM, True),
    "LSTM peepholes": (lambda i, h: cells.LSTM(i, h, peepholes="current"), nn.LSTM, False),
}
"""Name → our cell, torch's layer of the kind, and whether that computes the same."""

TORCH, LOOP, COMPILED, JAX, KERAS, ONEDNN = (
    "torch.nn",
    "eager loop",
    "compiled loop",
    "JAX scan",
    "Keras",
    "oneDNN",
)
PEERS = (TORCH, LOOP, COMPILED, JAX, KERAS, ONEDNN)
NOT_OFFERED = {
    TORCH: "knows one form of GRU and of LSTM; the others are measured against that, numbers not compared",
    KERAS: "has neither a GRU without reset gate nor peepholes",
    ONEDNN: "has no GRU without reset gate",
}


@dataclass(frozen=True)
class Row:
    cell: str
    shape: Shape
    ragged: bool
    times: Times
    gflop: float
    """Arithmetic of the real steps."""
    error: float
    """Largest ‖Δ‖/‖reference‖ of output and gradients."""

    @property
    def name(self) -> str:
        return _name(self.cell, self.shape, self.ragged)

    @property
    def share(self) -> float:
        return self.times.share(self.gflop)

    def against(self, *peers: str) -> tuple[str, float, float]:
        """The fastest of the peers there are: for :func:`~benchmarks.report.worst`."""
        ratios = [self.times.ratio(each) for each in self.times.peers if not peers or each in peers]
        return self.name, min(ratios), self.share


def run(options: Options) -> Report:
    notes = [f"{who} {what}" for who, what in NOT_OFFERED.items()]
    notes.append(f"the {LOOP} projects all inputs before it, in one product")
    with ExitStack() as stack:
        others = _others(stack, notes)
        rows = [
            _row(cell, shape, ragged, {} if ragged else others, options.rounds, notes)
            for ragged, shapes in ((False, (*SHAPES, ONE_SEQUENCE)), (True, RAGGED))
            for shape in shapes
            for cell in CELLS
            if options.wants(_name(cell, shape, ragged))
        ]
    notes += limit(row.times for row in rows)
    columns = ["T×B×I×H", "cell", "ours, ms", "of peak", *(f"{each}, ms (ratio)" for each in PEERS), "error"]
    return Report(_goals(rows), columns, [_columns(row) for row in rows], list(dict.fromkeys(notes)))


def _others(stack: ExitStack, notes: list[str]) -> dict[str, peer.Peer]:
    """The peers in processes of their own that can run."""
    cores = f"--xla_cpu_multi_thread_eigen={str(torch.get_num_threads() > 1).lower()}"
    jax = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": cores}
    make: dict[str, Callable[[], peer.Peer]] = {
        COMPILED: lambda: peer.python(
            "compiled_cells", TORCHINDUCTOR_CACHE_DIR=str(peer.ROOT / "build" / "inductor")
        ),
        JAX: lambda: peer.python("jax_cells", **jax),
        KERAS: lambda: peer.python("keras_cells", KERAS_BACKEND="jax", **jax),
        # Its build's threads come from Intel's OpenCL runtime, which is installed with it.
        ONEDNN: lambda: peer.Peer(
            [peer.compiled("onednn")],
            {"OCL_ICD_FILENAMES": str(peer.ENVIRONMENT / "lib" / "libintelocl.so"), "ONEDNN_VERBOSE": "none"},
        ),
    }
    found = {}
    for name, start in make.items():
        try:
            found[name] = stack.enter_context(start())
        except peer.PeerError as error:
            notes.append(f"{name} did not run: {error}")
    return found


def _row(
    name: str, shape: Shape, ragged: bool, others: dict[str, peer.Peer], rounds: int, notes: list[str]
) -> Row:
    torch.manual_seed(0)
    steps, batch, input_size, hidden_size = shape
    ours, torch_kind, same = CELLS[name]
    cell, layer = ours(input_size, hidden_size), torch_kind(input_size, hidden_size)
    if same:
        with torch.no_grad():
            for parameter, value in zip(layer.parameters(), torch_weights(cell), strict=True):
                parameter.copy_(value)
    inputs = torch.randn(steps, batch, input_size, requires_grad=True)
    lengths = torch.randint(1, steps + 1, (batch,)) if ragged else None
    weight = torch.randn(steps, batch, hidden_size)

    def step(output: Tensor, module: nn.Module) -> list[Tensor]:
        """The output, and the gradients of the inputs and of the weights."""
        own = (inputs, *module.parameters())
        for tensor in own:
            tensor.grad = None
        output.backward(weight)
        return [output.detach(), *(tensor.grad for tensor in own)]

    def run_torch() -> list[Tensor]:
        if lengths is None:
            return step(layer(inputs)[0], layer)
        packed = layer(pack_padded_sequence(inputs, lengths, enforce_sorted=False))[0]
        return step(pad_packed_sequence(packed, total_length=steps)[0], layer)

    def run_loop() -> list[Tensor]:
        return step(eager_loop(cell, inputs), cell)

    expected, error = _reference(cell, inputs, lengths, weight)
    label = _name(name, shape, ragged)

    def compare(who: str, found: Iterable[Tensor]) -> None:
        for (what, reference), each in zip(expected.items(), found, strict=True):
            check(f"{label}, {who}, {what}", difference(each, reference), TOLERANCE)

    def lost(who: str, reason: Exception) -> None:
        if not isinstance(reason, peer.PeerError):
            raise reason
        del others[who]  # it could run, and has ended
        notes.append(f"{who} did not run {label} and what follows: {reason}")

    check(f"{label}, ours", error, TOLERANCE)
    contenders: dict[str, Contender] = {
        OURS: timed(lambda: step(unroll(cell, inputs, lengths=lengths).output, cell)),
        TORCH: timed(run_torch),
    }
    if same:
        output, of_inputs, *of_weights = run_torch()
        compare(TORCH, (output, of_inputs, *_from_torch(cell, of_weights)))
    if not ragged:
        compare(LOOP, run_loop())
        contenders[LOOP] = timed(run_loop)
    with tempfile.TemporaryDirectory() as folder:
        if others:
            _write(Path(folder), name, cell, inputs, weight)
        for who, process in others.items():
            sizes = dict(zip(("steps", "batch", "input", "hidden"), shape, strict=True))
            try:
                process.prepare(folder=folder, cell=name, **sizes)
            except peer.PeerError as reason:
                if "not offered" not in str(reason):
                    notes.append(f"{who} did not run {label}: {reason}")
                continue
            for what, reference in _as_told(who, name, expected).items():
                found = peer.read_array(Path(folder), what, reference.shape)
                (Path(folder) / f"{what}.f32").unlink()  # it must not pass for the next one's
                check(f"{label}, {who}, {what}", difference(found, reference), TOLERANCE)
            contenders[who] = process.turn
        times = by_turns(contenders, rounds, lost)
    real = steps * batch if lengths is None else int(lengths.sum())
    gflop = 6e-9 * real * len(cell.gates) * hidden_size * (input_size + hidden_size)
    peer.warn(f"{label}: {milliseconds(times.seconds())} ms")
    return Row(name, shape, ragged, times, gflop, error)


def _reference(
    cell: cells.GatedCell, inputs: Tensor, lengths: Tensor | None, weight: Tensor
) -> tuple[dict[str, Tensor], float]:
    """Output and gradients by the reference in float64, and how far ours in float32 are from them."""
    found = []
    for path, dtype in ((unroll, torch.float32), (loop.unroll, torch.float64)):
        cell.to(dtype)
        x = inputs.detach().to(dtype).requires_grad_()
        output = path(cell, x, cell.initial_state(x.shape[1], like=x), lengths=lengths).output
        gradients = torch.autograd.grad(output, (x, *cell.parameters()), weight.to(dtype))
        found.append([output.detach(), *gradients])
    cell.float()
    error = max(difference(a, b) for a, b in zip(*found, strict=True))
    names = ["output", "grad_inputs", *(f"grad_{name}" for name, _ in cell.named_parameters())]
    return dict(zip(names, found[1], strict=True)), error


def _from_torch(cell: cells.GatedCell, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    """The gradients of our weights, of those of torch's, which are made from ours."""
    made = [(w, g) for w, g in zip(torch_weights(cell), gradients, strict=True) if w.requires_grad]
    weights, gradients = zip(*made, strict=True)
    return torch.autograd.grad(weights, tuple(cell.parameters()), gradients)


def _write(folder: Path, name: str, cell: cells.GatedCell, inputs: Tensor, weight: Tensor) -> None:
    """Data and weights for the peers: in our layout, and in the one that Keras and oneDNN share."""
    peer.write_arrays(folder, inputs=inputs, grad_output=weight, **dict(cell.named_parameters()))
    bias = onednn = keras = _gates(name, cell.bias)
    if name == "GRU after":
        second = cell.recurrent_bias.detach()
        onednn = torch.cat((bias, second))
        keras = torch.stack((bias, F.pad(second, (2 * cell.hidden_size, 0))))
    peer.write_arrays(
        folder,
        weight_layer=_shared(name, cell.input_weight),
        weight_iter=_shared(name, cell.recurrent_weight),
        bias_onednn=onednn,
        bias_keras=keras,
    )


def _as_told(who: str, name: str, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a peer writes, by the name of its file."""
    if who not in (KERAS, ONEDNN):
        return expected
    return {
        "output": expected["output"],
        "grad_inputs": expected["grad_inputs"],
        "grad_weight_layer": _shared(name, expected["grad_input_weight"]),
        "grad_weight_iter": _shared(name, expected["grad_recurrent_weight"]),
    }


def _shared(name: str, weight: Tensor) -> Tensor:
    """A matrix, or its gradient, as Keras and oneDNN have it: ``(inputs, gates·hidden)``."""
    return _gates(name, weight).t()


def _gates(name: str, value: Tensor) -> Tensor:
    """Rows in their order: a GRU's update gate first, and the complement of ours."""
    value = value.detach()
    if name not in ("GRU before", "GRU after"):
        return value
    reset, update, candidate = value.chunk(3)
    return torch.cat((-update, reset, candidate))


def _text(shape: Shape, ragged: bool = False) -> str:
    return "×".join(map(str, shape)) + (" ragged" if ragged else "")


def _name(cell: str, shape: Shape, ragged: bool) -> str:
    return f"{_text(shape, ragged)} {cell}"


def _columns(row: Row) -> Sequence[str]:
    times = row.times
    peers = [
        f"{milliseconds(times.seconds(each))} ({times.ratio(each):.2f}×)" if each in times.rounds else ""
        for each in PEERS
    ]
    shape = _text(row.shape, row.ragged)
    return [shape, row.cell, milliseconds(times.seconds()), f"{row.share:.2f}", *peers, f"{row.error:.0e}"]


def _goals(rows: Sequence[Row]) -> list[Goal]:
    full = [row for row in rows if not row.ragged and row.shape != ONE_SEQUENCE]
    one = [row for row in rows if row.shape == ONE_SEQUENCE]

    def kind(found: Sequence[Row], name: str) -> list[Row]:
        return [row for row in found if row.cell.startswith(name)]

    return [
        *worst("H ≥ 256", "of peak", [(r.name, r.share, None) for r in full if r.shape[3] >= 256], 0.8),
        *worst("H < 256", "of peak", [(r.name, r.share, None) for r in full if r.shape[3] < 256], 0.6),
        *worst("every row", "× the fastest peer", [r.against() for r in full + one], 1.0),
        *worst("GRU, every row", "× torch.nn.GRU", [r.against(TORCH) for r in kind(full, "GRU")], 1.6),
        *worst("RNN, every row", "× torch.nn.RNN", [r.against(TORCH) for r in kind(full, "RNN")], 1.4),
        *worst("every row", "× the eager loop", [r.against(LOOP) for r in full], 2.5),
        *worst("200×1×128×128", "× torch.nn.GRU", [r.against(TORCH) for r in kind(one, "GRU")], 10),
        *worst("200×1×128×128", "× torch.nn.RNN", [r.against(TORCH) for r in kind(one, "RNN")], 10),
        *worst("200×1×128×128", "× torch.nn.LSTM", [r.against(TORCH) for r in kind(one, "LSTM")], 1.5),
        *worst("ragged", "× torch.nn, packed", [r.against(TORCH) for r in rows if r.ragged], 2),
    ]

from __future__ import annotations

import pytest
import torch

from unrolled import kernels
from unrolled.kernels.calls import FORMS

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

TIME, BATCH, INPUT, HIDDEN = 3, 4, 2, 5


@pytest.mark.parametrize("lengths", [None, [3, 0, 1, 3]], ids=["full", "ragged"])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_operators_keep_torchs_rules(form: str, lengths: list[int] | None) -> None:
    torch.manual_seed(0)
    f = FORMS[form]

    def maybe(there: bool, *shape: int) -> torch.Tensor | None:
        return torch.randn(shape) if there else None

    lstm = f.kernel == "lstm"
    inputs, hidden, cell = (
        torch.randn(TIME, BATCH, INPUT),
        torch.randn(BATCH, HIDDEN),
        maybe(lstm, BATCH, HIDDEN),
    )
    weights = torch.randn(f.gates * HIDDEN, INPUT), torch.randn(f.gates * HIDDEN, HIDDEN)
    bias, recurrent_bias = torch.randn(f.gates * HIDDEN), maybe(f.reset_after, HIDDEN)
    peephole = maybe(lstm and f.variant > 0, 3, HIDDEN)
    rows = None if lengths is None else torch.tensor(lengths)
    state = inputs, hidden, cell, *weights
    forward = torch.ops.unrolled.recurrence.default
    given = (*state, bias, recurrent_bias, peephole, None, rows, form, False, True)
    # What the kernel makes of rows past their length is not defined, so two calls may differ there.
    rules = ("test_schema", "test_faketensor")
    torch.library.opcheck(forward, given, test_utils=rules)
    output, *_, gates, cells, seen, inner, packed = forward(*given)
    kept = output, gates, cells, seen, inner, packed
    grads = torch.randn_like(output), torch.randn_like(hidden), maybe(lstm, BATCH, HIDDEN)
    torch.library.opcheck(
        torch.ops.unrolled.recurrence_backward.default,
        (*grads, *state, peephole, None, rows, *kept, form, False, True, True),
        test_utils=rules,
    )

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unrolled import kernels
from unrolled.decoding import Sampling, beam_search, sample
from unrolled.decoding.greedy import greedy
from unrolled.decoding.sampling import Drawing, stream
from unrolled.errors import RunError, UserError
from unrolled.kernels.step import MOST, Program, Source
from unrolled.kernels.top import top
from unrolled.models import decoder as decoder_module
from unrolled.models import language_model as language_module
from unrolled.models import program as program_module
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.ensemble import Ensemble
from unrolled.models.language_model import LanguageModel
from unrolled.models.language_settings import LanguageModelSettings
from unrolled.models.program import Packed, Packings, compile_step
from unrolled.models.settings import EncoderDecoderSettings

pytestmark = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")

VOCABULARY = 203
CELLS = {
    "rnn": ("rnn", {"nonlinearity": "relu"}),
    "gru before": ("gru", {}),
    "gru after": ("gru", {"reset": "after"}),
    "gru none": ("gru", {"reset": "none"}),
    "lstm": ("lstm", {}),
    "peephole": ("lstm", {"peepholes": "current"}),
    "previous": ("lstm", {"peepholes": "previous", "output": "identity"}),
}


def make(cell="gru before", **options):
    torch.manual_seed(3)
    kind, cell_options = CELLS[cell]
    settings = {"embedding_size": 10, "hidden_size": 22, "cell": kind, "cell_options": cell_options}
    model = EncoderDecoder(EncoderDecoderSettings(**{**settings, **options}), VOCABULARY, VOCABULARY)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.decoder.embedding._clear_padding()
    return model.eval()


def source(batch=3, longest=6):
    lengths = torch.randint(1, longest + 1, (batch,))
    lengths[0] = longest
    return torch.randint(4, VOCABULARY, (longest, batch)), lengths


def follow(model, rows, k):
    """Both ways through some steps, with hypotheses that are copied and given up."""
    state = other = model.start(source(rows))
    assert state.program is not None
    tokens = torch.full((rows,), 2)
    for choice in ([0, 0, 1, 2, 2, 2], [5, 3, 0], [0, 1]):
        state, log_probs, ids = model.step_top(state, tokens, k)
        other, everything = model.step(other, tokens)
        expected, _ = top(everything, k)
        torch.testing.assert_close(log_probs, expected, rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(everything.gather(1, ids), expected, rtol=1e-5, atol=2e-5)
        assert all(len(set(row)) == len(row) for row in ids.tolist())
        for mine, theirs in zip(state.cell, other.cell, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-5)
        chosen = torch.tensor(choice).clamp(max=len(tokens) - 1)
        state, other = model.select(state, chosen), model.select(other, chosen)
        tokens = ids[chosen, -1]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
@torch.inference_mode()
def test_is_step_and_choice(attention, cell, layers):
    score = {"bahdanau": "additive", "luong": "general", "none": "general"}[attention]
    follow(make(cell, attention=attention, score=score, decoder_layers=layers), 3, 5)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "luong", "score": "dot"},
        {"attention": "luong", "score": "additive", "input_feeding": False, "attention_size": 9},
        {"attention": "bahdanau", "score": "general", "tie": "all"},
        {"attention": "none", "readout_size": 7},
    ],
)
@pytest.mark.parametrize(("rows", "k"), [(1, 1), (13, 7), (6, VOCABULARY + 1)])
@torch.inference_mode()
def test_is_step_and_choice_of_any_form_and_size(options, rows, k):
    follow(make(**options), rows, min(k, MOST))


@torch.inference_mode()
def test_two_threads_are_one():
    model = make(attention="bahdanau", score="additive")
    state, tokens = model.start(source(5)), torch.full((5,), 2, dtype=torch.int32)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        _, log_probs, ids = model.step_top(state, tokens, 9)
        found.append((log_probs, ids))
    torch.set_num_threads(before)
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-6, atol=1e-6)
    assert (found[0][1] == found[1][1]).all()


@torch.inference_mode()
def test_equal_words_go_to_the_lower_id():
    model = make(attention="none")
    projection = model.decoder.readout.projection
    projection.weight.zero_()
    projection.bias.zero_()
    projection.bias[[7, 90, 150]] = 1.0
    _, log_probs, ids = model.step_top(model.start(source(2)), torch.full((2,), 2), 6)
    assert ids.tolist() == [[7, 90, 150, 0, 1, 2]] * 2
    torch.testing.assert_close(
        log_probs.exp().sum(1) + (VOCABULARY - 6) * log_probs[:, -1].exp(), torch.ones(2)
    )


@torch.inference_mode()
def test_says_where_numbers_are_none():
    model = make(attention="none")
    model.decoder.readout.projection.bias[11] = torch.nan
    _, log_probs, ids = model.step_top(model.start(source(2)), torch.full((2,), 2), 3)
    assert log_probs.isnan().all()
    assert ((ids >= 0) & (ids < VOCABULARY)).all()


@pytest.mark.parametrize("beam", [1, 4])
def test_search_finds_the_same(beam, monkeypatch):
    model = make(attention="bahdanau", score="additive", decoder_layers=2)
    given = source(4)
    options = {"beam": beam, "bos": 2, "eos": 3, "max_length": [5, 9, 12, 7], "banned": [0, 1], "nbest": beam}
    found = beam_search(model, given, **options)
    monkeypatch.setattr(decoder_module, "compile_step", lambda decoder: None)
    expected = beam_search(model, given, **options)
    for mine, theirs in zip(found, expected, strict=True):
        assert [each.tokens for each in mine] == [each.tokens for each in theirs]
        assert [each.score for each in mine] == pytest.approx([each.score for each in theirs], abs=1e-4)


@torch.no_grad()
def test_leaves_what_it_does_not_know_to_others():
    model = make(attention="bahdanau")
    assert compile_step(model.decoder) is not None
    assert compile_step(model.train().decoder) is None
    model.eval()
    with torch.enable_grad():
        assert compile_step(model.decoder) is None
    assert compile_step(make().double().decoder) is None
    model.decoder.cell.cell.__class__ = type("Own", (type(model.decoder.cell.cell),), {})
    assert compile_step(model.decoder) is None


@torch.inference_mode()
def test_refuses_tokens_that_are_not_there():
    model = make()
    with pytest.raises(IndexError, match="0 to 202"):
        model.step_top(model.start(source(2)), torch.tensor([3, VOCABULARY]), 2)


@torch.inference_mode()
def test_refuses_rows_that_are_not_as_many_everywhere():
    model, uniform = make(attention="luong"), torch.zeros(2, 3, dtype=torch.float64)
    state, drawing = model.start(source(2)), Drawing(Sampling(), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"does not fit 1 tokens"):
        model.step_top(state, torch.tensor([3]), 2)
    with pytest.raises(ValueError, match=r"does not fit 3 tokens"):
        model.step_top(
            replace(state, cell=tuple(part[[0, 1, 1]] for part in state.cell)), torch.tensor([3] * 3), 2
        )
    with pytest.raises(ValueError, match=r"\(2, 3\) for 2 tokens"):
        model.draw(state, torch.tensor([3, 3]), uniform, drawing)


@torch.inference_mode()
def test_nothing_asked_for_is_nothing_written():
    model = make()
    state, tokens = model.start(source(2)), torch.tensor([2, 2])
    with pytest.raises(ValueError, match="k = 0"):
        model.step_top(state, tokens, 0)
    how = {
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "forbidden": torch.tensor([0]),
        "end": 3,
        "spared": 0,
    }
    program = compile_step(model.decoder)
    assert program is not None
    first = [part.clone() for part in state.cell]
    found, log_probs, ids = program.draw(state.cell, tokens, torch.zeros(0, 2), **how)
    assert log_probs.shape == ids.shape == (0, 2)
    assert all(torch.equal(a, b) for a, b in zip(found, first, strict=True))


@pytest.mark.parametrize("rows", [1, 5])  # a tile of few rows, and one of several
@pytest.mark.parametrize(("weights", "tolerance"), [("bfloat16", 0.1), ("int8", 0.2)])
@torch.inference_mode()
def test_packed_weights_are_near(weights, tolerance, rows):
    model = make(attention="bahdanau", score="additive")
    state, tokens = model.start(source(rows)), torch.full((rows,), 2)
    program = compile_step(model.decoder, weights)
    assert program is not None
    memory = Source.of(state.memory.keys, state.memory.values, state.memory.lengths, None)
    _, log_probs, ids = program.run(state.cell, tokens, 5, memory)
    exact = model.step(state, tokens)[1]
    assert (exact.gather(1, ids) - log_probs).abs().max() < tolerance


def test_packed_weights_are_for_one_model_with_kernels():
    packed = Packed(make(attention="bahdanau", score="additive"), "bfloat16")
    options = {"beam": 2, "bos": 2, "eos": 3, "max_length": 8}
    assert [len(each) for each in beam_search(packed, source(3), **options)] == [1, 1, 1]
    with pytest.raises(UserError, match="weights='int8': only the native kernels"):
        Packed(Ensemble([make(), make()]), "int8")


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_an_answer_does_not_depend_on_its_batch(weights, beam):
    model = Packed(make(attention="bahdanau", score="additive"), weights)
    (ids, lengths), options = source(4), {"beam": beam, "bos": 2, "eos": 3, "banned": [0, 1]}
    limits = [12, 3, 5, 4]  # those of the others are reached while the first one is written
    together = beam_search(model, (ids, lengths), max_length=limits, **options)
    for row, limit in enumerate(limits):
        alone = (ids[: lengths[row], row : row + 1], lengths[row : row + 1])
        (expected,) = beam_search(model, alone, max_length=limit, **options)
        assert [each.tokens for each in together[row]] == [each.tokens for each in expected]
        for one, other in zip(together[row], expected, strict=True):
            assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-5)


def test_weights_made_in_inference_mode_are_packed_too():
    with torch.inference_mode():
        packings = Packings(make(attention="luong"))
    assert packings["int8"] is packings["int8"]


def language_model(cell="lstm", vocabulary=VOCABULARY, reset_at=None, **options):
    torch.manual_seed(5)
    kind, cell_options = CELLS[cell]
    settings = {"embedding_size": 10, "hidden_size": 22, "cell": kind, "cell_options": cell_options}
    model = LanguageModel(LanguageModelSettings(**{**settings, **options}), vocabulary, reset_at=reset_at)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.embedding._clear_padding()
    return model.eval()


def draws(model, sampling, *, program, rows=3, steps=7, spared=0):
    state = model.start(torch.randint(4, 9, (4, rows), generator=torch.Generator().manual_seed(2)))
    assert state.program is not None
    state = state if program else replace(state, program=None)
    uniform = torch.rand(steps, rows, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    drawing = Drawing(sampling, torch.tensor([0, 1, 7]), 3, spared)
    return model.draw(state, torch.tensor([5, 8, 2][:rows]), uniform, drawing)


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
@torch.inference_mode()
def test_draws_of_a_language_model_are_those_of_its_steps(cell, layers, folded, monkeypatch):
    monkeypatch.setattr(program_module, "_FOLDED", 1 << 20 if folded else 0)
    model = language_model(cell, layers=layers, tie=layers == 2)
    for sampling in (
        Sampling(),
        Sampling(0.0),
        Sampling(0.7, top_k=5),
        Sampling(1.3, top_p=0.6),
        Sampling(1.0, top_k=30, top_p=0.9),
    ):
        expected, log_probs, ids = draws(model, sampling, program=False)
        state, found_log_probs, found = draws(model, sampling, program=True)
        assert found.tolist() == ids.tolist()
        torch.testing.assert_close(found_log_probs, log_probs, rtol=1e-5, atol=2e-5)
        for mine, theirs in zip(state.parts, expected.parts, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-5)


@torch.inference_mode()
def test_the_state_is_zero_before_what_begins_a_document():
    plain = draws(language_model(), Sampling(), program=True)[2]
    begins = int(plain[2, 0])  # a word that is drawn on the way
    model = language_model(reset_at=begins)
    expected, log_probs, ids = draws(model, Sampling(), program=False)
    state, found_log_probs, found = draws(model, Sampling(), program=True)
    assert found.tolist() == ids.tolist() != plain.tolist()
    torch.testing.assert_close(found_log_probs, log_probs, rtol=1e-5, atol=2e-5)
    for mine, theirs in zip(state.parts, expected.parts, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-5)

    drawing = Drawing(Sampling(), torch.tensor([0, 1, 7]), 3, 0)
    uniform = torch.full((2, 1), 0.5, dtype=torch.float64)
    fed = torch.tensor([begins])  # the first word may be one, too
    read, nothing = (model.start(torch.tensor(each, dtype=torch.int64).view(-1, 1)) for each in ([4, 5], []))
    assert torch.equal(*(model.draw(each, fed, uniform, drawing)[1] for each in (read, nothing)))


@torch.inference_mode()
def test_what_is_not_drawn():
    model = language_model(vocabulary=9)
    for program in (False, True):
        _, _, ids = draws(model, Sampling(), program=program, rows=2, steps=400, spared=390)
        assert not {0, 1, 7} & set(ids.flatten().tolist())
        assert 3 not in ids[:390]
    model.projection.bias[3] = 50
    for program in (False, True):
        _, _, ids = draws(model, Sampling(), program=program, rows=2, steps=4, spared=2)
        assert (ids[:2] != 3).all()
        assert (ids[2:] == 3).all()


@torch.inference_mode()
def test_without_an_end_nothing_is_spared():
    model, uniform = language_model(vocabulary=9), torch.full((3, 1), 0.4, dtype=torch.float64)
    for sampling in (Sampling(), Sampling(0.0)):
        found = []
        for spared in (0, 2):
            state = model.start(torch.empty(0, 1, dtype=torch.int64))
            drawing = Drawing(sampling, torch.tensor([0, 1]), None, spared)
            found.append(model.draw(state, torch.tensor([5]), uniform, drawing)[2].tolist())
        assert found[0] == found[1]
        assert len(found[0]) == 3


@torch.inference_mode()
def test_refuses_to_forbid_what_is_not_there():
    model, uniform = language_model(vocabulary=9), torch.zeros(2, 1, dtype=torch.float64)
    state, tokens = model.start(torch.empty(0, 1, dtype=torch.int64)), torch.tensor([5])
    for forbidden, eos in (([9], 3), ([-1], 3), ([0], 9)):
        drawing = Drawing(Sampling(), torch.tensor(forbidden), eos, spared=1)
        with pytest.raises(IndexError, match="0 to 8"):
            model.draw(state, tokens, uniform, drawing)


@torch.inference_mode()
def test_without_a_probability_nothing_is_drawn():
    for value, given in ((torch.nan, torch.nan), (-torch.inf, -torch.inf)):
        model = language_model()
        model.projection.bias.fill_(value)
        model.projection.bias[0] = 0  # forbidden
        for program in (False, True):
            for sampling in (Sampling(), Sampling(0.0)):
                _, log_probs, ids = draws(model, sampling, program=program)
                assert ids.tolist() == [[-1, -1, -1]]
                assert log_probs.tolist() == [[pytest.approx(given, nan_ok=True)] * 3]
    with pytest.raises(RunError, match="no token a probability after 0 tokens"):
        next(stream(model, torch.zeros(0, 1, dtype=torch.int64), max_length=3, bos=5, banned=[0]))


@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
@torch.inference_mode()
def test_draws_of_a_decoder_are_those_of_its_steps(attention):
    model = make(attention=attention)
    uniform = torch.rand(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for sampling in (Sampling(0.0), Sampling(0.8, top_k=20)):
        drawing = Drawing(sampling, torch.tensor([0, 1]), 3, 2)
        state = model.start(source(4))
        assert state.program is not None
        state, tokens = model.select(state, torch.tensor([2, 0, 2, 1])), torch.full((4,), 2)
        after, log_probs, ids = model.draw(state, tokens, uniform, drawing)
        expected, *others = model.draw(replace(state, program=None), tokens, uniform, drawing)
        assert ids.tolist() == others[1].tolist()
        torch.testing.assert_close(log_probs, others[0], rtol=1e-5, atol=2e-5)
        for mine, theirs in zip(after.cell, expected.cell, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-5)


@torch.inference_mode()
def test_steps_end_when_every_row_has_ended():
    model = language_model(vocabulary=9)
    model.projection.bias[3] = 0.5
    for program in (False, True):
        _, _, ids = draws(model, Sampling(), program=program, steps=60)
        assert 1 < len(ids) < 60
        assert (ids == 3).any(dim=0).all()
        assert not (ids[:-1] == 3).any(dim=0).all()


@pytest.mark.parametrize("rows", [1, 3, 20])
@torch.inference_mode()
def test_greedy_search_in_one_call_is_that_of_single_steps(rows, monkeypatch):
    model, calls = make(attention="luong"), []
    model.decoder.readout.projection.bias[3] += 1.5
    native = Program.draw
    monkeypatch.setattr(Program, "draw", lambda *given, **how: calls.append(1) or native(*given, **how))
    read, limits = source(rows), torch.randint(5, 30, (rows,), generator=torch.Generator().manual_seed(1))
    options = {"bos": 2, "eos": 3, "max_length": limits, "min_length": 4, "banned": [0, 1]}
    found = greedy(model, read, **options)
    assert bool(calls) == (rows < 9)
    monkeypatch.setattr("unrolled.decoding.walk.TOGETHER", 1)
    calls.clear()
    assert found == greedy(model, read, **options)
    assert not calls
    assert {len(each[0].tokens) for each in found} & set(range(3, 29))


def test_one_seed_is_one_text_with_and_without_the_kernels(monkeypatch):
    model = language_model(vocabulary=60)
    with torch.no_grad():
        model.projection.bias[3] = 4
    prompt = torch.randint(4, 60, (5, 2))

    def texts():
        texts = sample(model, prompt, samples=3, eos=3, seed=4, max_length=40, bos=2, banned=[0, 1])
        return [text.tokens for row in texts for text in row]

    found = texts()
    monkeypatch.setattr(language_module, "compile_language_step", lambda *_: None)
    assert found == texts()
    assert len({len(text) for text in found}) > 1


@torch.inference_mode()
def test_a_language_model_with_parts_that_the_kernels_do_not_know_goes_step_by_step():
    for model in (
        language_model(layers=2, layer_norm=True),
        language_model(tie=False, cutoffs=[50, 100]),
        language_model().double(),
        language_model().train(),
    ):
        assert model.start(torch.zeros(0, 1, dtype=torch.int64)).program is None
    with pytest.raises(UserError, match="float32"):
        Packed(language_model(layers=2, layer_norm=True), "int8")


def test_another_default_device_changes_no_search():
    model, language, given = make(attention="luong"), language_model(), source(3)
    prompt, options = torch.randint(4, VOCABULARY, (5, 2)), {"bos": 2, "eos": 3}
    found = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            found.append(
                [
                    *(
                        beam_search(model, given, beam=beam, max_length=[5, 9, 4], **options)
                        for beam in (1, 3)
                    ),
                    sample(language, prompt, samples=2, seed=3, max_length=7, **options),
                ]
            )
    assert found[0] == found[1]


@pytest.mark.parametrize(("weights", "tolerance"), [("bfloat16", 0.05), ("int8", 0.1)])
@torch.inference_mode()
def test_a_language_model_in_fewer_bits(weights, tolerance):
    model = language_model(layers=2)
    _, log_probs, ids = draws(model, Sampling(0.0), program=True, steps=1)
    _, found, found_ids = draws(Packed(model, weights), Sampling(0.0), program=True, steps=1)
    assert found_ids.tolist() == ids.tolist()
    torch.testing.assert_close(found, log_probs, rtol=0, atol=tolerance)
    assert not torch.equal(found, log_probs)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn", "gru before", "lstm"])
@torch.inference_mode()
def test_the_likeliest_of_a_language_model_are_those_of_its_step(cell, layers):
    begins = 8
    model = language_model(cell, layers=layers, reset_at=begins)
    state = other = model.start(torch.randint(4, 9, (4, 3)))
    assert state.program is not None
    tokens = torch.tensor([5, begins, 2])
    for choice in ([0, 0, 1, 2, 2], [4, 3, 0], [0, 1]):
        given = [part.clone() for part in state.parts]
        after, log_probs, ids = model.step_top(state, tokens, 5)
        assert all(map(torch.equal, given, state.parts))
        other, everything = model.step(other, tokens)
        expected, _ = everything.topk(5)
        torch.testing.assert_close(log_probs, expected, rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(everything.gather(1, ids), expected, rtol=1e-5, atol=2e-5)
        for mine, theirs in zip(after.parts, other.parts, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-5)
        chosen = torch.tensor(choice)
        state, other, tokens = model.select(after, chosen), model.select(other, chosen), ids[chosen, -1]
        tokens[-1] = begins


@pytest.mark.parametrize("k", [1, 7, 60, VOCABULARY + 3])
@torch.inference_mode()
def test_the_likeliest_of_an_adaptive_softmax_need_no_softmax_over_all(k, monkeypatch):
    model = language_model(tie=False, cutoffs=[50, 100])
    state, tokens = model.start(torch.randint(4, 9, (4, 6))), torch.randint(4, VOCABULARY, (6,))
    expected_state, everything = model.step(state, tokens)
    monkeypatch.setattr(model.projection, "log_probs", None)
    after, log_probs, ids = model.step_top(state, tokens, k)
    expected = everything.topk(min(k, VOCABULARY))
    torch.testing.assert_close(log_probs, expected.values)
    torch.testing.assert_close(everything.gather(1, ids), log_probs)
    assert all(map(torch.equal, after.parts, expected_state.parts))


@pytest.mark.parametrize("beam", [1, 4])
def test_search_of_a_language_model_finds_the_same(beam, monkeypatch):
    model = language_model(layers=2, reset_at=3)
    prompt = torch.randint(4, VOCABULARY, (5, 3))
    options = {"beam": beam, "bos": prompt[-1], "eos": 3, "max_length": 12, "banned": [0, 1], "nbest": beam}
    calls, run = [], Program.run
    monkeypatch.setattr(Program, "run", lambda *given: calls.append(1) or run(*given))
    found = beam_search(model, prompt[:-1], **options)
    assert calls or beam == 1
    monkeypatch.setattr(language_module, "compile_language_step", lambda *_: None)
    expected = beam_search(model, prompt[:-1], **options)
    for mine, theirs in zip(found, expected, strict=True):
        assert [each.tokens for each in mine] == [each.tokens for each in theirs]
        assert [each.score for each in mine] == pytest.approx([each.score for each in theirs], abs=1e-4)

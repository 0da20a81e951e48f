"""The ``[decoding]`` section of a recipe: the search, or the sampling, that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unrolled.decoding.beam import beam_search
from unrolled.decoding.greedy import GREATEST_PENALTY
from unrolled.decoding.protocol import Decoder, Hypothesis, hypothesis
from unrolled.decoding.sampling import Sampling, sample
from unrolled.decoding.trace import BeamTrace
from unrolled.errors import UserError, nearest

Weights = Literal["float32", "bfloat16", "int8"]
"""How a model's matrices may be read."""


class _Settings(BaseModel):
    """Settings of a recipe that an option given later may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def updated(self, **options: Any) -> Self:
        """The same settings with some of them changed.

        Raises:
            UserError: an unknown option, a value out of range, options that contradict each other.
        """
        known = type(self).model_fields
        for name in options:
            if name not in known:
                raise UserError(f"no decoding option {name!r}: {nearest(name, known)}")
        try:
            return type(self).model_validate({**self.model_dump(), **options})
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:
                raise UserError(str(first["ctx"]["error"])) from None
            raise UserError(f"{first['loc'][0]} {first['input']!r} is not possible: {first['msg']}") from None


class _Draws(_Settings):
    """What is drawn from, where something is drawn."""

    temperature: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="below 1 prefers the likely, above 1 is more varied; 0: always the likeliest (greedy)",
    )
    top_k: int = Field(default=0, ge=0, description="draw among so many of the likeliest; 0: among all")
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="draw among the fewest likeliest that together have this share"
    )

    @property
    def sampling(self) -> Sampling:
        """What is drawn from."""
        return Sampling(self.temperature, self.top_k, self.top_p)


_DRAWN = ("temperature", "top_k", "top_p")


class DecodingSettings(_Draws):
    """How an output is searched for, or drawn. Lengths count eos."""

    beam: int = Field(default=3, ge=1, description="hypotheses kept open; 1 is greedy")
    length_penalty: float = Field(
        default=0.7, ge=0, le=GREATEST_PENALTY, description="α: outputs are ranked by Σ log P / lengthᵅ"
    )
    nbest: int = Field(default=1, ge=1, description="outputs to give for each input, at most the beam")
    min_length: int = Field(default=0, ge=0, description="shortest output in tokens, eos counted")
    max_length: int | None = Field(
        default=None, ge=1, description="longest output in tokens, eos counted, however long the input"
    )
    length_factor: float = Field(
        default=2.0, ge=0, allow_inf_nan=False, description="longest output: this many times the input ..."
    )
    length_offset: int = Field(default=10, ge=1, description="... and this many tokens more")
    allow_unknown: bool = Field(default=False, description="whether <unk> may be given as an output")
    weights: Weights = Field(
        default="float32",
        description="how the search reads the model's matrices: fewer bits are faster, above all for one"
        " sentence at a time, and change scores a little",
    )
    replace_unknown: bool = Field(
        default=False, description="put the most attended source word in the place of each <unk>"
    )
    samples: int = Field(
        default=0, ge=0, description="outputs to draw at random for each input, best first; 0: search"
    )
    seed: int = Field(
        default=1,
        ge=0,
        lt=2**63,
        description="of what is drawn: the same seed, the same samples of the same line",
    )

    @model_validator(mode="before")
    @classmethod
    def _unknown(cls, values: Any) -> Any:
        """To be replaced, unknown words must be allowed."""
        if isinstance(values, dict) and values.get("replace_unknown") is True:
            return {"allow_unknown": True, **values}
        return values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.nbest > self.beam:
            raise ValueError(f"nbest {self.nbest} is not possible with beam {self.beam}: at most the beam")
        if self.nbest > 1 and self.samples:
            raise ValueError("nbest is of a search, and samples are drawn without one: give one of them")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(f"max_length {self.max_length} is below min_length {self.min_length}")
        return self

    def updated(self, **options: Any) -> Self:
        """As for every section; and where an option says what it would not do alone, the rest too:
        ``replace_unknown`` allows unknown words, ``temperature`` and the like draw, instead of a search;
        ``beam`` and ``nbest`` search, instead of drawing.

        Raises:
            UserError: an option that is not known, out of range, or at odds with another.
        """
        if options.get("replace_unknown"):
            options = {"allow_unknown": True, **options}
        drawn = (
            "samples" if options.get("samples") else next((name for name in _DRAWN if name in options), None)
        )
        searched = "beam" if "beam" in options else "nbest" if options.get("nbest", 1) > 1 else None
        if drawn and searched and options.get("samples") != 0:
            raise UserError(
                f"{searched} is of a search, and with {drawn} outputs are drawn without one: give one of them"
            )
        if drawn and not self.samples:
            options = {"samples": 1, **options}
        elif searched:
            options = {"samples": 0, **options}
        if options.get("samples"):
            options = {"nbest": 1, **options}
        return super().updated(**options)

    @property
    def several(self) -> bool:
        """Whether more than one output is asked for."""
        return (self.samples or self.nbest) > 1

    def longest(self, source_lengths: Sequence[int]) -> list[int]:
        """T_max of sources with so many tokens, never below ``min_length``."""
        limits = (int(self.length_factor * length) + self.length_offset for length in source_lengths)
        if self.max_length is not None:
            limits = (min(limit, self.max_length) for limit in limits)
        return [max(limit, self.min_length) for limit in limits]


class GenerationSettings(_Draws):
    """How a language model writes."""

    length: int = Field(default=400, ge=1, description="tokens written at most, the prompt not counted")
    weights: Weights = Field(
        default="float32",
        description="how each step reads the model's matrices: fewer bits are faster and change"
        " probabilities a little",
    )


def search(
    decoder: Decoder,
    source: Any,
    settings: DecodingSettings,
    *,
    source_lengths: Sequence[int],
    seeds: Sequence[int] | None = None,
    bos: int,
    eos: int,
    banned: Sequence[int] = (),
    trace: BeamTrace | None = None,
) -> list[list[Hypothesis]]:
    """:func:`unrolled.decoding.beam_search` as settings say, or :func:`unrolled.decoding.sample`.

    ``source_lengths`` in tokens bound the output's. What is drawn may reach its bound without eos; it follows
    from ``seeds``, one a sentence, or else from ``settings.seed``.

    Raises:
        UserError: a banned eos.
        RunError: the decoder's log-probabilities are not numbers.
    """
    if settings.samples and trace is None:
        drawn = sample(
            decoder,
            source,
            samples=settings.samples,
            sampling=settings.sampling,
            seed=settings.seed if seeds is None else seeds,
            min_length=settings.min_length,
            max_length=settings.longest(source_lengths),
            bos=bos,
            eos=eos,
            banned=banned,
        )
        scored = (
            [hypothesis(each.tokens, each.token_log_probs, settings.length_penalty) for each in found]
            for found in drawn
        )
        return [sorted(found, key=lambda each: -each.score) for found in scored]
    return beam_search(
        decoder,
        source,
        beam=settings.beam,
        length_penalty=settings.length_penalty,
        nbest=settings.nbest,
        min_length=settings.min_length,
        max_length=settings.longest(source_lengths),
        bos=bos,
        eos=eos,
        banned=banned,
        trace=trace,
    )

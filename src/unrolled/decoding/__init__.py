"""Choosing words: search and sampling over any decoder that keeps the protocol."""

from unrolled.decoding.beam import beam_search
from unrolled.decoding.greedy import greedy
from unrolled.decoding.protocol import Decoder, Hypothesis, StepTop, hypothesis
from unrolled.decoding.sampling import Drawn, Sampling, sample, stream
from unrolled.decoding.settings import DecodingSettings, GenerationSettings, search
from unrolled.decoding.trace import BeamTrace, Expansion

__all__ = [
    "BeamTrace",
    "Decoder",
    "DecodingSettings",
    "Drawn",
    "Expansion",
    "GenerationSettings",
    "Hypothesis",
    "Sampling",
    "StepTop",
    "beam_search",
    "greedy",
    "hypothesis",
    "sample",
    "search",
    "stream",
]

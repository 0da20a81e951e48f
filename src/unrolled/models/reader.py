"""Reading to judge: words and their characters, then recurrent layers in one direction or both."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unrolled.models.make import make_embedding, make_layers
from unrolled.models.reader_settings import ReaderSettings
from unrolled.nn.characters import CharacterEmbedding
from unrolled.nn.dropout import dropout


class Sentences(NamedTuple):
    """A batch of sentences; what is true of a word wherever it stands is there once.

    Attributes:
        forms: ``(time, batch)``: which of the distinct words below stands there.
        lengths: ``(batch,)``, at least 1.
        words: ``(forms,)``: the id of each distinct word; form 0 is padding.
        characters: ``(characters, forms)``: the ids of its characters; none where no model asks for them.
        character_lengths: ``(forms,)``.
    """

    forms: Int[Tensor, "time batch"]
    lengths: Int[Tensor, " batch"]
    words: Int[Tensor, " forms"]
    characters: Int[Tensor, "characters forms"]
    character_lengths: Int[Tensor, " forms"]

    @property
    def ids(self) -> Int[Tensor, "time batch"]:
        """The id of each word as a whole."""
        return self.words[self.forms]

    @property
    def twice(self) -> Sentences:
        """The batch and the same again beside it, words and all: each is read under its own dropout."""
        return Sentences(
            torch.cat((self.forms, self.forms + len(self.words)), dim=1),
            self.lengths.repeat(2),
            self.words.repeat(2),
            self.characters.repeat(1, 2),
            self.character_lengths.repeat(2),
        )

    def on(self, device: torch.device | str) -> Sentences:
        """The same batch on another device."""
        return Sentences(*(part.to(device) for part in self))


class Reader(nn.Module):
    """Ids to a state at every position.

    Args:
        vocabulary: words there are.
        beside: features that come with each word beside its own vector.

    Attributes:
        features: of a state, both directions together.
    """

    def __init__(
        self, settings: ReaderSettings, vocabulary: int, *, beside: int = 0, padding: int = 0
    ) -> None:
        super().__init__()
        self.embedding = make_embedding(settings, vocabulary, padding=padding)
        size = settings.embedding_size + beside
        self.layers = make_layers(settings, size, bidirectional=settings.bidirectional)
        self.features = self.layers.output_size

    def forward(
        self,
        ids: Int[Tensor, "time batch"],
        lengths: Int[Tensor, " batch"],
        beside: Float[Tensor, "time batch beside"] | None = None,
    ) -> Float[Tensor, "time batch features"]:
        """The states, zero past each length."""
        words = self.embedding(ids)
        if beside is not None:
            words = torch.cat((words, beside), dim=-1)
        return self.layers(words, lengths=lengths).output


class Speller(nn.Module):
    """What all that judge begin with: a reader of words and, where the settings say so, of their characters.

    Args:
        vocabulary, characters: how many there are.
    """

    def __init__(
        self, settings: ReaderSettings, vocabulary: int, characters: int, *, padding: int = 0
    ) -> None:
        super().__init__()
        self.spelling: CharacterEmbedding | None = None
        if settings.characters != "none":
            self.spelling = CharacterEmbedding(
                settings.characters,
                characters,
                settings.character_embedding_size,
                settings.character_size,
                dropout=settings.character_dropout,
                padding=padding,
            )
        beside = 0 if self.spelling is None else self.spelling.features
        self.reader = Reader(settings, vocabulary, beside=beside, padding=padding)

    def states(self, sentences: Sentences) -> Float[Tensor, "time batch features"]:
        """The reader's states, zero past each length."""
        beside = None
        if self.spelling is not None:
            spelled = self.spelling(sentences.characters, sentences.character_lengths)
            beside = dropout(spelled, self.reader.embedding.dropout, self.training)[sentences.forms]
        return self.reader(sentences.ids, sentences.lengths, beside)

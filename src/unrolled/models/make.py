"""The parts of a model as its settings describe them."""

from __future__ import annotations

from unrolled.models.settings import LayersSettings, RecurrentSettings
from unrolled.nn.embedding import Embedding
from unrolled.nn.layers import Recurrent


def make_embedding(
    settings: RecurrentSettings, vocabulary: int, *, padding: int = 0, tuned: bool | None = None
) -> Embedding:
    """A table of words with its dropout; ``tuned`` as the settings say of the words read, unless given."""
    return Embedding(
        vocabulary,
        settings.embedding_size,
        padding=padding,
        dropout=settings.embedding_dropout,
        word_dropout=settings.word_dropout,
        tuned=settings.tuned if tuned is None else tuned,
        scale=settings.embedding_scale,
    )


def make_layers(settings: LayersSettings, input_size: int, *, bidirectional: bool = False) -> Recurrent:
    """Cells upon one another, with every dropout that layers have."""
    return Recurrent(
        settings.cell,
        input_size,
        settings.hidden_size,
        settings.layers,
        bidirectional=bidirectional,
        dropout=settings.layer_dropout,
        input_dropout=settings.input_dropout,
        recurrent_dropout=settings.recurrent_dropout,
        weight_drop=settings.weight_drop,
        layer_norm=settings.layer_norm,
        **settings.cell_options,
    )

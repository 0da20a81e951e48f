"""A sequence in, a label or several out (many to one)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.models.reader import Sentences, Speller
from unrolled.models.reader_settings import ClassifierSettings
from unrolled.nn.dropout import Dropout
from unrolled.nn.loss import divergence
from unrolled.nn.pooling import Pooling


class Classifier(Speller):
    """A reader of words, with or without their characters, its states pooled, and a linear readout.

    Labels stand as a 0/1 matrix. One a text: P = softmax(z/T). Several: P = σ(z/T), each by itself. The
    temperature T is 1 until :meth:`calibrate`.

    Args:
        vocabulary, characters, labels: how many there are.
        several: whether a text may have several, or none.
    """

    temperature: Tensor

    def __init__(
        self,
        settings: ClassifierSettings,
        vocabulary: int,
        characters: int,
        labels: int,
        *,
        several: bool = False,
        padding: int = 0,
    ) -> None:
        super().__init__(settings, vocabulary, characters, padding=padding)
        self.several = several
        self.label_smoothing = settings.label_smoothing
        self.consistency = settings.consistency
        self.pooling = Pooling(settings.pooling, self.reader.features, self.reader.layers.directions)
        self.dropout = Dropout(settings.readout_dropout)
        self.readout = nn.Linear(self.reader.features, labels)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, sentences: Sentences) -> Float[Tensor, "batch labels"]:
        """The logits z."""
        return self.readout(self.dropout(self.pooling(self.states(sentences), sentences.lengths)))

    def loss(
        self,
        logits: Float[Tensor, "batch labels"],
        labels: Float[Tensor, "batch labels"],
        weights: Float[Tensor, " labels"] | None = None,
    ) -> Float[Tensor, ""]:
        """Cross-entropy in nats, summed over texts (over their labels too where there are several).

        Args:
            weights: of each label; a text's share is multiplied by that of its own (of several: the share of
                each that it has).
        """
        smooth = self.label_smoothing if self.training else 0.0
        if self.several:
            target = (1 - smooth) * labels + smooth / 2
            return F.binary_cross_entropy_with_logits(logits, target, pos_weight=weights, reduction="sum")
        target = (1 - smooth) * labels + smooth / labels.shape[1]
        each = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)
        return (each if weights is None else each * (labels @ weights)).sum()

    def training_loss(
        self,
        sentences: Sentences,
        labels: Float[Tensor, "batch labels"],
        weights: Float[Tensor, " labels"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss to be made small: :meth:`loss` and, in training, what ``consistency`` adds to it.

        That is R-Drop (Liang et al. 2021): the mean loss of two readings, and the mean of the divergences
        KL(P₁‖P₂) and KL(P₂‖P₁) of their answers.
        """
        if not (self.training and self.consistency):
            return self.loss(self(sentences), labels, weights)
        first, second = self(sentences.twice).chunk(2)
        losses = self.loss(first, labels, weights) + self.loss(second, labels, weights)
        activation = torch.sigmoid if self.several else partial(torch.softmax, dim=-1)
        apart = divergence(first, second, activation(first), activation(second))
        return losses / 2 + self.consistency * apart

    def log_probs(
        self, logits: Float[Tensor, "batch labels"], labels: Float[Tensor, "batch labels"]
    ) -> Float[Tensor, " batch"]:
        """log P of each text's label, or of all its labels together, in nats; not calibrated."""
        if self.several:
            return -F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=-1)
        return (labels * logits.log_softmax(dim=-1)).sum(dim=-1)

    def probabilities(self, logits: Float[Tensor, "batch labels"]) -> Float[Tensor, "batch labels"]:
        """P of every label, calibrated if :meth:`calibrate` was called."""
        scaled = logits / self.temperature.to(logits.device)
        return torch.sigmoid(scaled) if self.several else torch.softmax(scaled, dim=-1)

    @torch.no_grad()
    def calibrate(
        self, logits: Float[Tensor, "texts labels"], labels: Float[Tensor, "texts labels"]
    ) -> float:
        """Set T to what makes held-out labels most probable, and answer it; no answer changes by it.

        The loss is convex in 1/T (Guo et al. 2017, section 4.2), so that the root of its derivative is found
        by halving an interval, 0.01 to 100.
        """
        logits, labels = logits.double(), labels.double()
        low, high = 0.01, 100.0
        for _ in range(60):
            middle = (low + high) / 2
            scaled = middle * logits
            predicted = scaled.sigmoid() if self.several else scaled.softmax(dim=-1)
            slope = ((predicted - labels) * logits).sum()
            low, high = (middle, high) if slope < 0 else (low, middle)
        self.temperature.fill_(2 / (low + high))
        return float(self.temperature)

"""JoeyNMT 2.3.0: its model at the sizes of its Multi30k configuration, its optimizer, its search."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import torch
from arrays import read, write
from joeynmt.batch import Batch
from joeynmt.builders import build_gradient_clipper, build_optimizer
from joeynmt.model import build_model
from joeynmt.search import search
from joeynmt.vocabulary import Vocabulary
from serve import Run, serve

logging.disable(logging.INFO)
EMBEDDINGS = {"embedding_dim": 256, "scale": False}
MODEL: dict[str, Any] = {
    "initializer": "xavier_uniform",
    "tied_embeddings": False,
    "encoder": {
        "type": "recurrent",
        "rnn_type": "gru",
        "embeddings": EMBEDDINGS,
        "hidden_size": 256,
        "bidirectional": True,
        "dropout": 0.3,
        "num_layers": 1,
    },
    "decoder": {
        "type": "recurrent",
        "rnn_type": "gru",
        "embeddings": EMBEDDINGS,
        "hidden_size": 512,
        "dropout": 0.3,
        "hidden_dropout": 0.3,
        "num_layers": 1,
        "input_feeding": True,
        "init_hidden": "bridge",
        "attention": "bahdanau",
    },
}
TRAINING = {"optimizer": "adam", "learning_rate": 0.0005, "clip_grad_norm": 1.0, "clip_grad_val": None}
PAD, UNK, BOS, EOS = 0, 1, 2, 3


def vocabulary(size: int) -> Vocabulary:
    names = ["<pad>", "<unk>", "<s>", "</s>"]
    places = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS}
    symbols: dict[str, Any] = {f"{kind}_id": place for kind, place in places.items()}
    symbols |= {f"{kind}_token": names[place] for kind, place in places.items()}
    symbols |= {"sep_token": None, "sep_id": None, "lang_tags": []}

    class Ours(Vocabulary):
        """Its special symbols in the places of the data's."""

        def add_tokens(self, tokens: list[str]) -> None:
            self._itos = names + [f"w{i}" for i in range(len(names), size)]
            self._stoi = {token: index for index, token in enumerate(self._itos)}

    return Ours([], SimpleNamespace(**symbols))


def batch(sources: list[list[int]], targets: list[list[int]] | None) -> Batch:
    def padded(rows: list[list[int]]) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])

    return Batch(
        src=padded(sources),
        src_length=torch.tensor([len(row) for row in sources]),
        src_prompt_mask=None,
        trg=None if targets is None else padded(targets),
        trg_prompt_mask=None,
        indices=torch.arange(len(sources)),
        device=torch.device("cpu"),
        pad_index=PAD,
        eos_index=EOS,
        is_train=targets is not None,
    )


def prepare(
    *,
    folder: str,
    source_size: int,
    target_size: int,
    sources: list[list[list[int]]],
    targets: list[list[list[int]]] | None = None,
    beam: int = 0,
    longest: int = 0,
    allow_unknown: bool = True,
) -> tuple[dict[str, Any], Run]:
    """With ``targets``, training: the first batch's loss, an update of each batch. Without: translations."""
    torch.manual_seed(0)
    model = build_model(MODEL, vocabulary(source_size), vocabulary(target_size))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(read(folder, name, parameter.shape)))
    if targets is None:
        return _translating(model.eval(), sources, beam, longest, allow_unknown)
    return _training(model, sources, targets, folder)


def _training(model: Any, sources: Any, targets: Any, folder: str) -> tuple[dict[str, Any], Run]:
    model.loss_function = ("crossentropy", 0.0)
    batches = [batch(*each) for each in zip(sources, targets, strict=True)]
    for each in batches:
        each.sort_by_src_length()
    model.eval()
    loss = model(return_type="loss", **vars(batches[0]))[0]
    loss.backward()
    told = {"grad_vectors": model.src_embed.lut, "grad_projection": model.decoder.output_layer}
    write(folder, **{name: module.weight.grad.numpy() for name, module in told.items()})
    model.zero_grad()
    optimizer = build_optimizer(TRAINING, model.parameters())
    clip = build_gradient_clipper(TRAINING)

    def run() -> None:  # joeynmt.training.TrainManager's step, without its logs
        for each in batches:
            model.train()
            total, _, _, correct = model(return_type="loss", **vars(each))
            each.normalize(total, normalization="tokens").backward()
            correct.item()
            clip(parameters=model.parameters())
            optimizer.step()
            model.zero_grad()

    return {"loss": loss.item()}, run


def _translating(
    model: Any, sources: Any, beam: int, longest: int, allow_unknown: bool
) -> tuple[dict[str, Any], Run]:
    def run() -> list[list[int]]:
        answers = []
        for each in sources:
            made = batch(each, None)
            back = made.sort_by_src_length()
            found = search(model, made, longest, beam, 1.0, generate_unk=allow_unknown, min_output_length=0)[
                0
            ]
            answers += [row.tolist() for row in found[back]]
        return answers

    return {"answers": run()}, run


if __name__ == "__main__":
    serve(prepare)

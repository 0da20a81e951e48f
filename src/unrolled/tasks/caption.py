"""Caption: a picture in, a sentence out (one to many)."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from unrolled import decoding, metrics, models, pictures, text
from unrolled.errors import UserError, at
from unrolled.files import write_whole
from unrolled.metrics.settings import CaptionMetrics
from unrolled.pictures.networks import make_network
from unrolled.pictures.store import read_bytes
from unrolled.tasks import inside, look_captions, pretrained, writer, writing
from unrolled.tasks import task as base
from unrolled.tasks.registry import register
from unrolled.text import BatchSettings

_ADVICE = "put it right, or leave such pictures out with --skip-bad (data.skip_bad = true)"


class CaptionDecoding(decoding.DecodingSettings):
    """How a caption is searched for."""

    max_length: int = Field(
        default=30, ge=1, description="longest caption in tokens, eos counted, however many regions there are"
    )
    replace_unknown: Literal[False] = Field(
        default=False, description="a picture has no words to put in the place of <unk>"
    )


class CaptionSections(base.Sections):
    """What a captioner's recipe says."""

    data: text.CaptionData
    pictures: pictures.PictureSettings
    text: text.TokenizerSettings
    model: models.CaptionerSettings
    training: BatchSettings
    decoding: CaptionDecoding
    metrics: CaptionMetrics


@dataclass(frozen=True)
class Caption(writer.Written):
    """One picture's caption; attention is over its regions, row by row.

    Attributes:
        rows, columns: of the grid of regions.
    """

    rows: int = 0
    columns: int = 0

    @property
    def maps(self) -> Float[Tensor, "target rows columns"]:
        """The attention of each token, eos last, where it is in the picture."""
        return self.attention.unflatten(1, (self.rows, self.columns))


class Captioner(writer.Writer[pictures.Regions, Caption]):
    """A trained captioner; a line is the path of a picture."""

    task: CaptionPictures

    def caption(self, paths: Sequence[str | Path], **options: Any) -> list[Caption]:
        """Caption each picture; options are those of ``[decoding]``: beam, length_penalty, nbest, ...

        Raises:
            BadPicture: a file that is no usable picture; UserError: an unknown option.
        """
        return list(self.predict(map(str, paths), **options))

    def nothing(self, line: str) -> Caption:
        return Caption()

    def finish(
        self,
        line: str,
        source: pictures.Regions,
        written: dict[str, Any],
        settings: decoding.DecodingSettings,
    ) -> Caption:
        rows, columns = self.task.grid(source)
        return Caption(**written, rows=rows, columns=columns)

    def positions(self, line: str, source: pictures.Regions) -> list[str]:
        rows, columns = self.task.grid(source)
        return [f"{row},{column}" for row in range(rows) for column in range(columns)]

    def held_out(self, split: str, count: int | None = None) -> list[inside.HeldOut]:
        found, data = super().held_out(split, count), self.task.sections.data
        return [each._replace(text=str(data.picture(each.text))) for each in found]


@register
class CaptionPictures(writing.WritingTask[pictures.Regions]):
    """From pictures and their captions to a captioner."""

    name = "caption"
    shape = "one to many"
    verb = "caption"
    Sections = CaptionSections
    predictor_type = Captioner
    reusable = ("features",)
    judged_by = ("dev", "test", "features", "pictures")
    undigested = ("test", "pictures", "train.source")  # rows of the features, in the order of their making

    sections: CaptionSections

    def __init__(self, sections: CaptionSections, folder: Path, target: text.Tokenizer) -> None:
        super().__init__(sections, folder)
        self.target = target

    @classmethod
    def open(cls, sections: CaptionSections, folder: Path) -> CaptionPictures:
        return cls(sections, folder, *map(text.Tokenizer.load, cls.tokenizer_files(folder)))

    def unlike(self, other: CaptionPictures) -> str | None:
        return None if self.sections.pictures == other.sections.pictures else "pictures"

    def evaluate(
        self, models: Sequence[nn.Module], split: str, *, quick: bool = False, **options: Any
    ) -> dict[str, metrics.Score]:
        if options.pop("by_length", False):  # how many regions a picture has says nothing of it
            base.no_options(self.name, {"by_length": True})
        return super().evaluate(models, split, quick=quick, **options)

    # Data.

    @classmethod
    def corpus(cls, sections: CaptionSections, folder: Path, progress: base.Progress) -> text.CaptionCorpus:
        """The captions; their pictures are encoded first, so that those of bad ones can be left out."""
        corpus = text.CaptionCorpus(sections.data)
        bad = _Bad(sections.data.skip_bad)
        for name, place in corpus.without_captions():
            bad.meet(name, f"{place}: {name}: a picture without captions")
        named = corpus.pictures()
        paths = {name: sections.data.picture(name) for name in named}
        for name, path in paths.items():  # a moment's look, before the long work
            if not path.is_file():
                bad.meet(name, f"{_place(named[name])}: {path}: no such picture")
        wanted = [name for name in named if name not in bad.names]
        if not wanted:
            raise UserError(
                f"{sections.data.images}: none of the {len(named)} pictures is there: check data.images"
            )

        def meet(index: int, error: pictures.BadPicture) -> None:
            bad.meet(wanted[index], f"{_place(named[wanted[index]])}: {error}")

        store = _store(pictures.make_encoder(sections.pictures), folder)
        rows = store.add(
            [paths[name] for name in wanted],
            bad=meet,
            progress=lambda done: progress(f"encoding {len(wanted):,} pictures", done / len(wanted)),
        )
        found = {name: row for name, row in zip(wanted, rows, strict=True) if row is not None}
        write_whole(_index(folder), json.dumps(found, ensure_ascii=False).encode())
        progress(f"{len(found):,} pictures{bad}", 1.0)
        corpus.left_out = bad.names
        return corpus

    @classmethod
    def train_tokenizers(cls, corpus: text.PairedCorpus, sections: CaptionSections) -> list[text.Tokenizer]:
        captions = (record.fields[1] for record in corpus.read("train"))
        return [text.Tokenizer.train(captions, sections.text)]

    @property
    def encoders(self) -> tuple[text.FieldEncoder, text.FieldEncoder]:
        return _Rows(self._rows), self.target

    @cached_property
    def encoder(self) -> pictures.Encoder:
        """What looks at pictures."""
        return pictures.make_encoder(self.sections.pictures)

    @cached_property
    def store(self) -> pictures.FeatureStore:
        """The regions of the prepared data's pictures.

        Raises:
            UserError: they were lost.
        """
        found = _store(self.encoder, self.folder)
        if self._rows and max(self._rows.values()) >= len(found):
            again = self.folder / "cache" / base.PREPARED
            raise UserError(
                f"{found.path}: lacks pictures; delete {again} and give the train command again, which"
                " encodes them anew"
            )
        return found

    @cached_property
    def _rows(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads(_index(self.folder).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(
                f"{_index(self.folder)}: missing or damaged; delete {self.folder / 'cache'} to prepare again"
            ) from None
        return found

    def read(self, lines: Sequence[str]) -> list[pictures.Regions]:
        named = [line for line in lines if line.strip()]
        found = iter(self.encoder.encode([self.open_picture(line) for line in named]))
        nothing = pictures.Regions(np.zeros((0, 0), dtype=np.float32), 0, 0)
        return [next(found) if line.strip() else nothing for line in lines]

    def open_picture(self, path: str | Path) -> NDArray[Any]:
        """A picture as the encoder sees it: pixels ``(height, width, 3)``, or vectors that were given.

        Raises:
            BadPicture: it is none that can be used.
        """
        return self.encoder.read(read_bytes(path), path)

    def kept(self, sources: Sequence[str]) -> list[pictures.Regions]:
        return [self.store[self._rows[source]] for source in sources]

    def gather(self, ids: Sequence[NDArray[np.integer]]) -> list[pictures.Regions]:
        return [self.store[int(row[0])] for row in ids]

    def pad(
        self, sources: Sequence[pictures.Regions]
    ) -> tuple[Shaped[Tensor, "regions batch features"], Int[Tensor, " batch"]]:
        """Regions side by side; bytes stay bytes, half precision becomes single."""
        lengths = torch.tensor([len(each) for each in sources])
        kind = np.uint8 if sources[0].vectors.dtype == np.uint8 else np.float32
        padded = np.zeros((int(lengths.max()), len(sources), sources[0].vectors.shape[1]), dtype=kind)
        for column, each in enumerate(sources):
            padded[: len(each), column] = each.vectors
        return torch.from_numpy(padded), lengths

    def grid(self, source: pictures.Regions) -> tuple[int, int]:
        """Rows and columns of the regions that the model attends to; of pixels, those its network gives."""
        if not self.sections.pictures.fine_tune:
            return source.rows, source.columns
        side = source.rows // pictures.STRIDE
        side = min(side, self.sections.pictures.grid or side)
        return side, side

    # Model.

    def build(self) -> nn.Module:
        settings = self.sections
        network = None
        if settings.pictures.fine_tune:
            network = make_network(settings.pictures, trained=False)
            for parameter in network.parameters():
                setattr(parameter, base.RATE, settings.pictures.fine_tune_rate)
        size = self.encoder.feature_size if network is None else network.feature_size
        return models.Captioner(settings.model, size, self.target.size, network)

    def begin(self, model: nn.Module, say: Callable[[str], None]) -> None:
        made = cast("models.Captioner", model)
        pretrained.fill(self, "embeddings", made.decoder.embedding, self.target, self._train[1], say)
        if made.encoder.network is not None:
            made.encoder.network.load_state_dict(make_network(self.sections.pictures).state_dict())

    @classmethod
    def look(cls, paths: Sequence[Path]) -> str:
        return look_captions.caption(paths)


class _Rows:
    """Names of pictures → their rows, as one id each."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        self._rows = rows

    @property
    def size(self) -> int:
        return max(self._rows.values()) + 1

    def encode_many(self, lines: Sequence[str]) -> list[text.Ids]:
        return [np.array([self._rows[line]], dtype=np.int32) for line in lines]


class _Bad:
    """Pictures that cannot be used: the first is an error, or each is left out with a warning."""

    def __init__(self, skip: bool) -> None:
        self.names: set[str] = set()
        self._skip = skip

    def meet(self, name: str, complaint: str) -> None:
        if not self._skip:
            raise UserError(f"{complaint}: {_ADVICE}")
        warnings.warn(f"left out: {complaint}", stacklevel=2)
        self.names.add(name)

    def __str__(self) -> str:
        return f"; {len(self.names):,} left out" if self.names else ""


def _place(record: text.Record) -> str:
    return at(record.path, record.line)


def _index(folder: Path) -> Path:
    return folder / "cache" / "pictures.json"


def _store(encoder: pictures.Encoder, folder: Path) -> pictures.FeatureStore:
    name = re.sub(r"[^\w.]+", "-", encoder.name)
    return pictures.FeatureStore(folder / "cache" / "features" / name, encoder)

"""Tensors to tensors: what reads, what writes, and what does both."""

from unrolled.models.bridge import Bridge
from unrolled.models.captioner import Captioner
from unrolled.models.classifier import Classifier
from unrolled.models.decoder import Decoder, DecoderState, Forced, Run
from unrolled.models.encoder import Encoded, Encoder
from unrolled.models.encoder_decoder import EncoderDecoder, ReaderWriter
from unrolled.models.ensemble import Ensemble, EnsembleState, average, mean_probability
from unrolled.models.language_model import LanguageModel, LanguageState
from unrolled.models.language_settings import LanguageModelSettings
from unrolled.models.program import Packed, Packings
from unrolled.models.reader import Sentences
from unrolled.models.reader_settings import ClassifierSettings, TaggerSettings
from unrolled.models.readout import Readout
from unrolled.models.settings import CaptionerSettings, DecoderSettings, EncoderDecoderSettings, TableSettings
from unrolled.models.tagger import Tagger, tag

__all__ = [
    "Bridge",
    "Captioner",
    "CaptionerSettings",
    "Classifier",
    "ClassifierSettings",
    "Decoder",
    "DecoderSettings",
    "DecoderState",
    "Encoded",
    "Encoder",
    "EncoderDecoder",
    "EncoderDecoderSettings",
    "Ensemble",
    "EnsembleState",
    "Forced",
    "LanguageModel",
    "LanguageModelSettings",
    "LanguageState",
    "Packed",
    "Packings",
    "ReaderWriter",
    "Readout",
    "Run",
    "Sentences",
    "TableSettings",
    "Tagger",
    "TaggerSettings",
    "average",
    "mean_probability",
    "tag",
]

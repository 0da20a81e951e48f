"""Looking inside a trained run: views as plain dataclasses, each with its pictures and its page."""

from unrolled.inspection.alignment import Alignment, Alignments, alignment
from unrolled.inspection.beam import Beam, beam
from unrolled.inspection.errors import Errors, errors
from unrolled.inspection.gates import Gates, gates
from unrolled.inspection.gradients import Gradients, gradients
from unrolled.inspection.norms import TrainingNorms, training_norms
from unrolled.inspection.opened import views
from unrolled.inspection.report import Report, report
from unrolled.inspection.view import View, check_output, write

__all__ = [
    "Alignment",
    "Alignments",
    "Beam",
    "Errors",
    "Gates",
    "Gradients",
    "Report",
    "TrainingNorms",
    "View",
    "alignment",
    "beam",
    "check_output",
    "errors",
    "gates",
    "gradients",
    "report",
    "training_norms",
    "views",
    "write",
]

"""sacreBLEU's corpus score."""

from __future__ import annotations

from typing import Any

import sacrebleu
from serve import Run, serve


def prepare(*, hypotheses: list[str], references: list[str]) -> tuple[dict[str, Any], Run]:
    def run() -> float:
        return sacrebleu.corpus_bleu(hypotheses, [references]).score

    return {"score": run()}, run


if __name__ == "__main__":
    serve(prepare)

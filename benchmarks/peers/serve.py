"""A peer's side of the conversation (see ``benchmarks/peer.py``); it does not know whose peer it is."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Run = Callable[[], object]


def serve(prepare: Callable[..., tuple[dict[str, Any], Run]]) -> None:
    """Answer the runner until it hangs up. ``prepare(**arguments)`` answers an object and one run."""
    run: Run | None = None
    for line in sys.stdin:
        message = json.loads(line)
        try:
            if message.pop("do") == "prepare":
                answer, run = prepare(**message)
            elif run is None:
                raise RuntimeError("nothing is prepared")
            else:
                answer = {"seconds": _seconds(run, message["least"])}
        except Exception as error:  # whatever goes wrong is the runner's to report
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps(answer), flush=True)


def _seconds(run: Run, least: float) -> float:
    begin = time.perf_counter()
    count = 0
    while True:
        run()
        count += 1
        passed = time.perf_counter() - begin
        if passed >= least:
            return passed / count

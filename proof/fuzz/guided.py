"""`python -m proof.fuzz.guided TARGET SECONDS FOLDER SEED`: inputs made by atheris, guided by the lines they come to.

libFuzzer keeps whatever comes to a branch that nothing came to before, in a folder of the target, which is where the
next run goes on. It ends with the time, or with what is broken first.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

__all__ = ["main"]

RESIDENT_MB = 4096


def main(arguments: list[str]) -> None:
    """Does not return: libFuzzer ends the process, with 0 where nothing was broken."""
    name, seconds, folder, seed = arguments
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["batonmq"]):
        # Here, so that nothing of the product is there that is not instrumented.
        targets = importlib.import_module("proof.fuzz.targets").TARGETS
        command = importlib.import_module("proof.fuzz.__main__")
        trying = importlib.import_module("proof.fuzz.trying")
        corpus = importlib.import_module("proof.fuzz.corpus")
    target = targets[name]
    place = Path(folder) / "guided" / name
    place.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus.kept(target)):
        (place / f"kept-{number}").write_bytes(data)
    trial = trying.Trial(target)

    def take(data: bytes) -> None:
        what = trial.fault_of(data)
        if what:
            path = command.write(trial.finding(data, what), Path(folder))
            print(f"{name}: {what.strip().splitlines()[-1][:200]}")
            print(f"  again: python -m proof.fuzz {name} --replay {path}", flush=True)
            raise AssertionError(what)

    flags = [f"-max_len={target.longest}", f"-max_total_time={seconds}", f"-seed={seed}", "-print_final_stats=1"]
    flags += [f"-rss_limit_mb={RESIDENT_MB}", f"-artifact_prefix={folder}/", "-verbosity=0"]
    with trial.watching():
        atheris.Setup([sys.argv[0], str(place), *flags], take, enable_python_coverage=True)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

"""A search's trials: taken up one by one from a study in a file, by any number of processes, and after a kill.

A trial is written with all its parameters before it begins, and its owner holds a lock on a file of its own, which the
system takes from a process that dies. Whoever comes next takes up a trial that nobody holds, under its number, or else
begins the next one. The sampler is seeded by the trial's number, so what one process proposes hangs on the earlier
trials alone, however often it was killed.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import optuna
from optuna import Study, Trial
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

STARTUP = 5  # trials before the sampler leaves chance, and before any is pruned
WARMUP = 100  # rounds before a trial may be pruned: a low learning rate begins slowly
JOURNAL = "study.log"

Objective = Callable[[Trial], float]
Suggest = Callable[[Trial], Any]


class JournalLock(JournalFileOpenLock):
    """A lock that ends with its process; optuna's own would keep the next one waiting for half a minute."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self.file = _held(Path(self._lock_file))
        return True

    def release(self) -> None:
        assert self.file
        self.file.close()


def _held(path: Path) -> IO[bytes]:
    """The file, locked until it is closed or its process ends; waits where another holds it."""
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _free(path: Path) -> IO[bytes] | None:
    """As ``_held``, but None where another holds it."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time."""
    with closing(_held(folder / "study.lock")):
        yield


def opened(folder: Path) -> Study:
    """The study of ``folder``, a new one where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / JOURNAL
    lock = JournalLock(path)
    lock.acquire()
    with path.open("a+b") as file:  # a full disk may have left half a line
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
    lock.release()
    return optuna.create_study(
        study_name="ranker",
        storage=JournalStorage(JournalFileBackend(str(path), lock)),
        direction="maximize",
        load_if_exists=True,
        pruner=MedianPruner(STARTUP, WARMUP),
    )


def proposed(trials: list[FrozenTrial], suggest: Suggest, seed: int) -> dict[str, Any]:
    """Parameters of the trial that follows ``trials``."""
    number = len(trials)
    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study = optuna.create_study(direction="maximize", sampler=TPESampler(n_startup_trials=STARTUP, seed=mixed))
    study.add_trials(trials)
    trial = study.ask()
    suggest(trial)
    return trial.params


def run(
    folder: Path, starts: list[dict[str, Any]], trials: int, suggest: Suggest, objective: Objective, seed: int
) -> list[FrozenTrial]:
    """Every trial of the study, ended: those with the parameters ``starts``, then ``trials`` that the sampler proposes.

    ``objective`` may report and raise TrialPruned; any other error leaves its trial to the next run.
    """
    study, total = opened(folder), len(starts) + trials
    with tqdm(total=total, desc="tune", unit="trial") as bar:
        while _show(bar, found := study.get_trials()[:total]) < total:
            claim = _claimed(study, folder, starts, total, suggest, seed)
            if claim is None:
                _wait(folder, found)
                continue
            trial, lock = claim
            with closing(lock):
                suggest(trial)
                try:
                    study.tell(trial, objective(trial))
                except optuna.TrialPruned:
                    study.tell(trial, state=TrialState.PRUNED)
    return found


def _claimed(
    study: Study, folder: Path, starts: list[dict[str, Any]], total: int, suggest: Suggest, seed: int
) -> tuple[Trial, IO[bytes]] | None:
    """A trial to work on and the lock that says so; None where the others work on all that are left."""
    with alone(folder):
        found = study.get_trials(deepcopy=False)[:total]
        for one in found:
            if one.state == TrialState.RUNNING and (lock := _free(_file(folder, one.number))):
                return Trial(study, one._trial_id), lock
        if all(one.state != TrialState.WAITING for one in found):
            if len(found) == total:
                return None
            here = len(found)
            study.enqueue_trial(starts[here] if here < len(starts) else proposed(found, suggest, seed))
        trial = study.ask()
        return trial, _held(_file(folder, trial.number))


def _wait(folder: Path, found: list[FrozenTrial]) -> None:
    """Until a trial that another process holds has ended, or its process has."""
    for one in found:
        if one.state == TrialState.RUNNING:
            _held(_file(folder, one.number)).close()
            return


def _file(folder: Path, number: int) -> Path:
    return folder / f"trial_{number}.lock"


def _show(bar: Any, found: list[FrozenTrial]) -> int:
    """How many trials have ended; that and the best value so far, on the bar too."""
    best = max((one.values[0] for one in found if one.state == TrialState.COMPLETE), default=None)
    bar.set_postfix_str("" if best is None else f"best MAP@12 {best:.4f}", refresh=False)
    bar.update(sum(one.state.is_finished() for one in found) - bar.n)
    return int(bar.n)


def report(trial: Trial, value: float, rounds: int, prune: bool) -> None:
    """Write down an intermediate ``value``; raise TrialPruned where earlier trials were better at that round.

    A trial that is taken up again has some already: they were judged when they were written, the last one perhaps not.
    """
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    if rounds not in known:
        trial.report(value, rounds)
    if prune and rounds >= max(known, default=0) and trial.should_prune():
        raise optuna.TrialPruned

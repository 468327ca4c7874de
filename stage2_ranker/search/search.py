"""Run a search's trials from a study in a file; several processes may share it, and a killed search resumes.

A trial is written with all its parameters before it begins. The process that runs it holds a lock on the trial's own
file. The operating system releases the lock when the process dies. The next process then resumes the unlocked trial
under its number, or begins the next trial. The sampler is seeded by the trial's number. So a proposal depends only on
the earlier trials, not on kills.
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

STARTUP = 5  # trials that are random and never pruned
WARMUP = 100  # rounds before a trial may be pruned: with a low learning rate the score rises slowly
JOURNAL = "study.log"

Objective = Callable[[Trial], float]
Suggest = Callable[[Trial], Any]


class JournalLock(JournalFileOpenLock):
    """A lock that is released when its process dies; with Optuna's own the next process waits for half a minute."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self.file = _lock(Path(self._lock_file))
        return True

    def release(self) -> None:
        assert self.file
        self.file.close()


def _lock(path: Path) -> IO[bytes]:
    """Wait for the lock on a file and return the file; closing it or the end of the process releases the lock."""
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _try_lock(path: Path) -> IO[bytes] | None:
    """Lock a file as ``_lock`` does, without waiting; None where another process holds the lock."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


@contextmanager
def lock_study(folder: Path) -> Iterator[None]:
    """Let one process at a time run the ``with`` block."""
    with closing(_lock(folder / "study.lock")):
        yield


def open_study(folder: Path) -> Study:
    """Open the study of ``folder``, a new one where there is none."""
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


def propose(trials: list[FrozenTrial], suggest: Suggest, seed: int) -> dict[str, Any]:
    """Return the parameters of the trial that follows ``trials``."""
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
    """Run all trials to their end and return them: the parameters ``starts``, then ``trials`` proposals of the sampler.

    ``objective`` may report and raise TrialPruned; after any other error the next run repeats the trial.
    """
    study, total, shown = open_study(folder), len(starts) + trials, 0
    with tqdm(total=total, desc="tune", unit="trial") as bar:
        while True:
            begun = study.get_trials()[:total]
            ended = sum(trial.state.is_finished() for trial in begun)  # not bar.n: it stays 0 where bars are off
            _show_progress(bar, begun, ended - shown)
            shown = ended
            if ended == total:
                return begun
            claim = _claim(study, folder, starts, total, suggest, seed)
            if claim is None:
                _wait(folder, begun)
                continue
            trial, lock = claim
            with closing(lock):
                suggest(trial)
                try:
                    study.tell(trial, objective(trial))
                except optuna.TrialPruned:
                    study.tell(trial, state=TrialState.PRUNED)


def _claim(
    study: Study, folder: Path, starts: list[dict[str, Any]], total: int, suggest: Suggest, seed: int
) -> tuple[Trial, IO[bytes]] | None:
    """Claim a trial to run and lock it; None where other processes run all that are left."""
    with lock_study(folder):
        begun = study.get_trials(deepcopy=False)[:total]
        for trial in begun:
            if trial.state == TrialState.RUNNING and (lock := _try_lock(_lock_path(folder, trial.number))):
                return Trial(study, trial._trial_id), lock
        if all(trial.state != TrialState.WAITING for trial in begun):
            if len(begun) == total:
                return None
            number = len(begun)
            study.enqueue_trial(starts[number] if number < len(starts) else propose(begun, suggest, seed))
        new = study.ask()
        return new, _lock(_lock_path(folder, new.number))


def _wait(folder: Path, begun: list[FrozenTrial]) -> None:
    """Wait until a trial of another process has ended, or that process has."""
    for trial in begun:
        if trial.state == TrialState.RUNNING:
            _lock(_lock_path(folder, trial.number)).close()
            return


def _lock_path(folder: Path, number: int) -> Path:
    return folder / f"trial_{number}.lock"


def _show_progress(bar: Any, begun: list[FrozenTrial], more: int) -> None:
    """Show on the bar that ``more`` trials have ended, and the best value so far."""
    best = max((trial.values[0] for trial in begun if trial.state == TrialState.COMPLETE), default=None)
    bar.set_postfix_str("" if best is None else f"best MAP@12 {best:.4f}", refresh=False)
    bar.update(more)


def report(trial: Trial, value: float, rounds: int, prune: bool) -> None:
    """Record an intermediate ``value``; raise TrialPruned where earlier trials were better at that round.

    A resumed trial has values already. Its earlier values passed the check for pruning; the last one may not have
    been checked.
    """
    recorded = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    if rounds not in recorded:
        trial.report(value, rounds)
    if prune and rounds >= max(recorded, default=0) and trial.should_prune():
        raise optuna.TrialPruned

"""The search for the ranker's parameters, in Optuna's own plots."""

import warnings

import optuna
from optuna import visualization
from optuna.trial import TrialState

from stage2_ranker.model.recipe import Best
from submissions.report.figure import PLAIN, TWELVE, Figure, Section, dressed

TARGET = "MAP@12"
LEAST = 2  # completed trials, below which nothing can be said of a parameter's importance


def tuning(study: optuna.Study, best: Best) -> Section:
    """History of the search, importances of the parameters, one slice per parameter; ``best``: what came of it."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    text = (
        f"{len(done)} trials were completed and {len(pruned)} given up early. Each is judged by the MAP@12 of weeks "
        "before the stopping weeks, which neither its training nor this page's figures use. The ranker's models are "
        f"{'those it found' if best.kept == 'found' else 'those of params.yaml'}; {best.why}."
    )
    if not done:
        return Section("tuning", "The search for parameters", f"{text} There is nothing to draw yet.")
    history = dressed(visualization.plot_optimization_history(study, target_name=TARGET), 360)
    history.update_traces(marker_color=PLAIN, line_color=TWELVE)
    figures = [
        Figure(
            "tuning-history",
            "Every trial and the best so far",
            history,
            "Each mark is a completed trial, in the order they began; the line is the best value up to there.",
        )
    ]
    names = sorted({name for trial in done for name in trial.params})
    if len(done) < LEAST:
        text += f" Importances and slices need at least {LEAST} completed trials."
    elif names:
        figures += [_importances(study, len(done)), *(_slice(study, name) for name in names)]
    return Section("tuning", "The search for parameters", text, figures=figures)


def _importances(study: optuna.Study, trials: int) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few trials tell little; the page says so
        figure = visualization.plot_param_importances(study, target_name=TARGET)
    figure.update_traces(marker_color=PLAIN, showlegend=False, cliponaxis=False)
    figure.update_xaxes(range=[0, 1.3 * max(figure.data[0].x)])
    figure = dressed(figure, 110 + 26 * len(figure.data[0].y), yaxis={"title": None}, xaxis={"title": "importance"})
    says = f"Optuna's estimate of how much each parameter moves {TARGET}, from {trials} trials; few trials tell little."
    return Figure("tuning-importances", "Importance of each parameter", figure, says)


def _slice(study: optuna.Study, name: str) -> Figure:
    figure = visualization.plot_slice(study, params=[name], target_name=TARGET)
    figure.update_traces(marker={"showscale": False, "size": 9})
    figure = dressed(figure, 280, width=None, xaxis={"title": name}, showlegend=False)
    says = f"Each mark is a completed trial: its {TARGET} at its value of the parameter; darker ones came later."
    return Figure(f"tuning-slice-{name.replace('.', '-')}", name, figure, says, half=True)

"""Build the section about the search for the ranker's parameters, with Optuna's plots."""

import warnings

import optuna
from optuna import visualization
from optuna.trial import TrialState

from stage2_ranker.model.recipe import Best
from submissions.report.figure import PLAIN, TWELVE, Figure, Section, apply_style

TARGET = "MAP@12"
LEAST_TRIALS = 2  # completed trials that the plots of the parameters need


def build_tuning_section(study: optuna.Study, best: Best) -> Section:
    """Build the section: history of the search, importance of the parameters, one plot per parameter.

    ``best``: the models that the search kept, and why.
    """
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    text = (
        f"The search completed {len(completed)} trials and stopped {len(pruned)} early. A trial's score is its MAP@12 "
        "on the tuning weeks, which lie before the held-out weeks. No trial is trained on the tuning weeks, and the "
        "scores in the other sections are of the held-out weeks. The ranker uses the models of "
        f"{'the search' if best.kept == 'found' else 'params.yaml'}: {best.why}."
    )
    if not completed:
        return Section("tuning", "Parameter search", f"{text} There are no completed trials to plot yet.")
    history = apply_style(visualization.plot_optimization_history(study, target_name=TARGET), 360)
    history.update_traces(marker_color=PLAIN, line_color=TWELVE)
    figures = [
        Figure(
            "tuning-history",
            "Score of each trial",
            history,
            "Each point is a completed trial, in order of start. The line shows the best score so far; higher is "
            "better.",
        )
    ]
    names = sorted({name for trial in completed for name in trial.params})
    if len(completed) < LEAST_TRIALS:
        text += f" The plots of the parameters need at least {LEAST_TRIALS} completed trials."
    elif names:
        figures += [_plot_importances(study, len(completed)), *(_plot_slice(study, name) for name in names)]
    return Section("tuning", "Parameter search", text, figures=figures)


def _plot_importances(study: optuna.Study, trials: int) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna warns about few trials; the caption says so
        figure = visualization.plot_param_importances(study, target_name=TARGET)
    figure.update_traces(marker_color=PLAIN, showlegend=False, cliponaxis=False)
    figure.update_xaxes(range=[0, 1.3 * max(figure.data[0].x)])
    figure = apply_style(figure, 110 + 26 * len(figure.data[0].y), yaxis={"title": None}, xaxis={"title": "importance"})
    caption = (
        f"A bar shows Optuna's estimate of how much the parameter affects {TARGET}; all bars add up to 1. "
        f"It is based on {trials} trials; with few trials the estimate is rough."
    )
    return Figure("tuning-importances", "Importance of each parameter", figure, caption)


def _plot_slice(study: optuna.Study, name: str) -> Figure:
    figure = visualization.plot_slice(study, params=[name], target_name=TARGET)
    figure.update_traces(marker={"showscale": False, "size": 9})
    figure = apply_style(figure, 280, width=None, xaxis={"title": name}, showlegend=False)
    caption = f"Each point is a completed trial: its {TARGET} and its value of the parameter. Later trials are darker."
    return Figure(f"tuning-slice-{name.replace('.', '-')}", name, figure, caption, half=True)

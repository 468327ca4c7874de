"""Test the training loop: it keeps the best epoch, is deterministic, and resumes a killed training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from retail.log import Array
from stage1_candidates.engine.blocks import Training
from stage1_candidates.networks.base import several_devices, training
from stage1_candidates.networks.base import weights as stored
from stage1_candidates.networks.base.training import Curve

SETTINGS = Training(
    epochs=5, patience=5, learning_rate=0.01, weight_decay=0.0, decoupled=True, warmup=0.1, clip=1.0,
    precision="32-true", devices=1,
)  # fmt: skip
Batch = tuple[Tensor, Tensor]


class KilledError(Exception):
    pass


class Sum(nn.Module):
    """A network that learns the sum of four numbers; dropout draws in every training step."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def loss(self, batch: Batch) -> Tensor:
        loss: Tensor = ((self.layers(batch[0])[:, 0] - batch[1]) ** 2).mean()
        return loss


def batches(epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng([1, epoch])
    for _ in range(6):
        x = torch.tensor(rng.normal(size=(16, 4)), dtype=torch.float32)
        yield x, x.sum(1)


class Measure:
    """Return the given metrics, one per epoch; raise after ``alive`` epochs."""

    def __init__(self, metrics: list[float], alive: int = 99) -> None:
        self.metrics, self.alive, self.trained = metrics, alive, False

    def __call__(self, network: nn.Module) -> float:
        self.trained = self.trained or network.training
        if self.alive == 0:
            raise KilledError
        self.alive -= 1
        return self.metrics.pop(0)


def run(folder: Path, measure: Measure, settings: Training = SETTINGS) -> tuple[Curve, dict[str, Array]]:
    torch.manual_seed(3)
    network = Sum()
    curve = training.train(network, batches, 6, measure, settings, 7, folder, "sum")
    assert not network.training
    return curve, stored.arrays(network)


def same(left: dict[str, Array], right: dict[str, Array]) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    curve, best = run(tmp_path / "a", Measure([0.1, 0.5, 0.3, 0.5, 0.2]))
    assert curve.metric == [0.1, 0.5, 0.3, 0.5, 0.2] and curve.best == 1 and len(curve.loss) == 5
    two = SETTINGS.model_copy(update={"epochs": 2, "warmup": 0.25})  # the same number of warm-up steps
    _, second = run(tmp_path / "b", Measure([0.1, 0.5]), two)
    assert same(best, second)


def test_training_ends_without_improvement(tmp_path: Path) -> None:
    patient = SETTINGS.model_copy(update={"patience": 2})
    curve, _ = run(tmp_path, Measure([0.1, 0.5, 0.4, 0.5, 0.9]), patient)
    assert curve.metric == [0.1, 0.5, 0.4, 0.5]


def test_the_metric_is_measured_without_dropout(tmp_path: Path) -> None:
    measure = Measure([0.1, 0.2, 0.3, 0.4, 0.5])
    run(tmp_path, measure)
    assert not measure.trained


@pytest.mark.parametrize("alive", [0, 1, 3])
def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path, alive: int) -> None:
    metrics = [0.1, 0.5, 0.3, 0.6, 0.2]
    whole, weights = run(tmp_path / "whole", Measure(metrics[:]))
    with pytest.raises(KilledError):
        run(tmp_path / "killed", Measure(metrics[:], alive))
    resumed, resumed_weights = run(tmp_path / "killed", Measure(metrics[alive:]))
    assert resumed == whole and same(weights, resumed_weights)


def test_an_ended_training_is_not_repeated(tmp_path: Path) -> None:
    for name, settings, metrics in (
        ("epochs", SETTINGS, [0.1, 0.5, 0.3, 0.4, 0.2]),
        ("patience", SETTINGS.model_copy(update={"patience": 1}), [0.2, 0.1]),
    ):
        first = run(tmp_path / name, Measure(metrics[:]), settings)
        second = run(tmp_path / name, Measure([]), settings)
        assert second[0] == first[0] and same(second[1], first[1])


def test_training_is_deterministic_and_depends_on_the_seed(tmp_path: Path) -> None:
    metrics = [0.1, 0.2, 0.3, 0.4, 0.5]
    first, second = (run(tmp_path / name, Measure(metrics[:]))[1] for name in "ab")
    assert same(first, second)
    torch.manual_seed(3)
    other = Sum()
    training.train(other, batches, 6, Measure(metrics[:]), SETTINGS, 8, tmp_path / "c", "sum")
    assert not same(first, stored.arrays(other))


def test_two_processes_share_the_batches(tmp_path: Path) -> None:
    two = SETTINGS.model_copy(update={"devices": 2, "epochs": 2})
    curve, weights = run(tmp_path / "two", Measure([0.1, 0.5]), two)
    repeated, repeated_weights = run(tmp_path / "again", Measure([0.1, 0.5]), two)
    assert curve.metric == [0.1, 0.5] and curve == repeated and same(weights, repeated_weights)
    _, alone = run(tmp_path / "alone", Measure([0.1, 0.5]), SETTINGS.model_copy(update={"epochs": 2}))
    assert not same(weights, alone)  # two devices take half the steps with twice the batch


def test_the_plain_loop_trains_as_lightning_does(tmp_path: Path) -> None:
    """Warm-up, clipping and dropout included: the same losses and weights, bit for bit."""
    metrics = [0.1, 0.5, 0.3, 0.4, 0.6]
    settings = SETTINGS.model_copy(update={"clip": 0.5, "weight_decay": 0.1})
    plain, weights = run(tmp_path / "plain", Measure(metrics[:]), settings)
    torch.manual_seed(3)
    network = Sum()
    curve = several_devices.train(network, batches, 6, Measure(metrics[:]), settings, 7, tmp_path / "other", "sum")
    assert curve == plain and same(weights, stored.arrays(network))


def test_without_a_metric_the_last_epoch_is_kept_and_the_rate_falls(tmp_path: Path) -> None:
    """Six steps an epoch, two epochs, warm-up of three steps: the rate rises to its third, then falls by twelfths."""
    settings = SETTINGS.model_copy(update={"epochs": 2, "patience": 1, "warmup": 0.25})
    torch.manual_seed(3)
    network = Sum()
    optimiser, schedule = training.make_optimiser(network, 6, settings, falls=True)
    rates = []
    for _ in range(12):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    scale = [1 / 3, 2 / 3, 10 / 12, 9 / 12, 8 / 12, 7 / 12, 6 / 12, 5 / 12, 4 / 12, 3 / 12, 2 / 12, 1 / 12]
    assert np.allclose(rates, np.array(scale) * 0.01)
    curve = training.train(network, batches, 6, None, settings, 7, tmp_path / "plain", "sum")
    assert curve.metric == [0.0, 1.0] and curve.best == 1 and not network.training
    torch.manual_seed(3)
    other = Sum()
    assert several_devices.train(other, batches, 6, None, settings, 7, tmp_path / "lightning", "sum") == curve
    assert same(stored.arrays(network), stored.arrays(other))


def test_half_precision_trains_close_to_full_precision(tmp_path: Path) -> None:
    metrics = [0.1, 0.2, 0.3, 0.4, 0.5]
    half = SETTINGS.model_copy(update={"precision": "bf16-mixed"})
    (full_curve, full), (half_curve, other) = (
        run(tmp_path / settings.precision, Measure(metrics[:]), settings) for settings in (SETTINGS, half)
    )
    assert not same(full, other) and other["layers.0.weight"].dtype == np.float32
    assert np.allclose(full_curve.loss, half_curve.loss, rtol=0.05)


def test_weights_convert_to_arrays_and_back() -> None:
    torch.manual_seed(1)
    network, other = Sum(), Sum()
    weights = stored.arrays(network)
    assert not same(weights, stored.arrays(other))
    assert same(weights, stored.arrays(stored.with_arrays(other, weights)))

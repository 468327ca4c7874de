"""The blocks of params.yaml that sources and networks extend, and the weeks in which a network is trained."""

from typing import Annotated, Literal

from pydantic import Field

from retail.params import Block, NotNegative, Positive, Share
from retail.weeks import Plan


class Source(Block):
    use: bool  # switched off, a source proposes nothing and leaves the pool's columns
    take: Positive  # candidates per customer

    @property
    def proposes(self) -> bool:
        return self.use

    @property
    def scores(self) -> bool:
        return self.use


class Training(Block):
    epochs: Positive  # at most
    patience: Positive  # epochs without a better validation metric before the end
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    decoupled: bool  # AdamW (decay separate from the gradient) or Adam (decay within it)
    warmup: Share  # of all steps, the learning rate rising from 0
    clip: Annotated[float, Field(ge=0)]  # largest norm of the gradient; 0: unbounded
    precision: Literal["32-true", "bf16-mixed"]
    devices: Positive  # GPUs, or processes where there is none; batches are split among them


class Network(Block):
    use: bool  # switched off, it is not trained and serves for nothing
    source: bool  # it proposes candidates
    score: bool  # its score of every pair of the pool is a feature
    take: Positive  # candidates per customer
    answer: Block  # how the trained network proposes and scores; a change needs no new training
    retrain_every: NotNegative  # label weeks from one training to the next; 0: train at the first and to submit only
    training: Training

    @property
    def proposes(self) -> bool:
        return self.use and self.source

    @property
    def scores(self) -> bool:
        return self.use and self.score

    def training_weeks(self, plan: Plan) -> list[int]:
        """List the label weeks before which the network is trained, ascending.

        A label week uses the last training that is not after it. The first training comes before the first label week,
        the last before the submission. In between, trainings are ``retrain_every`` weeks apart. The first gaps are
        shorter, at most one more than the weeks before the earlier training: what a network learns from the first days
        of a log soon is out of date.
        """
        trained, every = [plan.labelled[0]], self.retrain_every
        while every and (later := trained[-1] + min(every, trained[-1] + 1)) < plan.submission:
            trained.append(later)
        return [*trained, plan.submission]

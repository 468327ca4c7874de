"""Define the blocks of params.yaml that sources and networks extend."""

from typing import Annotated, Literal

from pydantic import Field

from retail.params import Block, NotNegative, Positive, Share
from retail.weeks import Plan


class Source(Block):
    use: bool  # if false, the source proposes nothing and has no columns in the pool
    take: Positive  # candidates per customer

    @property
    def proposes(self) -> bool:
        return self.use

    @property
    def scores(self) -> bool:
        return self.use


class Training(Block):
    epochs: Positive  # at most
    patience: Positive  # epochs without a better validation metric before training stops
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    decoupled: bool  # AdamW (decay separate from the gradient) or Adam (decay within it)
    warmup: Share  # share of all steps in which the learning rate rises from 0
    clip: Annotated[float, Field(ge=0)]  # largest norm of the gradient; 0: unbounded
    precision: Literal["32-true", "bf16-mixed"]
    devices: Positive  # GPUs, or processes where there is none; batches are split among them


class Network(Block):
    use: bool  # if false, the network is neither trained nor used
    source: bool  # it proposes candidates
    score: bool  # its score of every pair of the pool is a feature
    take: Positive  # candidates per customer
    answer: Block  # how the trained network proposes and scores; a change needs no retraining
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

        A label week uses its latest earlier training. The first training precedes the first label week, and the last
        one precedes the submission. In between, trainings are ``retrain_every`` weeks apart. The first gaps are
        shorter, at most one week longer than the history of the earlier training. A network trained on a short history
        soon becomes outdated.
        """
        trained, every = [plan.labelled[0]], self.retrain_every
        while every and (later := trained[-1] + min(every, trained[-1] + 1)) < plan.submission:
            trained.append(later)
        return [*trained, plan.submission]

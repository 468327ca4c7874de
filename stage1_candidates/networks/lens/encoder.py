"""Encode a customer's baskets as one vector: session content encoder (SCE) and funnel behaviour encoder (FBE).

Source: Damian et al. 2019, III.B and Fig. 1.
"""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from retail.params import Block, Days, Positive, Share
from stage1_candidates.networks.lens.rows import FEATURES, HABITS, Batch, Reading

BEGIN = -4.0  # initial logit of an own article bought once recently, where sales are an input
OVER = 4.0  # initial margin of this logit above those of other articles, where sales are not an input
UNKNOWN = 0.1  # share of the training rows whose customer is hidden, so that the network can serve new customers


class Shape(Block):
    """The shape of the networks; a list has one entry per layer."""

    item_width: Positive  # of an article's vector
    user_width: Positive | None  # of a customer's vector; null: a customer is described by the baskets alone
    sce: list[Positive] = Field(min_length=1)  # hidden units of each direction, over the articles of a basket
    fbe: list[Positive] = Field(min_length=1)  # over the baskets
    nsd: list[Positive] = Field(min_length=1)  # over the articles of the basket that is decoded
    dropout: Share
    start: Literal["cold", "warm", "frozen"]  # article vectors start: random; from baskets; from baskets, not trained
    order: Literal["frequent", "drawn"]  # training order of a basket's articles: best seller first; random each time
    # stop: a basket ends where the end is likelier than any article (likeliest), likelier than not (even), or at the
    # length with the best expected F1, all articles being decoded from the first step (best)
    stop: Literal["likeliest", "even", "best"]
    bonus: Positive | None  # hidden units of the bonus to own articles; null: none, as in the paper
    sales_half_life: Days | None  # days; the shop's decayed sales are an input; null: they are not, as in the paper
    reading: Reading

    @model_validator(mode="after")
    def _check_stop(self) -> "Shape":
        if self.stop == "best" and self.order != "drawn":
            raise ValueError("stop best needs order drawn: it decodes baskets from the probabilities of the first step")
        return self


class BiLstm(nn.Module):
    """LSTM layers in both directions over the first ``length`` places of each row; later places are ignored."""

    def __init__(self, width: int, hidden: list[int]) -> None:
        super().__init__()
        widths = [width, *(2 * h for h in hidden)]
        self.ahead = nn.ModuleList(nn.LSTM(w, h, batch_first=True) for w, h in zip(widths, hidden, strict=False))
        self.back = nn.ModuleList(nn.LSTM(w, h, batch_first=True) for w, h in zip(widths, hidden, strict=False))

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        """Compute the final states of both directions (R, 2h) for x (R, L, d); 0 where ``length`` is 0."""
        place = torch.arange(x.shape[1], device=x.device)
        turn = torch.where(place < length[:, None], length[:, None] - 1 - place, place)[..., None]  # (R, L, 1)
        for ahead, back in zip(self.ahead, self.back, strict=True):
            forward = ahead(x)[0]  # (R, L, h)
            backward = back(x.gather(1, turn.expand_as(x)))[0]
            x = torch.cat([forward, backward.gather(1, turn.expand_as(backward))], dim=2)  # (R, L, 2h)
        row, last = torch.arange(len(x), device=x.device), (length - 1).clamp(min=0)
        final = torch.cat([forward[row, last], backward[row, last]], dim=1)
        return final * (length > 0)[:, None]


class Encoder(nn.Module):
    """Encode baskets in two levels.

    SCE reads the articles of each basket and gives its vector. FBE reads these vectors, the baskets' features and the
    customer's vector, and gives the sequence vector (the paper's funnel vector).
    """

    def __init__(self, articles: int, users: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(articles + 1, shape.item_width, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=shape.item_width**-0.5)
        with torch.no_grad():
            self.embed.weight[0] = 0
        self.embed.weight.requires_grad = shape.start != "frozen"
        self.user = nn.Embedding(users + 1, shape.user_width) if shape.user_width else None
        self.known = nn.Buffer(torch.zeros(users, dtype=torch.bool))
        if self.user is not None:
            nn.init.uniform_(self.user.weight, -0.05, 0.05)
        self.drop = nn.Dropout(shape.dropout)
        self.sce = BiLstm(shape.item_width, shape.sce)
        self.fbe = BiLstm(2 * shape.sce[-1] + FEATURES + (shape.user_width or 0), shape.fbe)

    @property
    def width(self) -> int:
        """Return the width of the sequence vector."""
        return 2 * self.shape.fbe[-1]

    def initialise(self, vectors: Tensor, users: Tensor) -> None:
        """Initialise the article vectors at ``vectors`` (V, d), unless ``start`` is cold; mark training ``users``."""
        with torch.no_grad():
            if self.shape.start != "cold":
                self.embed.weight[1:] = vectors
            self.known[users] = True

    def forward(self, batch: Batch) -> Tensor:
        """Compute the sequence vector (B, width); 0 for a customer without a basket."""
        b, w, n = batch.token.shape
        token = batch.token.reshape(b * w, n)
        count = (token > 0).sum(1)  # (B * W,) articles of each basket
        filled = (torch.arange(w, device=token.device) < batch.baskets[:, None]).reshape(-1)
        if self.training:  # skip empty baskets; prediction keeps them, because its shapes are fixed (see answers.py)
            content = torch.zeros(b * w, 2 * self.shape.sce[-1], device=token.device)
            content[filled] = self.sce(self.drop(self.embed(token[filled])), count[filled])
        else:
            content = self.sce(self.embed(token), count)
        steps = [self.drop(content.reshape(b, w, -1)), batch.features]
        if self.user is not None:
            steps.append(self.user(self.find_rows(batch.user))[:, None].expand(-1, w, -1))
        vector: Tensor = self.fbe(torch.cat(steps, dim=2), batch.baskets)  # (B, W, ...) -> (B, width)
        return vector

    def find_rows(self, user: Tensor) -> Tensor:
        """Find the row (B,) of each customer's vector, 0 for a customer outside the training data."""
        known = self.known[user]
        if self.training:
            known = known & (torch.rand(len(user), device=user.device) >= UNKNOWN)
        return torch.where(known, user + 1, 0)


class Bonus(nn.Module):
    """Compute a bonus for the logits of the customer's own articles: a . habit + relu(B habit + C vector) . d.

    It starts at BEGIN + log(count with the first half-life), minus the article's log share of sales where sales are an
    input. An own article is then the likelier, the more often and recently the customer bought it.

    The bonus is not in the paper. It follows the pointers of copy mechanisms (See, Liu, Manning, ACL 2017).
    """

    def __init__(self, sequence: int, hidden: int, half_lives: int, sales: bool) -> None:
        super().__init__()
        self.plain = nn.Linear(HABITS + half_lives + sales, 1)
        self.habit = nn.Linear(HABITS + half_lives + sales, hidden)
        self.sequence = nn.Linear(sequence, hidden, bias=False)
        self.out = nn.Linear(hidden, 1, bias=False)
        with torch.no_grad():
            self.plain.weight.zero_()
            self.plain.weight[0, HABITS] = 1
            if sales:
                self.plain.weight[0, -1] = -1
            self.plain.bias.fill_(BEGIN if sales else OVER)
            self.out.weight.mul_(0.1)

    def forward(self, habit: Tensor, vector: Tensor) -> Tensor:
        """Compute the bonus (B, O) for habit (B, O, ...), whose last feature is the log share of sales, if an input."""
        mixed = torch.relu(self.habit(habit) + self.sequence(vector)[:, None])  # (B, O, hidden)
        value: Tensor = (self.plain(habit) + self.out(mixed))[..., 0]
        return value

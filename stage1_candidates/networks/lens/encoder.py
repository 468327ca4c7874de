"""SCE and FBE: from a customer's baskets to one vector (Damian et al. 2019, III.B and Fig. 1)."""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from retail.params import Block, Days, Positive, Share
from stage1_candidates.networks.lens.rows import FEATURES, HABITS, Batch, Reading

BEGIN = -4.0  # log-odds of an own article bought once of late; BEGIN and OVER are where the training begins, no more
OVER = 4.0  # what such an article has over others, where sales are not read
UNKNOWN = 0.1  # share of the training rows whose customer is hidden, so that a new one can be answered


class Shape(Block):
    """What the networks look like; a list has one entry per layer."""

    item_width: Positive  # of an article's vector
    user_width: Positive | None  # of a customer's vector; null: customers are known by their baskets alone
    sce: list[Positive] = Field(min_length=1)  # hidden units of each direction, over the articles of a basket
    fbe: list[Positive] = Field(min_length=1)  # over the baskets
    nsd: list[Positive] = Field(min_length=1)  # over the articles of the basket that is decoded
    dropout: Share
    start: Literal["cold", "warm", "frozen"]  # of the articles' vectors: random, from baskets, from baskets for good
    order: Literal["frequent", "drawn"]  # a basket is learned with its most sold article first, or in ever new orders
    stop: Literal["likeliest", "even", "best"]  # a basket ends where its end is likelier than any article, or likelier
    # than not; best: it is named at once, in the length that promises the best F1
    bonus: Positive | None  # hidden units of the bonus to own articles; null: the paper's model
    sales_half_life: Days | None  # days, of the shop's sales that are read beside the funnel; null: the paper's model
    reading: Reading

    @model_validator(mode="after")
    def _best_of_drawn(self) -> "Shape":
        if self.stop == "best" and self.order != "drawn":
            raise ValueError("stop best reads chances off the first step, which has them where order is drawn")
        return self


class BiLstm(nn.Module):
    """LSTM layers in both directions over the first ``length`` places of each row; what lies behind says nothing."""

    def __init__(self, width: int, hidden: list[int]) -> None:
        super().__init__()
        widths = [width, *(2 * h for h in hidden)]
        self.ahead = nn.ModuleList(nn.LSTM(w, h, batch_first=True) for w, h in zip(widths, hidden, strict=False))
        self.back = nn.ModuleList(nn.LSTM(w, h, batch_first=True) for w, h in zip(widths, hidden, strict=False))

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        """(R, 2h) the final states of both directions, of x (R, L, d); 0 where ``length`` is 0."""
        place = torch.arange(x.shape[1], device=x.device)
        turn = torch.where(place < length[:, None], length[:, None] - 1 - place, place)[..., None]  # (R, L, 1)
        for ahead, back in zip(self.ahead, self.back, strict=True):
            one = ahead(x)[0]  # (R, L, h)
            turned = back(x.gather(1, turn.expand_as(x)))[0]
            x = torch.cat([one, turned.gather(1, turn.expand_as(turned))], dim=2)  # (R, L, 2h)
        row, last = torch.arange(len(x), device=x.device), (length - 1).clamp(min=0)
        final = torch.cat([one[row, last], turned[row, last]], dim=1)
        return final * (length > 0)[:, None]


class Encoder(nn.Module):
    """Articles of each basket -> SCE -> basket vector; with its features and the customer's vector -> FBE -> funnel."""

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
        """Of the funnel vector."""
        return 2 * self.shape.fbe[-1]

    def begin(self, vectors: Tensor, users: Tensor) -> None:
        """Begin at ``vectors`` (V, d) of the articles where the start is warm; ``users`` are those to be trained on."""
        with torch.no_grad():
            if self.shape.start != "cold":
                self.embed.weight[1:] = vectors
            self.known[users] = True

    def forward(self, batch: Batch) -> Tensor:
        """(B, width) the funnel vector; 0 for a customer without a basket."""
        b, w, n = batch.token.shape
        token = batch.token.reshape(b * w, n)
        held = (token > 0).sum(1)  # (B * W,) articles of each basket
        real = (torch.arange(w, device=token.device) < batch.baskets[:, None]).reshape(-1)
        if self.training:  # an answer's work has one shape, whoever else is asked
            content = torch.zeros(b * w, 2 * self.shape.sce[-1], device=token.device)
            content[real] = self.sce(self.drop(self.embed(token[real])), held[real])
        else:
            content = self.sce(self.embed(token), held)
        steps = [self.drop(content.reshape(b, w, -1)), batch.features]
        if self.user is not None:
            steps.append(self.user(self.who(batch.user))[:, None].expand(-1, w, -1))
        funnel: Tensor = self.fbe(torch.cat(steps, dim=2), batch.baskets)  # (B, W, ...) -> (B, width)
        return funnel

    def who(self, user: Tensor) -> Tensor:
        """(B,) row of each customer's vector, 0 for one that was not trained on."""
        seen = self.known[user]
        if self.training:
            seen = seen & (torch.rand(len(user), device=user.device) >= UNKNOWN)
        return torch.where(seen, user + 1, 0)


class Bonus(nn.Module):
    """What is added to the logits of the customer's own articles: a . habit + relu(B habit + C funnel) . d.

    It begins at BEGIN + log(count with the first half-life) - the article's log share of sales, where they are read: an
    article of one's own is then as likely as it was bought often and lately, whatever others buy.

    Not in the paper; after the pointers of copy mechanisms (See, Liu, Manning, ACL 2017).
    """

    def __init__(self, funnel: int, hidden: int, half_lives: int, sales: bool) -> None:
        super().__init__()
        self.plain = nn.Linear(HABITS + half_lives + sales, 1)
        self.habit = nn.Linear(HABITS + half_lives + sales, hidden)
        self.funnel = nn.Linear(funnel, hidden, bias=False)
        self.out = nn.Linear(hidden, 1, bias=False)
        with torch.no_grad():
            self.plain.weight.zero_()
            self.plain.weight[0, HABITS] = 1
            if sales:
                self.plain.weight[0, -1] = -1
            self.plain.bias.fill_(BEGIN if sales else OVER)
            self.out.weight.mul_(0.1)

    def forward(self, habit: Tensor, funnel: Tensor) -> Tensor:
        """(B, O) of habit (B, O, ...), the last number being the log share of sales where they are read."""
        mixed = torch.relu(self.habit(habit) + self.funnel(funnel)[:, None])  # (B, O, hidden)
        value: Tensor = (self.plain(habit) + self.out(mixed))[..., 0]
        return value

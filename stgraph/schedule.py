"""What changes in the course of a training: the learning rate and the momentum of batch norms."""

import math

from stgraph.params import OptimSettings


def learning_rate(optim: OptimSettings, step: int, batches: int, spent: float) -> float:
    """Of a step, counted over all epochs of so many batches; `spent` is the share of the minutes that is used up."""
    if optim.schedule == "cosine":
        passed = min(max(step / (optim.epochs * batches), spent), 1.0)
        return optim.lr * (1 + math.cos(math.pi * passed)) / 2
    return optim.lr * optim.decay ** (step // (optim.decay_steps or batches))


def norm_momentum(optim: OptimSettings, epoch: int) -> float | None:
    """Of an epoch's batch norms: geometric from the first to the last; None where they stay as they were built."""
    if optim.norm_momentum is None:
        return None
    first, last = optim.norm_momentum
    return first * (last / first) ** (epoch / max(optim.epochs - 1, 1))


def by_epochs(optim: OptimSettings) -> bool:
    """Whether a step's rates depend on how many epochs there will be: then their number cannot change on the way."""
    return optim.schedule == "cosine" or optim.norm_momentum is not None

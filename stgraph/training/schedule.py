"""The optimizer, averaged weights, and the schedules of the learning rate and of the momentum of batch norms."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from stgraph.settings.sections import OptimSettings
from stgraph.training.muon import Muon


def optimizer_for(model: nn.Module, optim: OptimSettings) -> torch.optim.Optimizer:
    """AdamW, SGD with Nesterov's momentum, or Muon."""
    shared: dict[str, Any] = {"lr": optim.lr, "weight_decay": optim.weight_decay, "fused": True}
    if optim.name == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=optim.momentum, nesterov=True, **shared)
    if optim.name == "muon":
        return Muon(model, optim.momentum, amsgrad=optim.amsgrad, **shared)
    return torch.optim.AdamW(model.parameters(), amsgrad=optim.amsgrad, **shared)


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model whose weights and norms follow as exponential moving averages.

    The decay grows to its value as (1 + n) / (10 + n) over n steps, so that the first weights are soon forgotten.
    """

    def update(averages: PARAM_LIST, currents: PARAM_LIST, steps: Tensor | int) -> None:
        if averages[0].is_floating_point():
            number = float(steps)  # read once for all weights, which on a GPU waits for it
            get_ema_multi_avg_fn(min(decay, (1 + number) / (10 + number)))(averages, currents, steps)
            return
        for average, current in zip(averages, currents, strict=True):
            average.copy_(current)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)


def learning_rate(optim: OptimSettings, step: int, batches: int, spent: float) -> float:
    """Of a step, counted over all epochs of so many batches; `spent` is the share of the minutes that is used up.

    While it warms up it grows linearly to what it is afterwards; a cosine falls from there on.
    """
    epoch, warm_up = step / batches, optim.warm_up
    lr = optim.lr * min(1, (step + 1) / (warm_up * batches)) if warm_up else optim.lr
    if optim.schedule == "cosine":
        passed = max((epoch - warm_up) / (optim.epochs - warm_up), spent if epoch > warm_up else 0)
        return lr * (1 + math.cos(math.pi * min(max(passed, 0), 1))) / 2
    decays = sum(epoch >= at for at in optim.decay_at) if optim.decay_at else step // (optim.decay_steps or batches)
    return lr * optim.decay**decays


def norm_momentum(optim: OptimSettings, epoch: int) -> float | None:
    """Of an epoch's batch norms: geometric from the first to the last; None where they stay as they were built."""
    if optim.norm_momentum is None:
        return None
    first, last = optim.norm_momentum
    return first * (last / first) ** (epoch / max(optim.epochs - 1, 1))


def by_epochs(optim: OptimSettings) -> bool:
    """Whether a step's rates depend on how many epochs there will be: then their number cannot change on the way."""
    return optim.schedule == "cosine" or optim.norm_momentum is not None

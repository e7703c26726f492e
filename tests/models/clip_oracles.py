"""What tests of recognisers share: parts of their equations written as loops, and a small set to be learned."""

import torch
from torch.nn import functional as F

from stgraph.models.layers.branches import Branches
from stgraph.skeleton import Skeleton

STAR = Skeleton("star", ("C", "L", "R", "Up", "Top"), (-1, 0, 0, 0, 3), (1,), (2,))
AGAIN = [3, 4, 0, 2, 1]  # the star's joints in another order


def reordered() -> Skeleton:
    """The star with its joints in another order."""
    parents = [STAR.parents[joint] for joint in AGAIN]
    places = tuple(AGAIN.index(parent) if parent >= 0 else -1 for parent in parents)
    return Skeleton("again", tuple(STAR.names[joint] for joint in AGAIN), places)


def with_random_norms(module: torch.nn.Module) -> torch.nn.Module:
    for norm in (part for part in module.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -1, 1)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    return module


def normed(x: torch.Tensor, norm: torch.nn.BatchNorm2d, first: int = 0) -> torch.Tensor:
    """Fixed statistics applied as they are defined, to channels from `first` on."""
    part = slice(first, first + x.shape[1])
    column = [value[part, None, None] for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    mean, variance, weight, bias = column
    return (x - mean) / (variance + norm.eps).sqrt() * weight + bias


def literal_branches(module: Branches, x: torch.Tensor, dilations: tuple, kernel: int) -> torch.Tensor:
    """Every branch by itself, frame by frame and tap by tap."""
    frames, stride, results, begin = x.shape[2], module.stride, [], 0
    for branch, width in enumerate(module.widths):
        rows = module.lift.weight[begin : begin + width, :, 0, 0]
        lifted = F.relu(normed(torch.einsum("dc,bctj->bdtj", rows, x), module.lift_norm, begin))
        kept = []
        for t in range(0, frames, stride):
            if branch < len(dilations):
                taps = [(tap, t + (tap - kernel // 2) * dilations[branch]) for tap in range(kernel)]
                weight = module.convs[branch].weight[..., 0]
                seen = [(weight[:, :, tap], lifted[:, :, at]) for tap, at in taps if 0 <= at < frames]
                kept.append(sum(torch.einsum("dc,bcj->bdj", tap, frame) for tap, frame in seen))
            else:
                kept.append(lifted[:, :, max(t - 1, 0) : t + 2].amax(dim=2))
        results.append(torch.stack(kept, dim=2))
        begin += width
    results.append(torch.einsum("dc,bctj->bdtj", module.plain.weight[..., 0, 0], x[:, :, ::stride]))
    return normed(torch.cat(results, dim=1), module.norm)


def literal_residual(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What goes around."""
    if isinstance(module, torch.nn.Identity):
        return x
    weight, stride = module.conv.weight[..., 0, 0], module.conv.stride[0]
    return normed(torch.einsum("dc,bctj->bdtj", weight, x[:, :, ::stride]), module.norm)


def literal_data_norm(norm: torch.nn.BatchNorm1d, x: torch.Tensor) -> torch.Tensor:
    """Every coordinate of every joint by itself."""
    y = torch.empty_like(x)
    for joint in range(x.shape[3]):
        for channel in range(x.shape[1]):
            at = x.shape[1] * joint + channel
            centred = (x[:, channel, :, joint] - norm.running_mean[at]) / (norm.running_var[at] + norm.eps).sqrt()
            y[:, channel, :, joint] = centred * norm.weight[at] + norm.bias[at]
    return y


def sines(clips: int = 60, frames: int = 16, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips in which one joint, which tells the class, swings; and the classes."""
    random = torch.Generator().manual_seed(0)
    label = torch.arange(clips) % classes
    time = torch.arange(frames)[:, None] * torch.empty(clips, 1, 1).uniform_(0.3, 0.8, generator=random)
    phase = torch.empty(clips, 1, 1).uniform_(0, 6, generator=random)
    x = 0.2 * torch.randn(clips, 3, frames, len(STAR), generator=random)
    x[torch.arange(clips), 0, :, label] += (time + phase).sin()[..., 0]
    return x, label


def training_accuracy(model: torch.nn.Module, steps: int = 60) -> float:
    """Share of the swinging joints that are recognised after some steps on batches of 15."""
    x, label = sines()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    for step in range(steps):
        batch = torch.arange(15) * 4 + step % 4
        scores = model.train()(x[batch])["action"].mean(dim=(2, 3))
        optimizer.zero_grad()
        F.cross_entropy(scores, label[batch]).backward()
        optimizer.step()
    return (model.eval()(x)["action"].mean(dim=(2, 3)).argmax(dim=1) == label).float().mean().item()

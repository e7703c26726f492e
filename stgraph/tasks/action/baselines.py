"""Baselines of recognisers: the nearest training clip, and the largest class."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.scoring.clip_scores import ClipScores
from stgraph.tasks.action.samples import Clips

NEIGHBOURS_AT_ONCE = 64
NEAREST, LARGEST = "nearest neighbour", "largest class"
MOST = 2e11  # products of a search for neighbours that an evaluation makes by the way: some seconds


def baselines(train: Clips, test: Clips, scores: ClipScores, most: float) -> dict[str, ClipScores]:
    """The test clips of `scores`, each with the class of its nearest training clip, and all with the largest class.

    Args:
        most: products that the search for the nearest may take; it is left out above.
    """
    label, one_hot = train.labels, torch.eye(len(scores.classes), device=train.labels.device)
    recognised = {LARGEST: torch.bincount(label).argmax().expand(len(test))}
    if len(train) * len(test) * test.batch(torch.arange(1))["x"][0].numel() <= most:
        recognised = {NEAREST: label[nearest(train, test)], **recognised}
    return {name: replace(scores, probabilities=one_hot[each].cpu().numpy()) for name, each in recognised.items()}


def nearest(train: Clips, test: Clips) -> Int[Tensor, " test"]:
    """The training clip nearest to each test clip, by the Euclidean distance of the model's input.

    Persons beyond a clip's first do not count.
    """
    samples, others = first_persons(test), first_persons(train)
    return torch.cat([torch.cdist(part, others).argmin(1) for part in samples.split(NEIGHBOURS_AT_ONCE)])


def first_persons(clips: Clips) -> Float[Tensor, "clip d"]:
    """The model's input for the first person of every clip, zero where there is none."""
    batch = clips.batch(torch.arange(len(clips)))
    x, clip = batch["x"], batch["clip"]
    first = torch.ones_like(clip, dtype=torch.bool)
    first[1:] = clip[1:] != clip[:-1]
    whole = x.new_zeros(len(clips), *x.shape[1:])
    whole[clip[first]] = x[first]
    return whole.flatten(1)

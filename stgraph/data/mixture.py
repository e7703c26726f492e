"""Training samples of several files, in stated shares."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor

from stgraph.data.samples import Batch, Samples


class Mixture(Samples):
    """The samples of one file, and beside them so many of others that they have their shares of every epoch.

    An epoch has each sample of the first file once; those of the others are drawn from torch's generator, so that a
    resumed run repeats them.

    Args:
        first: of the first file.
        others: of further files, with their shares of the whole, below 1 in sum.
    """

    def __init__(self, first: Samples, others: Sequence[tuple[Samples, float]]) -> None:
        self.samples = [first, *(samples for samples, _ in others)]
        self.frames = first.frames
        total = len(first) / (1 - sum(share for _, share in others))
        counts = [len(first), *(round(total * share) for _, share in others)]
        self.ends = torch.tensor(counts).cumsum(0)
        self.recordings = torch.tensor([0, *(len(samples.dataset) for samples in self.samples)]).cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def batch(self, index: Int[Tensor, " b"]) -> Batch:
        """Gather samples, those of one file after those of another; `recording` counts over all files."""
        batches = []
        file = torch.bucketize(index, self.ends, right=True)
        for number, samples in enumerate(self.samples):
            chosen = index[file == number]
            if number:
                chosen = torch.randint(len(samples), chosen.shape)
            if len(chosen):
                batch = samples.batch(chosen)
                batch["recording"] = batch["recording"] + self.recordings[number]
                batches.append(batch)
        return cast(Batch, {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]})

    def ids(self, recording: Int[Tensor, " b"]) -> list[str]:
        """Ids of recordings, each once."""
        file = torch.bucketize(recording.cpu(), self.recordings[1:], right=True)
        return [
            f"{samples.dataset.path}: {id}"
            for number, samples in enumerate(self.samples)
            for id in samples.ids(recording.cpu()[file == number] - self.recordings[number])
        ]

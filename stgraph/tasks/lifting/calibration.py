"""Calibration: whether errors are as large as a model expects them to be."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

BINS = 24
RANGE = (1.0, 1000.0)  # mm; expectations beyond are counted with the first and last bin


class Calibration:
    """Joints by their expected error, in bins of equal ratio: how many, the mean expectation and the mean error."""

    def __init__(self) -> None:
        low, high = RANGE
        self.edges = torch.logspace(torch.tensor(low).log10(), torch.tensor(high).log10(), BINS + 1)[1:-1]
        self.sums = torch.zeros(3, BINS, dtype=torch.float64)

    def add(
        self,
        log_error: Float[Tensor, "b s _"],
        error: Float[Tensor, "b s j"],
        counted: Bool[Tensor, "b s"],
    ) -> None:
        """Add frames.

        Args:
            log_error: logarithm of the expected error in metres, of every joint or of all.
            error: metres.
            counted: frames to add.
        """
        expected = (1000 * log_error.float().exp()).expand_as(error).cpu()[counted].flatten()
        made = 1000 * error.float().cpu()[counted].flatten()
        place = torch.bucketize(expected, self.edges)
        for row, values in enumerate((torch.ones_like(made), expected, made)):
            self.sums[row].index_add_(0, place, values.double())

    def report(self) -> list[dict[str, float]]:
        """Of every bin that has joints: `share` of all, `expected` and `made` in mm."""
        count = self.sums[0].sum()
        return [
            {"share": float(number / count), "expected": float(expected / number), "made": float(made / number)}
            for number, expected, made in self.sums.T
            if number
        ]

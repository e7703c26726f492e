"""Tests of the layers."""

import torch


def motion(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Random (b c t j) in channels-last memory."""
    return torch.randn(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)

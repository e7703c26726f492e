"""What a model costs: parameters, operations and time."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from stgraph.training.run import Run

LONG = 256  # frames of a long recording, beyond the context of a model that slides over it
SECONDS = 1.0  # that a time is taken over


def parameters(run: Run) -> int:
    """Learned numbers."""
    return sum(weight.numel() for weight in run.model.parameters())


def operations(run: Run, frames: int) -> int:
    """Operations of predicting one window of so many frames, as computed; a multiplication with its addition is two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run.model.eval()(empty_window(run, frames))
    return counter.get_total_flops()


def empty_window(run: Run, frames: int) -> torch.Tensor:
    """Zeros (1 c t j) where the model is."""
    place = next(run.model.parameters())
    return torch.zeros(1, run.settings.data.channels, frames, len(run.skeleton), dtype=place.dtype, device=place.device)


def mmac_per_frame(run: Run) -> float:
    """Millions of multiplications with their additions for each predicted frame.

    Of a model that slides over long recordings, for one frame more of them; of any other, its window's by the frames
    that it predicts in it.
    """
    model, frames = run.model, run.settings.data.frames
    if model.sliding:
        short = model.before + model.after + LONG
        return (operations(run, short + LONG) - operations(run, short)) / LONG / 2e6
    return operations(run, frames) / (frames - model.before - model.after) / 2e6


def frames_per_second(run: Run) -> float:
    """Frames predicted from one window at a time, by the best of a second's repetitions."""
    model, frames = run.model.eval(), run.settings.data.frames
    x, best, end = empty_window(run, frames), float("inf"), time.perf_counter() + SECONDS
    with torch.no_grad():
        model(x)
        while (start := time.perf_counter()) < end:
            model(x)
            run.engine.wait()
            best = min(best, time.perf_counter() - start)
    return (frames - model.before - model.after) / best

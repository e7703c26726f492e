"""A detector's errors made anew for the windows of a batch, and joints that it does not see.

Coordinates are normalised on the screen (the image's width is 2). Errors are in proportion to the person's size there.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stgraph.data.detector_noise import PERSON, Draws, drawn_confidence, drawn_errors, noise_model
from stgraph.geometry import body_scale
from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.body import descendants, legs, limbs

Seen = Bool[Tensor, "b t j"]
STRENGTH = (0.5, 2.0)  # factor on a window's errors: detectors, blur and light differ
JUMPS, JUMP = 0.004, 0.6  # share of joints that jump for one frame, and how far, in body scales (standard deviation)
EXACT = 0.1  # share of windows without errors
SWAPPED, SWAP = 0.08, 8  # share of windows with left and right swapped for a spell, and its most frames
LEAST = 0.02  # confidence of a joint that is seen
# What is not seen, with the shares of windows that it befalls and, for spells, the share of joints.
SINGLE, MOST_SINGLE = 0.4, 0.35  # joints of a frame each by itself, and at most so many of them
JOINTS, OF_JOINTS = 0.5, 0.3  # joints for a spell
LIMB, NO_LEGS, NOTHING = 0.12, 0.12, 0.06  # a limb for a spell, the lower body, everything for up to a third


class Detector:
    """Errors, swaps and gaps for a skeleton; draws come from torch's generator.

    Args:
        skeleton: whose joints they are; names give their numbers in `stgraph.data.detector_noise`.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self.model = noise_model(skeleton.names)
        self.mirror = torch.from_numpy(skeleton.mirror.copy())
        tree = descendants(skeleton)
        self.limbs = torch.from_numpy(tree[limbs(skeleton)])
        self.lower = torch.from_numpy(tree[legs(skeleton)].any(0))

    def detect(
        self, screen: Float[Tensor, "b t j 2"], factor: Float[Tensor, " b"] | None = None, jumps: float = 0.0
    ) -> tuple[Float[Tensor, "b t j 2"], Float[Tensor, "b t j"]]:
        """Where the detector puts exact joints, and its confidence: as in detector_noise.json, correlated in time.

        Args:
            screen: exact joints.
            factor: on each window's errors; None: 1.
            jumps: share of the joints that jump for a frame.
        """
        b, t, j, _ = screen.shape
        person = body_scale(screen[:, t // 2], torch.ones_like(screen[:, 0, :, 0]))[1].clamp_min(1e-3)
        factor = torch.ones_like(person) if factor is None else factor
        draws = Draws.like(screen)
        error = drawn_errors(self.model, draws, b, t)
        if jumps:
            jumping = draws.uniform(b, t, j, 1) < jumps
            error = error + draws.normal(b, t, j, 2) * jumping * (JUMP * PERSON)
        error = error * factor[:, None, None, None]
        confidence = drawn_confidence(self.model, draws, error, (factor > 0).to(screen)).clamp(LEAST, 1)
        return screen + error * (person / PERSON)[:, None, None, None], confidence

    def detect_variously(
        self, screen: Float[Tensor, "b t j 2"], strength: float
    ) -> tuple[Float[Tensor, "b t j 2"], Float[Tensor, "b t j"]]:
        """As `detect`, with a strength that differs by window, jumps of single joints, and swaps of left and right.

        Args:
            screen: exact joints.
            strength: factor on the errors.
        """
        b = len(screen)
        low, high = (math.log(limit) for limit in STRENGTH)
        factor = strength * torch.exp(low + (high - low) * self.rand(screen, b)) * (self.rand(screen, b) >= EXACT)
        found, confidence = self.detect(screen, factor, JUMPS)
        swapped = self.spells(screen, (b,), SWAPPED * (strength > 0), (1, SWAP))[:, :, None]
        legs_alone = self.rand(screen, b, 1, 1) < 0.5
        swapped = swapped & (self.lower.to(screen.device) | ~legs_alone)
        found = torch.where(swapped[..., None], found[:, :, self.mirror], found)
        return found, torch.where(swapped, confidence[:, :, self.mirror], confidence)

    def lost(self, screen: Float[Tensor, "b t j 2"], share: float) -> Seen:
        """Joints that are not seen: single ones, joints and limbs for a spell, the lower body, all joints for a while.

        Each kind befalls a window independently.

        Args:
            screen: gives shape and device.
            share: factor on how many windows each kind befalls; 0: none.
        """
        b, t, j, _ = screen.shape
        rate = MOST_SINGLE * self.rand(screen, b) * (self.rand(screen, b) < SINGLE * share)
        lost = self.rand(screen, b, t, j) < rate[:, None, None]
        often = (self.rand(screen, b) < JOINTS * share)[:, None, None]
        lost |= self.spells(screen, (b, j), OF_JOINTS, (3, 2 * t)) & often
        if len(self.limbs):
            limb = self.limbs.to(screen.device)[torch.randint(len(self.limbs), (b,), device=screen.device)]
            lost |= self.spells(screen, (b,), LIMB * share, (t // 4, 2 * t))[:, :, None] & limb[:, None]
        lower = (self.rand(screen, b) < NO_LEGS * share)[:, None] & self.lower.to(screen.device)
        lost |= lower[:, None]
        return lost | self.spells(screen, (b,), NOTHING * share, (1, max(t // 3, 1)))[:, :, None]

    @staticmethod
    def rand(like: Tensor, *shape: int) -> Tensor:
        """Uniform draws in [0, 1)."""
        return torch.rand(shape, device=like.device, dtype=like.dtype)

    def spells(
        self, screen: Float[Tensor, "b t j 2"], shape: tuple[int, ...], share: float, length: tuple[int, int]
    ) -> Bool[Tensor, "b t *j"]:
        """Runs of frames, one with a chance of `share` for each of `shape`; begun anywhere, even before the window."""
        t, last = screen.shape[1], max(length[1], length[0] + 1)
        frames = torch.randint(length[0], last, shape, device=screen.device)
        start = torch.rand(shape, device=screen.device) * (t + frames) - frames
        frame = torch.arange(t, device=screen.device).view(-1, *(1,) * (len(shape) - 1))
        start, frames = start[:, None], frames[:, None]
        return (frame >= start) & (frame < start + frames) & (torch.rand(shape, device=screen.device) < share)[:, None]

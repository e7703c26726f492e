"""Where the puppet walks: smooth closed paths through a room."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

POINTS = 720


@dataclass(frozen=True)
class Loop:
    """A closed path on the floor by the distance walked along it, metres; it goes on round after round.

    Attributes:
        points: (n + 1, 2), the last one is the first.
        travelled: distance from the first point to each.
        bearings: direction at each, radians, going on through full turns.
    """

    points: Float[np.ndarray, "n 2"]
    travelled: Float[np.ndarray, " n"]
    bearings: Float[np.ndarray, " n"]

    @classmethod
    def through_room(cls, rng: np.random.Generator, size: tuple[float, float] = (1.25, 1.6)) -> "Loop":
        """A round or a figure of eight about the origin, either way round; half its length and width within `size`."""
        phase = np.linspace(0, 2 * np.pi, POINTS + 1)
        long, wide = rng.uniform(*size, 2)
        if rng.random() < 0.4:
            points = long * np.stack([1.15 * np.sin(phase), 0.38 * np.sin(2 * phase)], -1)
        else:
            points = 0.9 * np.stack([long * np.cos(phase), wide * np.sin(phase)], -1)
        turn = rng.uniform(0, 2 * np.pi)
        points = points[:: rng.choice((-1, 1))] @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        return cls.of(points)

    @classmethod
    def of(cls, points: Float[np.ndarray, "n 2"]) -> "Loop":
        """From points of which the last one is the first."""
        travelled = np.concatenate([[0.0], np.linalg.norm(np.diff(points, axis=0), axis=-1).cumsum()])
        directions = np.gradient(np.concatenate([points[:-1]] * 3), axis=0)
        bearings = gaussian_filter1d(np.unwrap(np.arctan2(directions[:, 1], directions[:, 0])), POINTS / 60)
        return cls(points, travelled, bearings[len(points) - 1 : 2 * len(points) - 1])

    @property
    def length(self) -> float:
        """Of one round, metres."""
        return float(self.travelled[-1])

    @property
    def curvature(self) -> float:
        """Of its tightest bend, one over its radius in metres."""
        return float(np.abs(np.diff(self.bearings) / np.diff(self.travelled)).max())

    def place(self, distance: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t 2"]:
        """Where one is after walking these distances."""
        at = distance % self.length
        return np.stack([np.interp(at, self.travelled, axis) for axis in self.points.T], -1)

    def heading(self, distance: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
        """Where one looks to then, radians, without jumps."""
        rounds, at = np.divmod(distance, self.length)
        return np.interp(at, self.travelled, self.bearings) + rounds * (self.bearings[-1] - self.bearings[0])

"""Windows of other people through other cameras and detectors than the file's, drawn anew for every batch."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.data.windows import Observed, Windows
from stgraph.errors import InputError
from stgraph.geometry import camera_to_world, project, screen_denormalise, screen_normalise
from stgraph.tasks.lifting.detections import Detector
from stgraph.tasks.lifting.people import OtherPeople
from stgraph.tasks.lifting.settings import Augmentation
from stgraph.tasks.lifting.views import View, drawn_views

OUTSIDE = 0.05  # of the image's width: how far outside the image a detector still places joints


class AugmentedWindows(Windows):
    """Training windows as `Augmentation` draws them. Draws come from torch's generator, so a resumed run repeats them.

    The input is projected anew from the 3D poses in every window; the file's detections are not used.

    Args:
        dataset, options: as of `Windows`.
        settings: what is drawn.

    Raises:
        InputError: poses without their root's path, which the file's cameras cannot see, or poses in image space.
    """

    def __init__(self, dataset: Dataset, settings: Augmentation, **options: Any) -> None:
        super().__init__(dataset, **options)
        if settings.cameras < 1 and not self.has_path():
            raise InputError(
                f"the poses of {dataset.path} are relative to their root, so its own cameras cannot see them",
                where="data.augment.cameras",
                found=f"{settings.cameras:g}",
                expected="1",
                remedy="see every window by a drawn camera",
            )
        if self.image:
            remedy = "leave data.augment out, or predict metres"
            raise InputError("draws no poses in image space", where='task.output "image"', remedy=remedy)
        self.settings, self.detector_errors = settings, Detector(self.skeleton)
        self.rotation = torch.from_numpy(dataset.recordings["rotation"]).float()
        self.people = OtherPeople(self.skeleton)

    def observed(self, track: Int[Tensor, " b"], frame: Int[Tensor, "b t"], predicted: slice) -> Observed:
        """The windows as drawn people, cameras and detectors give them."""
        settings, recording = self.settings, self.recording[track]
        pose = self.people.resized(self.stretched(track, frame), settings.bodies)
        pose = self.people.turned(self.people.recombined(pose, settings.recombined), settings.turned)
        pose = self.people.tumbled(self.people.moved(pose, settings.rigs), settings.tumbled)
        view = View(pose, self.intrinsics[recording], self.size[recording])
        new = torch.rand(len(pose), device=pose.device) < settings.cameras
        if new.any():
            drawn = drawn_views(camera_to_world(pose, self.rotation[recording], pose.new_zeros(3)), self.skeleton.root)
            view = View(
                *(torch.where(per_window(new, old), fresh, old) for fresh, old in zip(drawn, view, strict=True))
            )
        width, height = view.size.unbind(-1)
        exact = screen_normalise(project(view.pose, view.intrinsics), width, height)
        screen, confidence = self.detector_errors.detect_variously(exact, settings.noise)
        edge = torch.stack([torch.ones_like(width), height / width], dim=-1) + OUTSIDE
        lost = (exact.abs() > edge[:, None, None]).any(-1) | self.detector_errors.lost(exact, settings.missing)
        unrated = torch.rand(len(pose), device=pose.device) < settings.unrated
        confidence = torch.where(unrated[:, None, None], 1, confidence).masked_fill(lost, 0)
        pixels = screen_denormalise(screen, width, height)
        known = (torch.rand(len(pose), device=pose.device) >= settings.uncalibrated).to(pose)
        pose2d = torch.cat([pixels, confidence[..., None]], dim=-1)
        return Observed(pose2d, view.pose[:, predicted], view.intrinsics, view.size, known)

    def stretched(self, track: Int[Tensor, " b"], frame: Int[Tensor, "b t"]) -> Float[Tensor, "b t j 3"]:
        """Poses at the frames' distances from the middle one times a drawn factor, between the file's along lines."""
        low, high = (math.log(limit) for limit in self.settings.stretch)
        rate = torch.exp(low + (high - low) * torch.rand(len(frame), 1, device=frame.device))
        middle = frame[:, [frame.shape[1] // 2]]
        place = middle + rate * (frame - middle)
        before = place.floor()
        rows = torch.stack([before, before + 1]).long()
        first, second = (self.take("pose3d", self.rows(track, part)) for part in rows)
        return first.lerp(second, (place - before)[..., None, None])


def per_window(chosen: Tensor, like: Tensor) -> Tensor:
    """A mask over the batch, shaped to broadcast against a tensor."""
    return chosen.view(-1, *(1,) * (like.ndim - 1))

"""Windows: fixed-length views into the tracks of a dataset, gathered a batch at a time."""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from stgraph.data.dataset import Dataset, window_table
from stgraph.data.recording import members
from stgraph.data.samples import Batch, TrackSamples
from stgraph.errors import InputError
from stgraph.geometry import image_space, mirror_intrinsics, normalise_intrinsics, screen_normalise
from stgraph.skeleton import Skeleton


class WindowBatch(Batch):
    """A batch of windows of t frames, s of which are predicted: all but the margin.

    `x` is screen-normalised, with unseen joints at zero; c is 2, or 3 with confidence. `inside`: whether a frame
    is one of the track's. The last two are there with `image` alone.
    """

    pose2d: Float[Tensor, "b s j 2"]  # the predicted frames of x
    seen: Float[Tensor, "b s j"]  # 1 where the detector saw the joint
    pose3d: Float[Tensor, "b s j 3"]  # metres; joints relative to the root, and the root's path in the root's place
    camera: Float[Tensor, "b 4"]  # focal length and centre on the normalised screen; zeros where not known
    intrinsics: Float[Tensor, "b 9"]  # pixels
    size: Float[Tensor, "b 2"]  # image width and height, pixels
    track: Int[Tensor, " b"]  # kept track
    frame: Int[Tensor, "b s"]  # frame within the track, before clamping
    image3d: NotRequired[Float[Tensor, "b s j 3"]]  # image space relative to the root; 1 is half the image's width
    scale: NotRequired[Float[Tensor, "b s"]]  # metres per unit of `image3d`, 0 where it is not known


class Observed(NamedTuple):
    """Windows before they are normalised: pixels with confidence, metres in camera space, and the cameras, in pixels.

    `known`: 1 where the model is given the camera, 0 where it is not.
    """

    pose2d: Float[Tensor, "b t j 3"]
    pose3d: Float[Tensor, "b s j 3"]
    intrinsics: Float[Tensor, "b 9"]
    size: Float[Tensor, "b 2"]
    known: Float[Tensor, " b"]


class Windows(TrackSamples):
    """The windows of some recordings of a dataset, for one detector.

    Windows that reach over an end of their track are padded by clamping the index.

    Args:
        dataset, skeleton, labels: see `Samples`.
        detector: which 2D detections are the input.
        frames: length of a window.
        stride: frames between windows; see `stgraph.data.dataset.window_table`, here of the frames that are predicted.
            None: there are no windows until `cut` is called.
        subjects, actions: keep recordings of these alone; None keeps all.
        frame_step: use every n-th frame of every track.
        mirror: add the mirrored twin of every window.
        confidence: give the model the detector's confidence as a third channel.
        margin: frames at either end of a window that the model sees but does not predict.
        image: give the poses in image space too: the file's, or those that its cameras see (`geometry.image_space`).

    Attributes:
        first_frames: number of each kept track's first frame.
        table: (window, 3) int64: kept track, start, 1 for a mirrored window.

    Raises:
        InputError: unknown detector, subject or action, no 3D poses, a joint that the file lacks, or nothing left.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        detector: str,
        frames: int,
        stride: int | None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] | None = None,
        frame_step: int = 1,
        mirror: bool = False,
        confidence: bool = False,
        skeleton: Skeleton | None = None,
        margin: tuple[int, int] = (0, 0),
        labels: Int[np.ndarray, " recording"] | None = None,
        image: bool = False,
    ) -> None:
        kept = dataset.select("subject", subjects) & dataset.select("action", actions)
        tracks = np.flatnonzero(kept[dataset.tracks["recording"]])
        if not len(tracks):
            raise InputError(f"no recording of subjects {subjects} has an action of {actions}", where=dataset.path)
        fields = {"pose2d": f"pose2d/{detector}", "pose3d": "pose3d"}
        self.image, stored = image, {"image3d": "image3d", "scale": "metres_per_pixel"}
        fields |= stored if image and dataset.has("image3d") else {}
        super().__init__(dataset, fields, skeleton, labels)
        self.keep_tracks(tracks, frame_step)
        self.detector, self.frames, self.margin, self.confidence = detector, frames, margin, confidence
        self.first_frames = np.array(dataset.rows("frame")[dataset.tracks["first_row"][tracks]])
        recordings = dataset.recordings
        self.intrinsics = torch.from_numpy(recordings["intrinsics"]).float()
        self.size = torch.from_numpy(np.stack([recordings["width"], recordings["height"]], axis=1)).float()
        # Cut by what is predicted, so that this covers the track, wherever in the window it lies.
        if stride is not None:
            self.cut(window_table(self.lengths, frames - sum(margin), stride) - [0, margin[0]], mirror)

    def cut(self, table: Int[np.ndarray, "window 2"], mirror: bool = False, frames: int | None = None) -> "Windows":
        """Use these windows, given as (kept track, start), of this length, and with `mirror` their mirrored twins."""
        self.frames = frames or self.frames
        table = np.concatenate([np.insert(table, 2, twin, axis=1) for twin in range(1 + mirror)])
        self.table, self.twins = torch.from_numpy(table).to(self.first_rows.device), mirror
        return self

    def batch(self, index: Int[Tensor, " b"]) -> WindowBatch:
        """Gather windows."""
        track, start, mirrored = self.table[index].unbind(1)
        frame = start[:, None] + torch.arange(self.frames, device=start.device)
        recording = self.recording[track]
        predicted = slice(self.margin[0], self.frames - self.margin[1])
        x, pose3d, intrinsics, size, known = self.observed(track, frame, predicted)
        frame = frame[:, predicted]
        seen = (x[..., 2] > 0).to(x)
        # Normalising is affine, and the confidence passes through: one product over the batch, where it lies.
        width = size[:, :1].expand(-1, 2)
        shift = screen_normalise(torch.zeros_like(size), *size.unbind(-1))
        scale = (screen_normalise(width, *size.unbind(-1)) - shift) / width
        shift, scale = (F.pad(part, (0, 1), value=last)[:, None, None] for part, last in ((shift, 0), (scale, 1)))
        x.mul_(scale).add_(shift).mul_(seen[..., None])
        root = self.skeleton.root
        image = self.image_poses(self.rows(track, frame), pose3d, recording) if self.image else {}
        path = pose3d[:, :, root].clone()
        pose3d -= path[:, :, None]
        pose3d[:, :, root] = path
        if self.twins:
            twin = mirrored.bool()
            for pose in (x, pose3d, *([image["image3d"]] if image else [])):
                pose[twin] = rearrange(self.mirrored(rearrange(pose[twin], "b t j c -> b c t j")), "b c t j -> b t j c")
            seen = torch.where(twin[:, None, None], seen[:, :, self.mirror_order], seen)
            intrinsics = torch.where(twin[:, None], mirror_intrinsics(intrinsics, size[:, 0]), intrinsics)
        batch: WindowBatch = {
            "x": rearrange(x if self.confidence else x[..., :2], "b t j c -> b c t j"),
            "pose2d": x[:, predicted, :, :2],
            "seen": seen[:, predicted],
            "pose3d": pose3d,
            "camera": normalise_intrinsics(intrinsics, *size.unbind(-1))[:, :4] * known[:, None],
            "intrinsics": intrinsics,
            "size": size,
            "recording": recording,
            "track": track,
            "label": self.labels[recording],
            "frame": frame,
            "inside": (frame >= 0) & (frame <= self.last[track, None]),
        }
        if image:
            batch["image3d"], batch["scale"] = image["image3d"], image["scale"]
        return batch

    def observed(self, track: Int[Tensor, " b"], frame: Int[Tensor, "b t"], predicted: slice) -> Observed:
        """What the detector saw in some frames, and the motion capture in those that are predicted, as copies."""
        rows, recording = self.rows(track, frame), self.recording[track]
        intrinsics, size = self.intrinsics[recording], self.size[recording]
        known = (intrinsics[:, 0] > 0).to(intrinsics)
        return Observed(self.take("pose2d", rows), self.take("pose3d", rows[:, predicted]), intrinsics, size, known)

    def image_poses(
        self, rows: Int[Tensor, "b s"], pose3d: Float[Tensor, "b s j 3"], recording: Int[Tensor, " b"]
    ) -> dict[str, Float[Tensor, "b s ..."]]:
        """The fields of a batch that are in image space; `pose3d` is in camera space."""
        half = self.size[recording, :1] / 2
        if "image3d" in self.fields:
            image, scale = self.take("image3d", rows), self.take("scale", rows)
        else:
            image, scale = image_space(pose3d, self.intrinsics[recording], self.skeleton.root)
        relative = image - image[:, :, self.skeleton.root, None]
        return {"image3d": relative / half[:, :, None, None], "scale": scale * half}

    def mirrored(self, pose: Float[Tensor, "b c t j"]) -> Float[Tensor, "b c t j"]:
        """A pose whose x is centred on zero, seen in a mirror: x negated, left and right joints swapped."""
        pose = pose[..., self.mirror_order.to(pose.device)]
        return torch.cat([-pose[:, :1], pose[:, 1:]], dim=1)

    def has_path(self) -> bool:
        """Whether any track begins with its root elsewhere than in the camera."""
        root = self.skeleton.root if self.joints is None else int(self.joints[self.skeleton.root])
        pose = self.fields["pose3d"]  # read no farther than to the first one, since it may be a large file
        return any(bool(pose[rows, root].any()) for rows in self.first_rows.split(64))

    def valid(self) -> Bool[np.ndarray, " frame"]:
        """Whether each frame is to be scored, those of all kept tracks in a row."""
        track, frame = members(self.lengths)
        return self.dataset.rows("valid")[self.first_rows.cpu().numpy()[track] + self.frame_step * frame]

    def keep_valid(self) -> "Windows":
        """Leave out windows that would predict a frame that is not valid; poses of image space always are."""
        if not self.dataset.has("valid") or "image3d" in self.fields:
            return self
        valid = self.valid()
        before = np.concatenate([[0], np.cumsum(~valid)])  # frames that are not valid, before each
        track, start, _ = self.table.cpu().numpy().T
        first = (np.cumsum(self.lengths) - self.lengths)[track]
        ends = np.array([self.margin[0], self.frames - self.margin[1] - 1])[:, None] + start
        low, high = first + np.clip(ends, 0, self.lengths[track] - 1)
        kept = before[low] == before[high + 1]
        if not kept.any():
            raise InputError(
                f"every window of {self.frames} frames has one that is not valid",
                where=self.dataset.path,
                remedy='its poses are in image space, so set task.output "image"'
                if self.dataset.has("image3d")
                else "",
            )
        self.table = self.table[torch.from_numpy(kept).to(self.table.device)]
        return self


def epoch_order(windows: int, seed: int, epoch: int) -> Int[np.ndarray, " window"]:
    """Order of the windows in an epoch: a function of seed and epoch, so that a run resumes anywhere in it."""
    return np.random.default_rng((seed, epoch)).permutation(windows)


def epoch_batches(windows: int, batch_size: int, seed: int, epoch: int) -> list[Int[np.ndarray, " b"]]:
    """The order cut into batches that differ by one window at most; none is dropped.

    >>> [len(batch) for batch in epoch_batches(10, 4, seed=0, epoch=0)]
    [4, 3, 3]
    """
    return np.array_split(epoch_order(windows, seed, epoch), -(-windows // batch_size))

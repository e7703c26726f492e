"""Recognition while it happens: a window that slides over a growing sequence, with a state of fixed size."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.run import ActionRun, head_input
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.samples import present_persons, seen_joints
from stgraph.tasks.action.sampling import sample_frames, with_next


def watch(run: ActionRun, dataset: Dataset, recording: int, detector: str | None = None) -> dict[str, np.ndarray]:
    """A clip as a recogniser sees it.

    Returns:
        `pose` (m t j 3) as in the file, `seen` (m t j), `contribution` (m s j) of the features before the head, 0 to 1,
        s steps evenly over the clip (1 where they belong to no joint), and `probabilities` (t n) of the clip up to each
        frame.
    """
    kept = np.arange(len(dataset)) == recording
    clips = run.clips(dataset, kept, detector=detector)
    batch = clips.batch(torch.tensor([0]))
    uniform, frame = run.settings.data.sampling == "uniform", batch["frame"][0]
    # All frames where steps stand for all of them; else those that are fed, which are consecutive.
    times = torch.arange(int(clips.lengths[0])) if uniform else frame[frame >= 0].cpu()
    whole = clips.gather(torch.tensor([0], device=frame.device), times.to(frame.device)[None])
    pose, seen = whole.pose.cpu(), whole.seen.cpu()
    live = Live(run, window=len(times), size=tuple(map(int, whole.size[0])))
    running = [live.update(pose[:, place]) for place in range(len(times))]
    with head_input(run.model) as given:
        run.outputs(clips, torch.tensor([0]), run.model.eval())
    present = run.contributions_of(given[0], batch["clip"].cpu(), 1)
    contribution = torch.ones(len(pose), 1, len(run.skeleton))
    if present is not None:
        contribution = torch.zeros(len(pose), *present.shape[1:]).index_copy(0, batch["person"].cpu(), present)
    share = 1.0 if uniform else len(times) / len(frame)
    return {
        "pose": pose.numpy(),
        "seen": seen.numpy(),
        "contribution": contribution[:, : max(1, round(contribution.shape[1] * share))].numpy(),
        "probabilities": torch.stack(running).numpy(),
    }


class Live:
    """Tells the action of the last frames, frame by frame.

    The networks look ahead inside their window, so each answer takes one forward of the whole window: the same as for
    a clip of those frames. The state is the window's poses, whatever has gone by.

        live = Live(run, window=100)
        for pose in detector:                        # (m j 3): pixels and confidence, or metres
            probabilities = live.update(pose)        # (n)

    Args:
        run: a trained recogniser.
        window: frames that are remembered; by default as many as the model sees. More are sampled as a clip is where
            that is done evenly, and not remembered where consecutive frames are fed.
        size: width and height of the image in pixels; needed for 2D.
        persons: most persons in a frame, at most the setting's; each keeps its place in every frame.

    Raises:
        InputError: a window of no frame, or 2D without the image's size.
    """

    def __init__(
        self,
        run: ActionRun,
        *,
        window: int | None = None,
        size: tuple[int, int] | None = None,
        persons: int | None = None,
    ) -> None:
        data = run.settings.data
        self.run, self.frames = run, data.test_frames or data.frames
        self.window = self.frames if window is None else window
        if self.window < 1:
            raise InputError(f"window: found {window}; expected 1 frame or more")
        if data.sampling != "uniform":
            self.window = min(self.window, self.frames)
        if data.detector and size is None:
            raise InputError("size: 2D poses are normalised by the image; give its width and height in pixels")
        self.persons = data.max_persons if run.task.padded else min(persons or data.max_persons, data.max_persons)
        self.size = torch.tensor([size or (1, 1)], dtype=torch.float32)
        self.prepare = Preparation(run.skeleton, data, training=False)
        self.poses = torch.zeros(self.persons, self.window, len(run.skeleton), 3)
        self.count = 0

    def update(self, pose: Float[np.ndarray, "m j 3"] | Float[Tensor, "m j 3"]) -> Float[Tensor, " n"]:
        """Add a frame; returns the probability of every class. Who is not seen is zero, or left out at the end.

        Raises:
            InputError: another number of joints or more persons than agreed.
        """
        pose = torch.as_tensor(np.asarray(pose), dtype=torch.float32)
        if pose.shape[1:] != self.poses.shape[2:] or len(pose) > self.persons:
            raise InputError(
                f"frame {self.count}: poses of shape {tuple(pose.shape)}; expected at most {self.persons} persons, "
                f"{len(self.run.skeleton)} joints of {self.run.skeleton.name!r} and 3 numbers each"
            )
        place = self.count % self.window
        self.poses[:, place] = 0
        self.poses[: len(pose), place] = pose
        self.count += 1
        return self.probabilities()

    @torch.no_grad()
    def probabilities(self) -> Float[Tensor, " n"]:
        """Of the frames that are remembered."""
        run, engine = self.run, self.run.engine
        x, _ = present_persons(self.prepare(self.sample()), run.task.padded)
        if not run.task.padded and not x.any():  # nobody is there, of whom the network could say anything
            return torch.full((len(run.task.classes),), 1 / len(run.task.classes))
        x = x.to(next(run.model.parameters()).dtype)
        batch = {"x": x, "clip": torch.zeros(len(x), dtype=torch.int64), "label": torch.zeros(1, dtype=torch.int64)}
        batch = engine.to_device(batch)
        with engine.autocast():
            outputs = run.model.eval()(**run.task.inputs(batch))
        return run.task.scores(batch, outputs)[0].softmax(0).cpu()

    def sample(self) -> Sample:
        """The remembered frames, oldest first, sampled as a clip is."""
        data, known = self.run.settings.data, min(self.count, self.window)
        frame = sample_frames(known, self.frames, data.sampling)
        frame = with_next(frame, known) if data.moves else frame
        place = (self.count - known + frame) % self.window
        poses = torch.where((frame >= 0)[:, None, None], self.poses[:, place], 0)
        seen = seen_joints(poses, data)
        clip = torch.zeros(len(poses), dtype=torch.int64)
        return Sample(poses * seen[..., None], seen, clip, clip, self.size)

"""From predicted windows to a report: exact means of every error by action, subject, camera, recording and joint.

    evaluator = Evaluator(find_protocol("standard"), skeleton, tracks, ModelWindow(frames=81))
    for index in evaluator.plan.batches():                # in any order, each window once
        track, start = evaluator.plan.table[index, :2].T  # gather frames start ... start + 80, clamped
        evaluator.add(index, model(inputs), target)       # (b, 81, j, 3) metres; averaged if evaluator.flip
    report = evaluator.report(source=dataset.source, detector="gt")

It knows no model, no dataset and no device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.errors import InputError
from stgraph.scoring import metrics
from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.plan import ModelWindow, plan_windows
from stgraph.tasks.lifting.protocols import ROOTS, Protocol


class Metric(NamedTuple):
    """A score of the report: its unit, the factor from metres or shares to the unit, and a description."""

    unit: str
    factor: int
    text: str


METRICS = {
    "P1": Metric("mm", 1000, "MPJPE: mean distance of the joints"),
    "P2": Metric("mm", 1000, "P-MPJPE: after rotation, translation and scale of each frame"),
    "P3": Metric("mm", 1000, "N-MPJPE: after the scale of each frame"),
    "MPJVE": Metric("mm/frame", 1000, "error of first differences in time"),
    "acceleration": Metric("mm/frame²", 1000, "error of second differences in time"),
    "PCK": Metric("%", 100, "joints within 150 mm"),
    "AUC": Metric("%", 100, "area under PCK over thresholds"),
    "x": Metric("mm", 1000, "mean distance to the side"),
    "y": Metric("mm", 1000, "mean distance up and down"),
    "z": Metric("mm", 1000, "mean distance in depth"),
    "path": Metric("mm", 1000, "distance of the root's path in camera space"),
    "path of distance": Metric("%", 100, "the path's error in the root's distance from the camera"),
    "P1 with path": Metric("mm", 1000, "P1 with the path's error in the root's place"),
}
DIFFERENCES = ((1, "MPJVE", metrics.velocity_error), (2, "acceleration", metrics.acceleration_error))
# group of the report -> column of the recordings
GROUPS = {"action": "action", "subject": "subject", "camera": "camera", "recording": "id"}
ROWS = 16384  # scored at a time, which bounds memory and fits the cache
Scores = dict[str, float | None]


@dataclass(frozen=True)
class Tracks:
    """The tracks to score.

    Attributes:
        recordings: columns id, subject, action, take, camera and fps, an entry per recording (as a Dataset has them).
        recording: the recording of each track.
        lengths: frames of each track.
        first_frames: number of each track's first frame within its recording; None: 0.
        frame_step: frames of the recording between two of a track.
        valid: whether each frame is scored, the frames of all tracks in a row; None: all.
    """

    recordings: Mapping[str, Sequence | np.ndarray]
    recording: Int[np.ndarray, " track"]
    lengths: Int[np.ndarray, " track"]
    first_frames: Int[np.ndarray, " track"] | None = None
    frame_step: int = 1
    valid: Bool[np.ndarray, " frame"] | None = None


class RecordingMeans:
    """Sums of every metric by recording and joint in float64, and their numbers of frames."""

    def __init__(self, recordings: int) -> None:
        self.recordings = recordings
        self.sums: dict[str, Float[Tensor, "recording _"]] = {}
        self.counts: dict[str, Float[Tensor, "recording 1"]] = {}

    def add(self, name: str, values: Float[Tensor, "row _"], recording: Int[Tensor, " row"]) -> None:
        """Add rows to the sums of their recordings."""
        for totals, rows in ((self.sums, values), (self.counts, torch.ones(len(values), 1))):
            totals[name] = totals.get(name, 0) + metrics.grouped_sum(rows, recording, self.recordings)

    def scores(self, recordings: Int[np.ndarray, " n"], joint: int | None = None, joints: int = 0) -> Scores:
        """Every metric's mean over all frames of some recordings, in its unit; None for a mean of nothing.

        With `joint`, the mean of that joint, for the metrics that have values of all `joints` joints.
        """
        result: Scores = {}
        for name, metric in METRICS.items():
            sums = self.sums.get(name)
            if sums is None or (joint is not None and sums.shape[1] != joints):
                continue
            sums = sums if joint is None else sums[:, [joint]]
            count = self.counts[name][recordings].sum().item() * sums.shape[1]
            result[name] = metric.factor * sums[recordings].sum().item() / count if count else None
        return result


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean of each metric over the entries that have it."""
    known = {name: [value for entry in scores if (value := entry[name]) is not None] for name in scores[0]}
    return {name: sum(values) / len(values) if values else None for name, values in known.items()}


class Evaluator:
    """Collects the scored frames of every window, then measures them all.

    Args:
        protocol: rules of scoring.
        skeleton: of the predictions.
        tracks: to score.
        model: lengths of the model's input and prediction.
        output: "global": joint 0 of prediction and target is the root's path in camera space; it is scored by itself
            and the pose with a root of zero. "root_relative": the target's root is zero, the prediction's is treated
            as the protocol says. "image": as root-relative; the caller brought it to metres, which the report says.
        flip: whether the caller averages with the mirrored input's prediction; None leaves it to the protocol.

    Attributes:
        plan: windows to predict and frames to score, without left-out takes.
        left_out: (recording id, reason) of the recordings that the protocol leaves out.
        flip: whether to average with the un-mirrored prediction of the mirrored input.

    Raises:
        InputError: nothing is left to score.
    """

    def __init__(
        self,
        protocol: Protocol,
        skeleton: Skeleton,
        tracks: Tracks,
        model: ModelWindow,
        *,
        output: Literal["root_relative", "global", "image"] = "root_relative",
        flip: bool | None = None,
    ) -> None:
        self.protocol, self.tracks, self.output = protocol, tracks, output
        self.flip = protocol.flip if flip is None else flip
        takes = zip(tracks.recordings["subject"], tracks.recordings["take"], strict=True)
        out = np.array([take in protocol.without_takes for take in takes], dtype=bool)[tracks.recording]
        ids = dict.fromkeys(str(tracks.recordings["id"][number]) for number in tracks.recording[out])
        self.left_out = [(id, f"protocol {protocol.name}") for id in ids]

        plan = plan_windows(protocol, tracks.lengths, model)
        self.plan = replace(plan, table=plan.table[~out[plan.table[:, 0]]])
        if not len(self.plan.table):
            problem = f"nothing to score in {len(out)} tracks ({out.sum()} of them left out by it)"
            raise InputError(problem, where=f"protocol {protocol.name}", remedy="choose other recordings")
        self.root = skeleton.root
        joints = [j for j, name in enumerate(skeleton.names) if name not in protocol.without_joints]
        self.joints = torch.tensor(joints)
        self.names = [skeleton.names[j] for j in joints]

        # Every window has a run of rows, and tracks are in order: for `once`, a track's rows are its frames in time.
        track, _, first, last = self.plan.table.T
        end = np.cumsum(last - first)
        self._row = torch.from_numpy(end - last)  # the row of frame 0, had the window scored it
        self._track = np.repeat(track, last - first)
        self._window = np.repeat(np.arange(len(track)), last - first)
        frame = np.arange(end[-1]) - np.repeat(end - last, last - first)
        self._frame = np.clip(frame, 0, tracks.lengths[self._track] - 1)  # of its track, as the row shows it
        self._recording = tracks.recording[self._track]
        self._valid = np.ones(len(frame), bool)
        if tracks.valid is not None:
            self._valid = tracks.valid[(np.cumsum(tracks.lengths) - tracks.lengths)[self._track] + self._frame]
            if not self._valid.any():
                raise InputError(
                    "no frame of the chosen recordings is marked as valid",
                    remedy="choose other subjects with `evaluate --subjects`",
                )
        self._pred = torch.zeros(len(frame), len(joints), 3)
        self._target = torch.zeros_like(self._pred)
        self._path, self._distance = torch.zeros(len(frame), 1), torch.ones(len(frame), 1)
        self._filled = torch.zeros(len(track), dtype=torch.bool)

    def add(self, index: Int[Tensor, " b"], pred: Float[Tensor, "b s j 3"], target: Float[Tensor, "b s j 3"]) -> None:
        """Add windows by their numbers in `plan`: all predicted frames, metres, any device.

        Raises:
            InputError: a prediction that is not finite.
        """
        pred, target, index = (tensor.detach().cpu() for tensor in (pred.float(), target.float(), index))
        if not pred.isfinite().all():
            window = index[int((~pred.isfinite()).flatten(1).any(1).nonzero()[0])]
            track, start = self.plan.table[window, :2]
            problem = f"the model predicts values that are not finite in the window at frame {start}"
            id = self.tracks.recordings["id"][int(self.tracks.recording[track])]
            raise InputError(problem, where=id, remedy="its weights or its input are broken, train it again")
        row, scored = self._rows(index)
        pred, target = pred[scored], target[scored]
        if self.output == "global":
            self._path[row, 0] = metrics.joint_error(pred[:, self.root], target[:, self.root])
            self._distance[row, 0] = target[:, self.root].norm(dim=-1)
            pred[:, self.root] = target[:, self.root] = 0
        elif self.protocol.root == "zero":
            pred[:, self.root] = 0
        elif self.protocol.root == "subtracted":
            pred = pred - pred[:, self.root, None]
        self._pred[row], self._target[row] = pred[:, self.joints], target[:, self.joints]
        self._filled[index] = True

    def counted(self, index: Int[Tensor, " b"]) -> Bool[Tensor, "b s"]:
        """The predicted frames of these windows that are scored: those of the plan that are valid."""
        rows, scored = self._rows(index)
        return scored.masked_scatter(scored, torch.from_numpy(self._valid)[rows])

    def _rows(self, index: Int[Tensor, " b"]) -> tuple[Int[Tensor, " row"], Bool[Tensor, "b s"]]:
        """Rows of the scored frames of these windows, and their mask among the predicted frames."""
        frame, scored = self.plan.predicted(index)
        return (self._row[index][:, None] + frame)[scored], scored

    def report(self, **about: object) -> dict:
        """All scores as a dictionary for JSON; lengths in mm, shares in percent.

        Args:
            about: facts of the run, printed unchanged: experiment, source, terms, synthetic, detector, checkpoint ...
                `synthetic=True` adds a warning at the top.

        Keys: `about`, `protocol` (`text` holds for every model, `model` for this one), `scored`, `left_out`, `units`,
        `metrics` (averaged as the protocol says), `frame_mean` (over frames), `by` (action, subject, camera, recording
        -> name -> metric; joint -> metric, averaged as `metrics` are) and `worst` (the recording of the largest P1 and
        its error along time). A mean over no values, such as the velocity of single frames, is None.

        Raises:
            ValueError: some windows were never added.
        """
        if not self._filled.all():
            raise ValueError(f"{int((~self._filled).sum())} of {len(self._filled)} windows were never passed to `add`")
        means, error = self._measure()
        present, over = np.unique(self._recording[self._valid]), self.protocol.mean_over
        members: dict[str, dict[str, np.ndarray]] = {"frame": {"all": present}}
        for group, column in GROUPS.items():
            labels = np.array([str(label) for label in self.tracks.recordings[column]])[present]
            members[group] = {label: present[labels == label] for label in map(str, dict.fromkeys(labels))}
        by = {
            group: {label: means.scores(recordings) for label, recordings in members[group].items()} for group in GROUPS
        }
        averaged = list(members[over].values())
        by["joint"] = {
            name: mean_scores([means.scores(part, joint, len(self.names)) for part in averaged])
            for joint, name in enumerate(self.names)
        }
        frames = np.stack([self._track, self._frame])[:, self._valid]
        root = f"The predicted root is {ROOTS[self.protocol.root]}."
        if self.output == "global":
            root = "The root's path is scored by itself, the pose with a root of zero."
        if self.output == "image":
            root += (
                " It predicts in image space; the scale of every frame that makes metres of it comes from the ground "
                "truth, as published, and is not there for a video of one's own."
            )
        return {
            "about": about,
            "protocol": {
                "name": self.protocol.name,
                "text": self._rules(),
                "model": f"{self.plan.text} {root}",
                "mean_over": over,
            },
            "output": self.output,
            "flip": self.flip,
            "scored": {
                "recordings": len(present),
                "tracks": len(np.unique(frames[0])),
                "frames": len(np.unique(frames, axis=1).T),
                "counted": frames.shape[1],
                "joints": self.names,
            },
            "left_out": [list(entry) for entry in self.left_out],
            "units": {name: METRICS[name].unit for name in METRICS if name in means.sums},
            "metrics": mean_scores([means.scores(part) for part in averaged]),
            "frame_mean": means.scores(present),
            "by": by,
            "worst": self._worst(by["recording"], members["recording"], error),
        }

    def _rules(self) -> str:
        """The rules that hold for every model in this evaluation."""
        flip = "Averaged" if self.flip else "Not averaged"
        sentences = [self.protocol.text, f"{flip} with the un-mirrored prediction of the mirrored input."]
        sentences.append(f"{metrics.CORRECTNESS[self.protocol.correct].text}.")
        if not self._valid.all():
            sentences.append("Frames that the file marks as not valid are seen by the model and not scored.")
        return " ".join(sentences)

    def _worst(
        self, scores: dict[str, Scores], members: dict[str, np.ndarray], error: Float[Tensor, " row"]
    ) -> dict[str, object]:
        """The recording with the largest P1: of its tracks' scored frames, the numbers within it, and P1 in mm.

        The P1 of a frame that counts twice is the mean.
        """
        id = max(scores, key=lambda id: scores[id]["P1"] or 0)
        number, tracks = int(members[id][0]), []
        for track in np.unique(self._track[(self._recording == number) & self._valid]):
            rows = (self._track == track) & self._valid
            count = np.bincount(self._frame[rows])
            total = np.bincount(self._frame[rows], error.numpy()[rows] * METRICS["P1"].factor)
            scored = np.flatnonzero(count)
            first = 0 if self.tracks.first_frames is None else self.tracks.first_frames[track]
            frame = first + self.tracks.frame_step * scored
            tracks.append({"frame": frame.tolist(), "P1": np.round(total[scored] / count[scored], 3).tolist()})
        times = {"fps": float(self.tracks.recordings["fps"][number]), "frame_step": self.tracks.frame_step}
        return {"recording": id, "P1": scores[id]["P1"], **times, "tracks": tracks}

    def _measure(self) -> tuple[RecordingMeans, Float[Tensor, " row"]]:
        """Every metric by recording, and P1 of every row in metres."""
        recording = torch.from_numpy(self._recording.astype(np.int64))
        run = torch.from_numpy(self._track if self.protocol.velocity == "track" else self._window)
        valid = torch.from_numpy(self._valid)
        error = torch.zeros(len(recording))
        means = RecordingMeans(len(self.tracks.recordings["id"]))
        for begin in range(0, len(recording), ROWS):
            rows = slice(begin, begin + ROWS)
            scores, kept = self._frame_scores(rows), valid[rows]
            error[rows] = scores["P1"].mean(1)
            for name, values in scores.items():
                means.add(name, values[kept], recording[rows][kept])
            for order, name, measure in DIFFERENCES:
                longer = slice(begin, begin + ROWS + order)  # differences reach into the next piece
                values = measure(self._pred[longer], self._target[longer])
                first = torch.arange(begin, begin + len(values))
                together = run[first] == run[first + order]
                for step in range(order + 1):
                    together &= valid[first + step]
                means.add(name, values[together], recording[first[together]])
        return means, error

    def _frame_scores(self, rows: slice) -> dict[str, Float[Tensor, "row _"]]:
        """The scores of single frames."""
        pred, target, correct = self._pred[rows], self._target[rows], metrics.CORRECTNESS[self.protocol.correct]
        joint = metrics.joint_error(pred, target)
        scores = {
            "P1": joint,
            "P2": metrics.procrustes_error(pred, target),
            "P3": metrics.scale_error(pred, target),
            "PCK": correct.pck(joint),
            "AUC": correct.auc(joint),
            **dict(zip("xyz", metrics.axis_error(pred, target).unbind(-1), strict=True)),
        }
        if self.output == "global":
            scores["path"] = self._path[rows]
            scores["path of distance"] = self._path[rows] / self._distance[rows]
            scores["P1 with path"] = torch.where(self.joints == self.root, scores["path"], joint)
        return scores

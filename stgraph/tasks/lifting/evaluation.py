"""From predicted windows to a report: exact means of every error by action, subject, camera, recording and joint.

    protocol = find_protocol("standard")
    evaluator = Evaluator(protocol, dataset.skeleton, dataset.recordings, recording, lengths, frames=81)
    for index in evaluator.plan.batches():             # in any order, each window once
        track, start = evaluator.plan.table[index, :2].T  # gather frames start ... start + 80, clamped
        evaluator.add(index, model(inputs), target)    # (b, 81, j, 3) metres; averaged if evaluator.flip
    report = evaluator.report(source=dataset.source, detector="gt")

It knows no model, no dataset and no device.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.errors import InputError
from stgraph.scoring import metrics
from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.protocols import ROOTS, Protocol

# name -> (unit, factor from metres or shares to it, what it is)
METRICS = {
    "P1": ("mm", 1000, "MPJPE: mean distance of the joints"),
    "P2": ("mm", 1000, "P-MPJPE: after rotation, translation and scale of each frame"),
    "P3": ("mm", 1000, "N-MPJPE: after the scale of each frame"),
    "MPJVE": ("mm/frame", 1000, "error of first differences in time"),
    "acceleration": ("mm/frame²", 1000, "error of second differences in time"),
    "PCK": ("%", 100, "joints within 150 mm"),
    "AUC": ("%", 100, "area under PCK over thresholds"),
    "x": ("mm", 1000, "mean distance to the side"),
    "y": ("mm", 1000, "mean distance up and down"),
    "z": ("mm", 1000, "mean distance in depth"),
    "path": ("mm", 1000, "distance of the root's path in camera space"),
    "P1 with path": ("mm", 1000, "P1 with the path's error in the root's place"),
}
DIFFERENCES = ((1, "MPJVE", metrics.velocity_error), (2, "acceleration", metrics.acceleration_error))
MEANS = {
    "action": "Means over frames by action, then the mean over actions.",
    "recording": "Means over frames by recording, then the mean over recordings.",
    "frame": "Means over all frames alike.",
}
GROUPS = ("action", "subject", "camera", "recording")
COLUMNS = {"recording": "id"}
# Rows scored at a time: bounds memory, and few enough not to leave the cache far behind.
ROWS = 16384


class Evaluator:
    """Collects the scored frames of every window, then measures them all.

    Args:
        protocol: what is scored, and how.
        skeleton: of the predictions.
        recordings: columns id, subject, action, take, camera and fps, an entry per recording (as a Dataset has them).
        recording: the recording of each track.
        lengths: frames of each track.
        first_frames: number of each track's first frame within its recording; 0 where not given.
        frame_step: frames of the recording between two of a track.
        valid: whether each frame is to be scored, the frames of all tracks in a row; all are where not given.
        frames: frames that the model sees at once.
        before, after: frames of those at either end that it does not predict.
        sliding: whether it predicts a frame the same wherever in a longer window it lies (see `stgraph.models.Model`).
        output: "global": joint 0 of prediction and target is the root's path in camera space; it is scored by itself
            and the pose with a root of zero. "root_relative": it is the root, treated as the protocol says.
        flip: whether the caller averages with the mirrored input's prediction; None leaves it to the protocol.

    Attributes:
        plan: what to predict and which of it is scored. Tracks are those given, less left-out takes.
        left_out: (recording id, why) of what the protocol leaves out.
        flip: whether to average with the un-mirrored prediction of the mirrored input.

    Raises:
        InputError: nothing is left to score.
    """

    def __init__(
        self,
        protocol: Protocol,
        skeleton: Skeleton,
        recordings: Mapping[str, Any],
        recording: Int[np.ndarray, " track"],
        lengths: Int[np.ndarray, " track"],
        *,
        first_frames: Int[np.ndarray, " track"] | None = None,
        frame_step: int = 1,
        valid: Bool[np.ndarray, " frame"] | None = None,
        frames: int,
        before: int = 0,
        after: int = 0,
        sliding: bool = False,
        output: Literal["root_relative", "global"] = "root_relative",
        flip: bool | None = None,
    ) -> None:
        self.protocol, self.output = protocol, output
        self.flip = protocol.flip if flip is None else flip
        self.recordings, self.recording, self.lengths = recordings, np.asarray(recording), np.asarray(lengths)
        self.first_frames = np.zeros_like(self.lengths) if first_frames is None else np.asarray(first_frames)
        self.frame_step = frame_step
        takes = list(zip(recordings["subject"], recordings["take"], strict=True))
        out = np.array([protocol.leaves_out(*takes[number]) for number in self.recording], dtype=bool)
        ids = dict.fromkeys(str(recordings["id"][number]) for number in self.recording[out])
        self.left_out = [(id, f"protocol {protocol.name}") for id in ids]

        plan = protocol.plan(self.lengths, frames, before, after, sliding)
        windows = plan.table[~out[plan.table[:, 0]]]
        self.plan = replace(plan, table=windows)
        if not len(windows):
            raise InputError(
                f"protocol {protocol.name}: nothing to score in {len(self.recording)} tracks ({out.sum()} of them left "
                "out by the protocol); choose other subjects or recordings"
            )
        self.root = skeleton.root
        joints = [j for j, name in enumerate(skeleton.names) if name not in protocol.without_joints]
        self.joints = torch.tensor(joints)
        self.names = [skeleton.names[j] for j in joints]

        # Every window owns a run of rows, and tracks are in order: for `once`, a track's rows are its frames in time.
        track, _, first, last = windows.T
        end = np.cumsum(last - first)
        self._row = torch.from_numpy(end - last)  # the row of frame 0, had the window scored it
        self._track = np.repeat(track, last - first)
        self._window = np.repeat(np.arange(len(track)), last - first)
        self._frame = np.arange(end[-1]) - np.repeat(end - last, last - first)
        self._valid = np.ones(len(self._frame), bool)
        if valid is not None:
            self._valid = valid[(np.cumsum(self.lengths) - self.lengths)[self._track] + self._clamped()]
            if not self._valid.any():
                raise InputError("no frame of the chosen recordings is marked as valid; choose other subjects")
        self._pred = torch.zeros(int(end[-1]), len(joints), 3)
        self._target = torch.zeros_like(self._pred)
        self._path = torch.zeros(int(end[-1]), 1)
        self._filled = torch.zeros(len(track), dtype=torch.bool)

    def add(self, index: Int[Tensor, " b"], pred: Float[Tensor, "b s j 3"], target: Float[Tensor, "b s j 3"]) -> None:
        """Hand in windows by their numbers in `plan`: all frames that the model predicts, metres, any device.

        Raises:
            InputError: a prediction that is not finite.
        """
        pred, target, index = (tensor.detach().cpu() for tensor in (pred.float(), target.float(), index))
        if not pred.isfinite().all():
            window = index[int((~pred.isfinite()).flatten(1).any(1).nonzero()[0])]
            number = self.recording[self.plan.table[window, 0]]
            raise InputError(
                f"{self.recordings['id'][number]}: the model predicts values that are not finite in the window at "
                f"frame {self.plan.table[window, 1]}; its weights or its input are broken, train it again"
            )
        frame, scored = self.plan.predicted(index)
        row = (self._row[index][:, None] + frame)[scored]
        pred, target = pred[scored], target[scored]
        if self.output == "global":
            self._path[row, 0] = metrics.joint_error(pred[:, self.root], target[:, self.root])
            pred[:, self.root] = 0
        elif self.protocol.root == "zero":
            pred[:, self.root] = 0
        elif self.protocol.root == "subtracted":
            pred = pred - pred[:, self.root, None]
        target[:, self.root] = 0
        self._pred[row], self._target[row] = pred[:, self.joints], target[:, self.joints]
        self._filled[index] = True

    def counted(self, index: Int[Tensor, " b"]) -> Bool[Tensor, "b s"]:
        """Which frames that these windows predict are scored: those that the plan says and that are valid."""
        frame, scored = self.plan.predicted(index)
        rows = (self._row[index][:, None] + frame)[scored]
        scored[scored.clone()] = torch.from_numpy(self._valid)[rows]
        return scored

    def report(self, **about: Any) -> dict:
        """All scores as a dictionary that JSON can hold; lengths in mm, shares in percent.

        Args:
            about: what the reader should know of the run, printed as given: experiment, source, terms, synthetic,
                detector, checkpoint ... `synthetic=True` puts a warning on top of everything.

        Keys: `about`, `protocol`, `scored`, `left_out`, `units`, `metrics` (averaged as the protocol says),
        `frame_mean` (over frames), `by` (action, subject, camera, recording -> name -> metric; joint -> metric,
        averaged as `metrics` are) and `worst` (the recording of the largest P1 and its error along time). A score that
        has nothing to be taken from, such as the velocity of single frames, is None.

        Raises:
            ValueError: some windows were never handed in.
        """
        if not self._filled.all():
            raise ValueError(f"{int((~self._filled).sum())} of {len(self._filled)} windows were not handed to `add`")
        sums, counts, error = self._measure()
        present = np.unique(self.recording[self._track[self._valid]])
        ids = [str(id) for id in self.recordings["id"]]
        by = {}
        for group in GROUPS:
            labels = np.array([str(label) for label in self.recordings[COLUMNS.get(group, group)]])[present]
            by[group] = {
                label: _means(sums, counts, present[labels == label]) for label in map(str, dict.fromkeys(labels))
            }
        over = self.protocol.mean_over
        if over == "frame":
            parts = [present]
        else:
            labels = np.array([str(label) for label in self.recordings[COLUMNS.get(over, over)]])[present]
            parts = [present[labels == label] for label in by[over]]
        joints = [_joint_means(sums, counts, part, self.names) for part in parts]
        by["joint"] = {name: _mean_scores([scores[name] for scores in joints]) for name in self.names}
        track, frame, _ = np.stack([self._track, self._clamped(), self._valid])[:, self._valid]
        worst = max(by["recording"], key=lambda id: by["recording"][id]["P1"])
        return {
            "about": about,
            "protocol": {"name": self.protocol.name, "text": self._text(), "mean_over": over},
            "output": self.output,
            "flip": self.flip,
            "scored": {
                "recordings": len(present),
                "tracks": len(np.unique(track)),
                "frames": len(np.unique(np.stack([track, frame]), axis=1).T),
                "counted": len(frame),
                "joints": self.names,
            },
            "left_out": [list(entry) for entry in self.left_out],
            "units": {name: METRICS[name][0] for name in sums},
            "metrics": _mean_scores([_means(sums, counts, part) for part in parts]),
            "frame_mean": _means(sums, counts, present),
            "by": by,
            "worst": {
                "recording": worst,
                "P1": by["recording"][worst]["P1"],
                "fps": float(self.recordings["fps"][ids.index(worst)]),
                "frame_step": self.frame_step,
                "tracks": self._along_time(ids.index(worst), error),
            },
        }

    def _text(self) -> str:
        """The protocol in words, and what this evaluation adds to it."""
        flip = "Averaged with the un-mirrored prediction of the mirrored input."
        path = "The root's path is scored by itself, the pose with a root of zero."
        parts = [
            self.plan.text,
            path if self.output == "global" else f"The predicted root is {ROOTS[self.protocol.root]}.",
            flip if self.flip else "Not averaged with the mirrored input's prediction.",
            f"{self.protocol.correct.text}.",
            MEANS[self.protocol.mean_over],
        ]
        if not self._valid.all():
            parts.append("Frames that the file marks as not valid are seen by the model and not scored.")
        return " ".join(parts)

    def _clamped(self) -> Int[np.ndarray, " row"]:
        """The frame of its track that each row shows."""
        return np.clip(self._frame, 0, self.lengths[self._track] - 1)

    def _along_time(self, recording: int, error: Float[Tensor, " row"]) -> list[dict[str, list]]:
        """Numbers within the recording of the frames scored of each of its tracks, and P1 at each in mm.

        Where a frame counts twice, its P1 is the mean.
        """
        tracks, frames = [], self._clamped()
        for track in np.unique(self._track[(self.recording[self._track] == recording) & self._valid]):
            rows = (self._track == track) & self._valid
            count = np.bincount(frames[rows])
            total = np.bincount(frames[rows], error.numpy()[rows] * METRICS["P1"][1])
            seen = np.flatnonzero(count)
            numbers = self.first_frames[track] + self.frame_step * seen
            tracks.append({"frame": numbers.tolist(), "P1": np.round(total[seen] / count[seen], 3).tolist()})
        return tracks

    def _measure(self) -> tuple[dict[str, Tensor], dict[str, Tensor], Float[Tensor, " row"]]:
        """Sums (recording, joint) and numbers of frames (recording, 1) of every metric, and P1 of every row."""
        group = torch.from_numpy(self.recording[self._track].astype(np.int64))
        run = torch.from_numpy(self._track if self.protocol.velocity == "track" else self._window)
        valid = torch.from_numpy(self._valid)
        error = torch.zeros(len(group))
        sums: dict[str, Tensor] = {}
        counts: dict[str, Tensor] = {}
        for begin in range(0, len(group), ROWS):
            end = min(begin + ROWS, len(group))
            for name, values in self._frame_scores(begin, end).items():
                kept = valid[begin:end]
                _collect(sums, counts, name, values[kept], group[begin:end][kept], len(self.recordings["id"]))
            error[begin:end] = metrics.joint_error(self._pred[begin:end], self._target[begin:end]).mean(1)
            for order, name, measure in DIFFERENCES:
                stop = min(end + order, len(group))  # differences reach into the next piece
                values = measure(self._pred[begin:stop], self._target[begin:stop])
                first = torch.arange(begin, begin + len(values))
                together = run[first] == run[first + order]
                for step in range(order + 1):
                    together &= valid[first + step]
                first, values = first[together], values[together]
                _collect(sums, counts, name, values, group[first], len(self.recordings["id"]))
        return {name: sums[name] for name in METRICS if name in sums}, counts, error

    def _frame_scores(self, begin: int, end: int) -> dict[str, Float[Tensor, "row j"]]:
        """The scores that a frame has by itself."""
        pred, target, correct = self._pred[begin:end], self._target[begin:end], self.protocol.correct
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
            scores["path"] = self._path[begin:end]
            scores["P1 with path"] = torch.where(self.joints == self.root, scores["path"], joint)
        return scores


def _collect(sums: dict, counts: dict, name: str, values: Tensor, group: Tensor, groups: int) -> None:
    """Add rows to the sum and the count of their groups."""
    rows = metrics.grouped_sum(torch.ones(len(group), 1), group, groups)
    sums[name] = sums.get(name, 0) + metrics.grouped_sum(values, group, groups)
    counts[name] = counts.get(name, 0) + rows


def _means(sums: dict[str, Tensor], counts: dict[str, Tensor], members: np.ndarray) -> dict[str, float | None]:
    """Every metric's mean over all frames and joints of some recordings, in its unit."""
    result = {}
    for name, values in sums.items():
        count = counts[name][members].sum().item() * values.shape[1]
        result[name] = METRICS[name][1] * values[members].sum().item() / count if count else None
    return result


def _joint_means(sums: dict, counts: dict, members: np.ndarray, names: list[str]) -> dict[str, dict]:
    """The same joint by joint, for the metrics that every joint has."""
    by_joint = {name: values for name, values in sums.items() if values.shape[1] == len(names)}
    return {
        joint: _means({name: values[:, j, None] for name, values in by_joint.items()}, counts, members)
        for j, joint in enumerate(names)
    }


def _mean_scores(scores: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Mean of each metric over the dictionaries that have it."""
    found = {name: [entry[name] for entry in scores if entry[name] is not None] for name in scores[0]}
    return {name: sum(values) / len(values) if values else None for name, values in found.items()}

"""Evaluation protocols as data: which frames count, and how they are averaged.

Published numbers differ by the protocol as much as by the model, so every report states its protocol. Imports no
numerical library, so that `--help` lists the protocols at once.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stgraph.errors import InputError

ROOTS = {
    "zero": "set to zero",
    "subtracted": "subtracted from the prediction",
    "as predicted": "scored as predicted, against zero",
}
MEANS = {
    "action": "Means over frames by action, then the mean over actions.",
    "recording": "Means over frames by recording, then the mean over recordings.",
    "frame": "Means over all frames alike.",
}


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate, named.

    Attributes:
        name, summary: printed in reports.
        share: of a window's frames, how many are scored: its centre `max(1, floor(share x frames))`, windows cut so
            that these centres tile the track. None: the whole window, side by side, the last one moved back to end
            with the track (padded behind where the track is shorter than a window).
        tail: with windows side by side, whether the frames behind the last whole one are scored, by one more window
            that is moved back; they always are in a track shorter than a window.
        once: each frame of a track counts exactly once. Otherwise whatever the windows score counts, padded frames
            (copies of the track's first or last frame) and overlaps too.
        velocity: differences in time are taken along the whole track, or inside each window only. Where frames count
            more than once, "track" means its windows joined end to end.
        root: the root of a root-relative prediction is set to "zero", is "subtracted" from all joints, or is scored
            "as predicted", against a target of zero.
        correct: definition of PCK and AUC, a key of `stgraph.scoring.metrics.CORRECTNESS`.
        flip: whether the prediction is averaged with that of the mirrored input unless the caller says otherwise.
        without_joints: names of joints that are not scored. Those that a skeleton does not have are ignored.
        without_takes: (subject, take) that are not scored.
        mean_over: what the means over frames are taken by, before their mean: actions, or recordings; "frame": all
            frames count alike. Frames that the file marks as not valid are never scored.
    """

    name: str
    summary: str
    share: Fraction | None = Fraction(1, 3)
    tail: bool = True
    once: bool = True
    velocity: Literal["track", "window"] = "track"
    root: Literal["zero", "subtracted", "as predicted"] = "zero"
    correct: Literal["3dhp", "tgraphnet"] = "3dhp"
    flip: bool = False
    without_joints: tuple[str, ...] = ()
    without_takes: tuple[tuple[str, str], ...] = ()
    mean_over: Literal["action", "recording", "frame"] = "action"

    def scored(self, outputs: int) -> int:
        """Frames scored per window of a model that predicts `outputs` frames from it."""
        return outputs if self.share is None else min(outputs, max(1, int(self.share * outputs)))

    @property
    def text(self) -> str:
        """The rules that hold for every model, in sentences."""
        sentences = [
            self.summary,
            "Each frame counts once." if self.once else "Overlapping and padded frames count too.",
            f"Differences in time are taken {'along tracks' if self.velocity == 'track' else 'inside windows'}.",
            *([f"Without {', '.join(self.without_joints)}."] if self.without_joints else []),
            MEANS[self.mean_over],
        ]
        return " ".join(sentences)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "standard",
            "Every frame once, by the window in whose centre third it lies; all joints.",
        ),
        Protocol(
            "videopose3d",
            "Whole recordings with edge padding: for a model of fixed length, each frame predicted from the window "
            "centred on it.",
            share=Fraction(0),
            root="as predicted",
            flip=True,
        ),
        Protocol(
            "tgraphnet",
            "The centre 31 of every 81 frames (the same share of other lengths), padded frames counted too; exact "
            "means, where the published ones are means of batch means.",
            share=Fraction(31, 81),
            once=False,
            velocity="window",
            correct="tgraphnet",
        ),
        Protocol(
            "semgcn",
            "16 joints, every frame once; the published models predict from single frames.",
            root="subtracted",
            without_joints=("Neck/Nose",),
        ),
        Protocol(
            "mixste",
            "Windows side by side, the last one aligned to the end and its overlap counted twice.",
            share=None,
            once=False,
            root="as predicted",
            flip=True,
        ),
        Protocol(
            "motionbert",
            "Windows side by side, the frames behind the last whole one not scored; three S9 takes with bad ground "
            "truth left out.",
            share=None,
            tail=False,
            root="subtracted",
            flip=True,
            # By the names of the official files, and by the index as `data_prep motionbert` has them.
            without_takes=(
                *(("S9", take) for take in ("Greeting", "SittingDown 1", "Waiting 1")),
                *(("S9", take) for take in ("act_05_subact_02", "act_10_subact_02", "act_13_subact_01")),
            ),
        ),
        Protocol(
            "3dhp",
            "MPI-INF-3DHP: PCK, AUC and MPJPE by test sequence, valid frames, all joints, aligned at the pelvis; "
            "papers differ in joints, alignment and 3D (annot3 or univ_annot3, which the source of the data names).",
            mean_over="recording",
        ),
        Protocol(
            "3dhp14",
            "MPI-INF-3DHP: PCK, AUC and MPJPE by test sequence, valid frames, the 14 joints of the official script's "
            "groups, aligned at the pelvis, which is not one of them.",
            without_joints=("Hip", "Spine", "Neck/Nose"),
            mean_over="recording",
        ),
        Protocol(
            "3dpw",
            "3DPW: P1 and P2, valid frames, all joints of the file, aligned at the pelvis.",
            mean_over="frame",
        ),
        Protocol(
            "3dpw14",
            "3DPW: P1 and P2, valid frames, the 14 joints that SMPL and Human3.6M share, aligned at the pelvis.",
            without_joints=("Spine", "Neck/Nose", "Head"),
            mean_over="frame",
        ),
    )
}


def find_protocol(name: str) -> Protocol:
    """A preset by name. Raises InputError, which lists the names."""
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is not known", remedy=f"choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]

"""The classes of people in a video over time, from their 2D keypoints: windows that slide over each person's track."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from jaxtyping import Bool, Float

from stgraph.data.recording import runs
from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.tasks.action.actions import TOGETHER, Actions, ActionTrack
from stgraph.tasks.action.recognise import clip_probabilities
from stgraph.tasks.action.run import CLIPS_AT_ONCE, ActionRun
from stgraph.tracking.options import FPS, FPS_NOTE
from stgraph.tracking.videos import SHORTEST, identified, never_long, stretches
from stgraph.training.prediction import Progressed, silent

Track = tuple[int, Float[np.ndarray, "_ j 3"]]  # the first frame of a person, and the poses from there to the last


class Sliding(TypedDict, total=False):
    """How windows slide over a video; see `actions_of`."""

    window: int | None
    step: int | None
    together: bool


def actions_of(
    run: ActionRun,
    keypoints: Keypoints,
    *,
    window: int | None = None,
    step: int | None = None,
    together: bool = False,
    progress: Progressed = silent,
) -> Actions:
    """Recognise all people in a video, in windows prepared as the clips of an evaluation are.

    A person's frames are cut where there is none for longer than `stgraph.tracking.videos.GAP` seconds. In each stretch
    a window begins every `step` frames, and one ends with the last frame; a shorter stretch is a window by itself.

    Args:
        run: a recogniser of 2D poses.
        keypoints: with or without identities, joints under any names that the run's can be made of.
        window: frames that are recognised at a time; by default as many as the model sees of a clip.
        step: frames from one window to the next; by default a quarter of the window.
        together: recognise all people of a window as one clip of several persons, for classes that need two.
        progress: called with the share that is done, from 0 to 1.

    Raises:
        InputError: a run of 3D poses, joints that it needs and the keypoints lack, no size, or no person who is seen
            for at least three frames.
    """
    data = run.data
    if data.detector is None:
        problem, remedy = "recognises 3D poses", "train one by `train --set data.detector=NAME` on 2D keypoints"
        raise InputError(problem, where=f"--exp {run.name}", remedy=remedy)
    window = (data.test_frames or data.frames) if window is None else window
    step = max(window // 4, 1) if step is None else step
    for name, value in (("--window", window), ("--step", step)):
        if value < 1:
            raise InputError(where=name, found=str(value), expected="1 frame or more")
    size, fps, notes = keypoints.known_size, keypoints.fps or FPS, []
    if not keypoints.fps:
        notes.append(FPS_NOTE)
    people = identified(keypoints, fps).to(run.skeleton)
    tracks = {person: track_of(people, person) for person in people.people}
    units = {TOGETHER: [*tracks.values()]} if together else {person: [track] for person, track in tracks.items()}
    uniform, length = data.sampling == "uniform", people.frames[1] - people.frames[0]
    cut = {
        person: cut_windows(those, length, window, step, fps=fps, trimmed=uniform) for person, those in units.items()
    }
    if not any(cut.values()):
        raise never_long(people)
    if dropped := sum(not windows for windows in cut.values()):
        notes.append(f"People seen in fewer than {SHORTEST} frames in a row are left out: {dropped}.")
    notes.append(f"Windows of {window:,} frames, one every {step:,}; frames take the mean of those that they lie in.")
    total, done, found_people, first = sum(map(len, cut.values())), 0, [], people.frames[0]
    for person, those in units.items():
        if not (windows := cut[person]):
            continue
        found = np.zeros((len(windows), len(run.task.classes)), np.float32)
        for rows in batches(windows):
            clips = np.stack([clip_of(those, windows[row], data.max_persons) for row in rows])
            found[rows] = clip_probabilities(run, clips, size)
            progress((done := done + len(rows)) / total)
        begins, stops = first + np.array(windows).T
        found_people.append(ActionTrack(person, begins, stops, found))
    return Actions(
        name=people.name,
        run=run.name,
        classes=tuple(run.task.classes),
        fps=float(fps),
        frames=people.frames,
        window=window,
        step=step,
        people=tuple(found_people),
        notes=(*people.notes, *notes),
    )


def track_of(people: Keypoints, person: int) -> Track:
    """A person's frames, counted from the video's first."""
    own = people.of(person)
    first, last = int(own.frame[0]), int(own.frame[-1])
    return first - people.frames[0], own.dense((first, last + 1)).astype(np.float32)


def cut_windows(
    tracks: Sequence[Track], length: int, window: int, step: int, *, fps: float, trimmed: bool
) -> list[tuple[int, int]]:
    """(first, stop) of the windows over the stretches in which a person is present.

    As clips do, windows end with the last frame that shows a person, and with `trimmed` begin with the first one.
    """
    seen: Bool[np.ndarray, " t"] = np.zeros(length, bool)
    for start, poses in tracks:
        seen[start : start + len(poses)] |= (poses[..., 2] > 0).any(1)
    found = []
    for start, end in stretches(seen, fps):
        begins = [*range(start, max(end - window, start) + 1, step)]
        if begins[-1] + window < end:
            begins.append(end - window)
        for begin in begins:
            inside = runs(seen[begin : min(begin + window, end)])
            if inside:
                found.append((begin + (inside[0][0] if trimmed else 0), begin + inside[-1][1]))
    return list(dict.fromkeys(found))


def clip_of(tracks: Sequence[Track], window: tuple[int, int], persons: int) -> Float[np.ndarray, "p w j 3"]:
    """The people of a window, at most so many: those who are seen in most of its frames; absent ones are zeros."""
    begin, end = window
    there = [(start, poses) for start, poses in tracks if start < end and start + len(poses) > begin]
    kept = min(persons, len(tracks))
    inside = np.zeros((max(kept, len(there)), end - begin, *tracks[0][1].shape[1:]), np.float32)
    for place, (start, poses) in enumerate(there):
        first, last = max(start, begin), min(start + len(poses), end)
        inside[place, first - begin : last - begin] = poses[first - start : last - start]
    frames = (inside[..., 2] > 0).any(2).sum(1)
    return inside[np.sort(np.argsort(-frames, kind="stable")[:kept])]


def batches(windows: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Numbers of the windows in batches of one length each."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, (first, stop) in enumerate(windows):
        by_length[stop - first].append(number)
    return [
        numbers[begin : begin + CLIPS_AT_ONCE]
        for numbers in by_length.values()
        for begin in range(0, len(numbers), CLIPS_AT_ONCE)
    ]

"""Classes over time as CSV and JSON."""

import csv
import json
from pathlib import Path

import numpy as np

from stgraph.formats.files import replaced
from stgraph.tasks.action.actions import Actions, ActionTrack

COLUMNS = ["person", "first", "last", "start", "end", "rank", "class", "probability"]
RANKS = 5  # of the classes of a window


def write_csv(actions: Actions, path: Path) -> str:
    """Write `COLUMNS`, a row for each of the likeliest classes of every window of every person.

    `first` and `last` are its frames, `start` and `end` the same in seconds; rank 1 is the likeliest class.
    """
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for track in actions.people:
            for first, stop, values in zip(*columns(track), strict=True):
                about = [track.person, first, stop - 1, *times(actions, first, stop).values()]
                for rank, number in enumerate(np.argsort(-np.array(values), kind="stable")[:RANKS].tolist(), start=1):
                    writer.writerow([*about, rank, actions.classes[number], round(values[number], 4)])
    return f"the {RANKS} likeliest of {len(actions.classes)} classes" if len(actions.classes) > RANKS else ""


def write_json(actions: Actions, path: Path) -> str:
    """Write an object of what holds for the whole video, and `people`, a list of their windows with all probabilities.

    `spans` of a person are the stretches of one likeliest class.
    """
    people = []
    for track in actions.people:
        spans = [
            {"first": first, "last": stop - 1, **times(actions, first, stop)}
            | {"class": actions.classes[number], "probability": round(mean, 4)}
            for first, stop, number, mean in actions.spans[track.person]
        ]
        windows = [
            {"first": first, "last": stop - 1, **times(actions, first, stop)}
            | {"probabilities": [round(value, 5) for value in values]}
            for first, stop, values in zip(*columns(track), strict=True)
        ]
        people.append({"person": track.person, "spans": spans, "windows": windows})
    head = {"name": actions.name, "experiment": actions.run, "fps": actions.fps, "frames": actions.frames}
    head |= {"window": actions.window, "step": actions.step, "notes": actions.notes, "classes": actions.classes}
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(head | {"people": people}, allow_nan=False) + "\n", encoding="utf-8")
    return ""


def columns(track: ActionTrack) -> tuple[list[int], list[int], list[list[float]]]:
    """First frame, the one after the last, and probabilities of the windows."""
    return track.first.tolist(), track.stop.tolist(), track.probabilities.tolist()


def times(actions: Actions, first: int, stop: int) -> dict[str, float]:
    """When a window begins and ends, seconds."""
    return {"start": round(first / actions.fps, 4), "end": round(stop / actions.fps, 4)}

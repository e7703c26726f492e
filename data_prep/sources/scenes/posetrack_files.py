"""Scenes as PoseTrack18's files."""

from pathlib import Path

import numpy as np

from stgraph.data.recording import Recording
from stgraph.formats.posetrack import Video, write_video

DETECTOR = "sim"


def write_json(recording: Recording, folder: Path) -> None:
    """Write a scene to truth/NAME.json with identities, and to detections/NAME.json without."""
    name = recording.take.replace(" ", "_")
    frames = max(track.frame + len(track) for track in recording.tracks)
    # Of every track the frames in which the person is in the image.
    rows = [(track, np.flatnonzero(track.pose2d["gt"][..., 2].any(axis=-1))) for track in recording.tracks]
    frame = np.concatenate([track.frame + kept for track, kept in rows])
    order = np.argsort(frame, kind="stable")
    detected = recording.detections[DETECTOR]
    kinds = {
        "truth": {
            "frame": frame[order],
            "person": np.concatenate([np.full(len(kept), track.person) for track, kept in rows])[order],
            "pose": np.concatenate([track.pose2d["gt"][kept] for track, kept in rows])[order],
            "box": np.concatenate([np.asarray(track.box)[kept] for track, kept in rows])[order],
            "head_box": np.concatenate([np.asarray(track.head_box)[kept] for track, kept in rows])[order],
            "score": np.ones(len(order), np.float32),
        },
        "detections": {
            "frame": detected.frame,
            "person": np.full(len(detected), -1),
            "pose": detected.pose,
            "box": detected.box,
            "head_box": np.zeros((len(detected), 4), np.float32),
            "score": detected.score,
        },
    }
    for kind, fields in kinds.items():
        video = Video(
            name=name,
            frame_ids=np.arange(frames),
            labelled=np.ones(frames, bool),
            ignore=[[] for _ in range(frames)],
            file_names=[f"{name}/{number:06}.jpg" for number in range(frames)],
            image_ids=list(range(frames)),
            fps=recording.fps,
            size=(recording.camera.width, recording.camera.height),
            **fields,
        )
        write_video(video, folder / kind / f"{name}.json")

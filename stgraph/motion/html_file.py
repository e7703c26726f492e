"""A motion as a page that plays in any browser, without a network: `viewer.html` with the data in it."""

import base64
import html
import json
from pathlib import Path

import numpy as np

from stgraph.formats.files import replaced
from stgraph.motion.motion import Motion

VIEWER = Path(__file__).with_name("viewer.html")
LARGEST, GAP = 32767, -32768  # 16 bits: the largest step of a coordinate, and an absent person
UNIT, PIXEL = 0.001, 0.1  # metres and pixels a step, at the least
GUESSED, SEEN = 1, 2


def write(motion: Motion, path: Path) -> str:
    """Write the page. Steps are 1 mm and 0.1 pixels, or wider where 16 bits would not hold the motion otherwise."""
    page = VIEWER.read_text(encoding="utf-8")
    # No text of the data may end the element that it stands in.
    data = json.dumps(viewer_data(motion, path.stem), allow_nan=False, separators=(",", ":"))
    data = data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    page = page.replace("{{title}}", html.escape(path.stem)).replace("{{motion}}", data)
    with replaced(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return ""


def viewer_data(motion: Motion, title: str) -> dict[str, object]:
    """What the page draws, as JSON with arrays in base64."""
    skeleton = motion.skeleton
    sides = dict.fromkeys(skeleton.left, "left") | dict.fromkeys(skeleton.right, "right")
    rows = motion.rows
    there = rows.pose[rows.there].reshape(-1, 3)
    low, high = (there.min(0), there.max(0)) if len(there) else (np.zeros(3), np.zeros(3))
    low, high = low.astype(np.float64), high.astype(np.float64)
    origin, unit = (low + high) / 2, max(UNIT, float((high - low).max()) / 2 / LARGEST)
    pose = np.where(rows.there[:, None, None], (rows.pose - origin) / unit, GAP)
    pixels = np.where(rows.seen[..., None], rows.keypoints[..., :2], 0)
    pixel = max(PIXEL, float(np.abs(pixels).max(initial=0)) / LARGEST)
    marks = GUESSED * rows.guessed + SEEN * rows.seen
    return {
        "title": title,
        "notes": motion.notes,
        "names": skeleton.names,
        "parents": skeleton.parents,
        "sides": [sides.get(joint, "middle") for joint in range(len(skeleton))],
        "people": [str(person) for person in motion.person],
        "size": motion.size,
        "frames": len(motion),
        # The person of each row, and each frame's first row.
        "rows": _packed(rows.person.astype("<i4")),
        "begin": _packed(np.searchsorted(rows.frame, np.arange(len(motion) + 1)).astype("<i4")),
        "rate": motion.rate,
        "start": float(motion.time[0]),
        "first": int(motion.frame[0]),
        "step": int(motion.frame[1] - motion.frame[0]) if len(motion) > 1 else 1,
        "origin": origin.tolist(),
        "unit": unit,
        "pose": _packed(np.round(pose).astype("<i2")),
        "pixel": pixel,
        "keypoints": _packed(np.round(pixels / pixel).astype("<i2")),
        "marks": _packed(marks.astype(np.uint8)),
    }


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()

"""A person's motion as OpenSim's TRC: a marker for each joint."""

from pathlib import Path

from stgraph.formats.files import replaced
from stgraph.motion.motion import Motion


def write(motion: Motion, path: Path) -> str:
    """Write metres with x to the right of the camera's view, y up and z towards the camera.

    Frames count from 1 as in other TRC files, times are the motion's. Cells of frames without the person are empty,
    which OpenSim reads as missing. The format cannot mark guessed joints; the line that is returned names them.
    """
    names = motion.joint_labels
    header = "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
    rate, frames = f"{motion.rate:.6g}", len(motion)
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        rows = [["PathFileType", "4", "(X/Y/Z)", path.name], header.split()]
        rows += [[rate, rate, str(frames), str(len(names)), "m", rate, "1", str(frames)]]
        rows += [["Frame#", "Time", *(cell for name in names for cell in (name, "", ""))]]
        rows += [["", "", *(f"{axis}{number}" for number in range(1, len(names) + 1) for axis in "XYZ")], []]
        file.writelines("\t".join(row) + "\n" for row in rows)
        times, absent = motion.time, [""] * (3 * len(names))
        for number, place in enumerate(motion.y_up[:, 0].reshape(frames, -1)):
            cells = [f"{value:.5f}" for value in place] if motion.present[number, 0] else absent
            file.write("\t".join([str(number + 1), f"{times[number]:.6f}", *cells]) + "\n")
    return motion.guessed_text

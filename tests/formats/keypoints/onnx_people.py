"""A video of drawn people, and small networks of rtmlib's forms that find them by their colours."""

from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

from stgraph.skeleton import COCO17

# From the middle of the hips, in heads: x to the person's left, y down.
REST = {
    "Nose": (0, -3.0), "LEye": (0.15, -3.15), "REye": (-0.15, -3.15), "LEar": (0.35, -3.05), "REar": (-0.35, -3.05),
    "LShoulder": (0.8, -2.2), "RShoulder": (-0.8, -2.2), "LElbow": (1.1, -1.1), "RElbow": (-1.1, -1.1),
    "LWrist": (1.2, -0.1), "RWrist": (-1.2, -0.1), "LHip": (0.45, 0), "RHip": (-0.45, 0), "LKnee": (0.5, 1.7),
    "RKnee": (-0.5, 1.7), "LAnkle": (0.5, 3.4), "RAnkle": (-0.5, 3.4),
}  # fmt: skip
# A colour of every joint, as far from one another as can be after a video's compression, and bright.
LEVELS = (0, 110, 255)
COLOURS = np.array([(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS if 255 in (r, g, b)], np.float32)
COLOURS = COLOURS[: len(COCO17)]
SIZE = (640, 360)  # of the video of two people
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])  # of RTMPose
BRIGHT = 190  # the least of the brightest channel of a joint; bones and background are darker


def person(frame: int, middle: tuple[float, float], head: float = 24) -> np.ndarray:
    """(j 2) pixels of COCO's joints of a person who waves and sways."""
    joints = np.array([REST[name] for name in COCO17.names], float)
    joints[COCO17.index("RWrist")] += (-0.9 + 0.4 * np.sin(frame / 3), -2.4)
    joints[COCO17.index("RElbow")] += (-0.3, -0.8)
    return np.array(middle) + head * joints + (head * 0.3 * np.sin(frame / 8), 0)


def two_people(frames: int) -> np.ndarray:
    """(t m j 2) pixels of two people, in the left and the right half of an image of `SIZE`."""
    return np.array([[person(frame, middle) for middle in ((190, 190), (450, 200))] for frame in range(frames)])


def picture(people: Sequence[np.ndarray], size: tuple[int, int], radius: int = 4) -> np.ndarray:
    """(h w 3) a drawing of some people."""
    image = Image.new("RGB", size, (30, 40, 30))
    draw = ImageDraw.Draw(image)
    for joints in people:
        for joint, parent in COCO17.bones:
            draw.line([*joints[joint], *joints[parent]], fill=(120, 110, 100), width=radius)
        for (x, y), colour in zip(joints, COLOURS.astype(int), strict=True):
            draw.rectangle([x - radius, y - radius, x + radius, y + radius], fill=tuple(colour.tolist()))
    return np.asarray(image)


def write_video(path: Path, pictures: Sequence[np.ndarray], fps: int = 25, options: Sequence[str] = ()) -> Path:
    """Write pictures as a video, in the container of the path's ending."""
    height, width = pictures[0].shape[:2]
    codec = "libvpx" if path.suffix == ".webm" else "libx264"
    writer = imageio_ffmpeg.write_frames(
        str(path), (width, height), fps=fps, codec=codec, quality=9, macro_block_size=2, output_params=[*options]
    )
    writer.send(None)
    for one in pictures:
        writer.send(np.ascontiguousarray(one))
    writer.close()
    return path


def save(path: Path, nodes: list, shape: list, outputs: dict[str, list], constants: dict[str, np.ndarray]) -> Path:
    """Write a network of one input."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def detector(path: Path, side: int = 320) -> Path:
    """A YOLOX with suppression: (1, 2, 5) boxes of what is bright in the left and in the right half, and scores."""
    far = np.float32(10 * side)
    x = np.arange(side, dtype=np.float32)
    nodes, rows = [helper.make_node("ReduceMax", ["input"], ["top"], axes=[1], keepdims=0)], []
    constants: dict[str, np.ndarray] = {"bright": np.float32(BRIGHT), "far": far, "near": -far}
    for half in "lr":
        inside = (x < side / 2) if half == "l" else (x >= side / 2)
        constants |= {f"x{half}": np.where(inside, x, np.nan)[None, None], f"y{half}": x[None, :, None]}
        constants[f"in{half}"] = inside[None, None]
        nodes += [
            helper.make_node("Greater", ["top", "bright"], [f"bright{half}"]),
            helper.make_node("And", [f"bright{half}", f"in{half}"], [f"mask{half}"]),
        ]
        corners = [(f"{axis}{half}", kind) for kind in ("Min", "Max") for axis in "xy"]
        for place, kind in corners:
            outside = "far" if kind == "Min" else "near"
            nodes += [
                helper.make_node("Where", [f"mask{half}", place, outside], [f"{place}{kind}s"]),
                helper.make_node(f"Reduce{kind}", [f"{place}{kind}s"], [f"{place}{kind}"], axes=[1, 2], keepdims=1),
            ]
        nodes += [
            helper.make_node("Cast", [f"mask{half}"], [f"any{half}s"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", [f"any{half}s"], [f"any{half}"], axes=[1, 2], keepdims=1),
            helper.make_node("Concat", [f"{p}{k}" for p, k in corners] + [f"any{half}"], [f"row{half}"], axis=2),
        ]
        rows.append(f"row{half}")
    nodes.append(helper.make_node("Concat", rows, ["dets"], axis=1))
    return save(path, nodes, [1, 3, side, side], {"dets": [1, 2, 5]}, constants)


def detector_of_classes(path: Path, things: dict[int, tuple[float, float, float, float]], side: int = 320) -> Path:
    """A YOLOX without suppression, of COCO's classes: (1, n, 85) always the same things, class -> middle and size."""
    cells = [((x, y), step) for step in (8, 16, 32) for y in range(side // step) for x in range(side // step)]
    rows = np.full((1, len(cells), 85), 0, np.float32)
    for place, (kind, (x, y, width, height)) in enumerate(things.items()):
        (left, top), step = cells[place]
        rows[0, place, :4] = x / step - left, y / step - top, np.log(width / step), np.log(height / step)
        rows[0, place, [4, 5 + kind]] = 1
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "nothing"], ["zero"]),
        helper.make_node("Add", ["rows", "zero"], ["output"]),
    ]
    constants = {"rows": rows, "nothing": np.float32(0)}
    return save(path, nodes, [1, 3, side, side], {"output": [*rows.shape]}, constants)


def pose_estimator(path: Path, joints: int = len(COCO17), size: tuple[int, int] = (96, 128), people: int = 1) -> Path:
    """An RTMPose: SimCC of the middle of each joint's colour, twice as fine as pixels; all zero where it is nowhere.

    Joints beyond COCO's have its colours again. With more people than one, its outputs repeat those of the one it sees.
    """
    width, height = size
    colours = (COLOURS[np.arange(joints) % len(COLOURS)] - MEAN) / STD
    constants = {
        "colours": colours.astype(np.float32)[..., None, None],
        "picture": np.array([1, 1, 3, height, width]),
        "sharp": np.float32(-8.0),
        "floor": np.float32(0.05),
        "twice_x": np.repeat(np.arange(width), 2),
        "twice_y": np.repeat(np.arange(height), 2),
    }
    nodes = [
        helper.make_node("Reshape", ["input", "picture"], ["pixels"]),
        helper.make_node("Sub", ["pixels", "colours"], ["apart"]),
        helper.make_node("Mul", ["apart", "apart"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["distance"], axes=[2], keepdims=0),
        helper.make_node("Mul", ["distance", "sharp"], ["scaled"]),
        helper.make_node("Exp", ["scaled"], ["like"]),
        helper.make_node("AveragePool", ["like"], ["map"], kernel_shape=[5, 5], pads=[2] * 4, count_include_pad=1),
        helper.make_node("Sub", ["map", "floor"], ["above"]),
        helper.make_node("Relu", ["above"], ["peaks"]),
        helper.make_node("ReduceMax", ["peaks"], ["x"], axes=[2], keepdims=0),
        helper.make_node("ReduceMax", ["peaks"], ["y"], axes=[3], keepdims=0),
        helper.make_node("Gather", ["x", "twice_x"], ["fine_x"], axis=2),
        helper.make_node("Gather", ["y", "twice_y"], ["fine_y"], axis=2),
        helper.make_node("Concat", ["fine_x"] * people, ["simcc_x"], axis=0),
        helper.make_node("Concat", ["fine_y"] * people, ["simcc_y"], axis=0),
    ]
    outputs = {"simcc_x": [people, joints, 2 * width], "simcc_y": [people, joints, 2 * height]}
    return save(path, nodes, [1, 3, height, width], outputs, constants)


def weights_and_video(folder: Path, frames: int) -> list[str]:
    """Write both networks and the video two.mp4 into a folder; returns the options that name the weights."""
    detector(folder / "detector.onnx")
    pose_estimator(folder / "pose.onnx")
    write_video(folder / "two.mp4", [picture(people, SIZE) for people in two_people(frames)])
    return ["--detector-weights", str(folder / "detector.onnx"), "--pose-weights", str(folder / "pose.onnx")]

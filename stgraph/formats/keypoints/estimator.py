"""People in a video's frames, found by rtmlib: YOLOX puts a box around each, RTMPose finds the joints in it."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import no_people
from stgraph.formats.keypoints.poses import MOST_FRAMES, Raw
from stgraph.formats.video import VideoFile, open_video

LAYOUTS = ("coco17", "halpe26", "wholebody133")  # of RTMPose's bodies; other numbers of joints are looked for in all
MODE = "balanced"  # of the weights that rtmlib fetches
DETECTOR, POSE = "--detector-weights", "--pose-weights"
ARCHIVES = "in MMPose's archives it is end2end.onnx"
CPU = "CPUExecutionProvider"  # the name that onnxruntime has for it
CUT = 0.5  # seconds that a file may be shorter than its header says: sound is often longer than pictures

Watched = Callable[[str], AbstractContextManager[Callable[[float], object]]]


@contextmanager
def unwatched(what: str) -> Iterator[Callable[[float], object]]:
    """Shows no progress."""
    yield lambda share: None


@dataclass(frozen=True)
class PoseEstimator:
    """Finds the people in videos for `read_keypoints`.

        keypoints = stgraph.read_keypoints("walk.mp4", estimator=stgraph.PoseEstimator())

    Attributes:
        detector_weights: ONNX file of a YOLOX, of people alone or of COCO's classes. None: that of rtmlib's "balanced"
            `Body`, which rtmlib fetches once and keeps.
        pose_weights: ONNX file of an RTMPose; the same.
        device: that onnxruntime computes on, by the name that rtmlib has for it; the CPU where onnxruntime lacks it.
        watched: shows progress: called with a title, it opens a context that gives the function to call with the
            share that is done.
    """

    detector_weights: Path | None = None
    pose_weights: Path | None = None
    device: str = "cpu"
    watched: Watched = unwatched

    def __call__(self, path: Path) -> Raw:
        """The people of a video, without identities.

        Raises:
            InputError: rtmlib or weights are missing, a file that is no video or no such weights, or no people.
        """
        tools = load_tools(self)
        video = open_video(path)
        expected = video.seconds * (video.fps or 0)
        if expected > MOST_FRAMES:
            found = f"{expected:,.0f} frames"
            raise InputError(where=path, found=found, expected=f"at most {MOST_FRAMES:,}", remedy="cut it into parts")
        frames, boxes, poses, count = [], [], [], 0
        with self.watched(f"{path.name}: people by rtmlib, {tools.place}") as report:
            for picture in video.frames():
                box, pose = tools.people(picture)
                frames += [count] * len(pose)
                boxes.append(box)
                poses.append(pose)
                count += 1
                if expected:
                    report(min(count / expected, 1.0))
        if not frames:
            raise no_people(path)
        pose = np.concatenate([pose for pose in poses if len(pose)])
        return Raw(
            path.stem,
            "a video, people by rtmlib",
            np.array(frames),
            pose,
            box=np.concatenate([box for box in boxes if len(box)]),
            layouts=LAYOUTS,
            size=video.size,
            fps=video.fps,
            frames=(0, count),
            notes=[*tools.notes(self.device), *cut_short(video, count)],
            video_file=path,
        )


def cut_short(video: VideoFile, count: int) -> list[str]:
    """A sentence where a video has fewer frames than its header says."""
    there = count / video.fps if video.fps else video.seconds
    if there >= video.seconds - CUT:
        return []
    return [f"The video has frames for {there:.1f} s of the {video.seconds:.1f} s that its header says: is it whole?"]


@dataclass(frozen=True)
class Tools:
    """rtmlib's detector and pose estimator, as `load_tools` makes them."""

    detector: Any
    pose: Any

    def people(
        self, picture: UInt8[np.ndarray, "h w 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n j 3"]]:
        """Boxes of the people in a frame (red, green, blue), and their joints: pixels and confidence.

        The networks see colours as they were trained: RTMPose as MMPose's configurations say (`bgr_to_rgb`), YOLOX as
        MMDetection reads pictures, blue first.
        """
        found = self.detector(np.ascontiguousarray(picture[..., ::-1]))
        if self.detector.det_mode == "multiclass":
            boxes, classes = found
            found = boxes[classes == 0]  # COCO's first class is person
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        # rtmlib takes the whole picture for a person where there is no box.
        boxes = boxes[np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)]
        if not len(boxes):
            return boxes, np.zeros((0, 0, 3), np.float32)
        joints, scores = self.pose(picture, bboxes=boxes)
        return boxes, np.concatenate([joints, scores[..., None]], axis=-1, dtype=np.float32)

    @property
    def place(self) -> str:
        """Where it computes, in words."""
        provider = self.pose.session.get_providers()[0]
        return f"on {provider.removesuffix('ExecutionProvider')}"

    def notes(self, device: str) -> list[str]:
        """A sentence where another device than the wanted one computes."""
        if self.pose.session.get_providers()[0] != CPU or device == "cpu":
            return []
        return [f"onnxruntime computes on the CPU alone: with onnxruntime-gpu in its place it uses {device}."]


def load_tools(estimator: PoseEstimator) -> Tools:
    """rtmlib's networks, tried on a blank picture.

    Raises:
        InputError: rtmlib is missing, weights that cannot be fetched, no such file, or one of another network.
    """
    if find_spec("rtmlib") is None:
        problem = "the people in a video are found by rtmlib, which is not installed"
        raise InputError(problem, where="video", remedy="install it with `pip install 'stgraph[video]'`")
    for option, path in ((DETECTOR, estimator.detector_weights), (POSE, estimator.pose_weights)):
        if path is not None and not path.is_file():
            raise InputError("no such file", where=f"{option} {path}", expected="an ONNX file", remedy="check the path")
    try:
        rtmlib: Any = import_module("rtmlib")  # an extra: the type checker is not to need it
    except ImportError as error:  # OpenCV needs libraries of the system
        problem = f"rtmlib cannot be imported ({error})"
        raise InputError(problem, where="video", remedy="install what is missing") from error

    chosen = rtmlib.Body.MODE[MODE]
    detector = loaded(rtmlib.YOLOX, DETECTOR, estimator.detector_weights, chosen["det"], estimator.device)
    pose = loaded(rtmlib.RTMPose, POSE, estimator.pose_weights, chosen["pose"], estimator.device)
    detector.model_input_size = input_size(detector, chosen["det_input_size"])
    # rtmlib has height and width of the detector's input, but width and height of RTMPose's.
    pose.model_input_size = input_size(pose, chosen["pose_input_size"][::-1])[::-1]
    blank = np.zeros((64, 48, 3), np.uint8)
    with tried(detector, DETECTOR, "a YOLOX network: boxes of people, with or without suppression of double ones"):
        outputs = detector.inference(detector.preprocess(blank)[0])[0]
        classes = outputs.shape[2] - 5  # 0 of networks with suppression, which are of people alone
        detector.det_mode = "multiclass" if classes > 1 else "human"
        detector(blank)
    with tried(pose, POSE, "an RTMPose network: SimCC of x and of y, (people, joints, places) each"):
        joints, scores = pose(blank, bboxes=[[0, 0, 48, 64]])
        if joints.shape != (1, scores.shape[1], 2):
            raise ValueError(f"joints of shape {joints.shape}")
    return Tools(detector, pose)


def loaded(kind: Callable[..., Any], option: str, path: Path | None, url: str, device: str) -> Any:
    """One of rtmlib's networks: a file, or else what it fetches. Raises InputError where there is none."""
    try:
        # It prints what it loads, and onnxruntime warns of devices that it lacks, which `Tools.notes` says.
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return kind(str(path or url), device=device)
    # Downloads, archives and onnxruntime have errors of many classes of their own.
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if path is None:
            problem = f"rtmlib could not fetch {url} ({text})"
            remedy = f"without a network, give files: {DETECTOR} YOLOX.onnx {POSE} RTMPOSE.onnx ({ARCHIVES})"
            raise InputError(problem, where="video", remedy=remedy) from error
        problem = f"cannot be read as ONNX ({text})"
        raise InputError(problem, where=f"{option} {path}", remedy=f"give the .onnx file; {ARCHIVES}") from error


def input_size(tool: Any, default: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a network's input; the default where it takes any."""
    size = tool.session.get_inputs()[0].shape[-2:]
    height, width = size if len(size) == 2 and all(isinstance(side, int) for side in size) else default
    return height, width


@contextmanager
def tried(tool: Any, option: str, expected: str) -> Iterator[None]:
    """A network that fails is another than expected. Raises InputError."""
    try:
        yield
    # Whatever rtmlib makes of outputs of other shapes.
    except Exception as error:
        outputs = ", ".join(f"{output.name} {output.shape}" for output in tool.session.get_outputs())
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"{option} {tool.onnx_model}"
        raise InputError(where=where, found=f"outputs {outputs} ({text})", expected=expected) from error

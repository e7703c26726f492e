"""python -m stgraph.bench --exp NAME: how fast an experiment trains and predicts, beside what the machine can do."""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stgraph.cli.command import run_command
from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.data.windows import epoch_order
from stgraph.geometry import Camera
from stgraph.settings.params import Settings, load
from stgraph.skeleton import SKELETONS, skeleton_from
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.run import ActionRun
from stgraph.tasks.dynamics.run import DynamicsRun
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.tracking.tracker import Tracker
from stgraph.training import cost
from stgraph.training.engine import DEVICES, Engine
from stgraph.training.loop import Fit, Listener
from stgraph.training.report import write_json
from stgraph.training.run import Run

SIDE = 2048  # of the square matrices whose product is the yardstick
PRODUCTS = 10  # best of so many
SLOW = 2.0  # seconds for a product of that size
LIVE_FRAMES = 50
PEOPLE, TRACKED_FRAMES = 6, 100  # of the tracked scene


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.bench", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: optim.lr=3e-4")
    arguments.add_argument("--device", default="auto", choices=DEVICES, help="%(default)s")
    arguments.add_argument("--rounds", type=int, default=5, help="best of so many, taken in turn (%(default)s)")
    arguments.add_argument("--recordings", type=int, default=40, help="made-up ones (%(default)s)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file as well")
    return arguments


def random_dataset(path: Path, settings: Settings, recordings: int, frames: int | None = None) -> Dataset:
    """Noise in the toolkit's format, one person each: as many bytes to gather as real motion has.

    Recordings of 2500 frames, or clips three times as long as the model sees.
    """
    data, chosen = settings.data, settings.data.skeleton
    skeleton = skeleton_from(chosen, "data.skeleton") if isinstance(chosen, dict) else SKELETONS[chosen or "h36m17"]
    frames = frames or (3 * data.frames if settings.task["name"] == "action" else 2500)
    random = np.random.default_rng(settings.seed)
    camera = Camera("none", 1000, 1000, np.array([1000, 1000, 500, 500, 0, 0, 0, 0, 0]), np.eye(4)[0], np.zeros(3))
    subjects = [*(data.train or ["S1"]), *(data.validation or [])]
    splits = {getattr(data, "split", "standard"): {"train": data.train or ["S1"]}}
    about = {"source": "random numbers", "terms": "none", "created_by": "stgraph.bench", "splits": splits}
    with DatasetWriter(path, skeleton, **about) as writer:
        named = settings.task.get("actions") or settings.task.get("classes")
        actions = data.actions or named or ["Walking", "Sitting"]
        for take in range(max(recordings, len(subjects) * len(actions))):
            pose = random.normal([0, 0, 5], 0.2, (frames, len(skeleton), 3)).astype(np.float32)
            pose2d = random.uniform(0, 1000, pose.shape).astype(np.float32)
            detectors = {data.detector, getattr(data, "truth", data.detector)} if data.detector else ()
            track = Track(dict.fromkeys(detectors, pose2d), pose)
            subject, action = subjects[take % len(subjects)], actions[take // len(subjects) % len(actions)]
            writer.add(Recording(subject, action, f"take {take}", camera, 50.0, [track]))
    return Dataset(path)


class Stopwatch:
    """Best time of each of several things that are measured in turn, so that they meet the same machine."""

    def __init__(self, engine: Engine) -> None:
        self.seconds: dict[str, float] = {}
        self.engine = engine

    def measure(self, name: str, work: Callable[[], object], times: int = 1) -> None:
        """Do it so often and keep the best time; what it needs to warm up is the caller's business."""
        for _ in range(times):
            self.engine.wait()
            start = time.perf_counter()
            work()
            self.engine.wait()
            self.seconds[name] = min(self.seconds.get(name, float("inf")), time.perf_counter() - start)


def peak_gib(engine: Engine) -> float:
    """The most memory that was in use so far: the GPU's, or the process's."""
    if engine.device.type == "cuda":
        return torch.cuda.max_memory_allocated(engine.device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def operations(run: Run) -> int:
    """Operations of one sample forward: the published network's, where it is one."""
    frames = run.settings.data.frames
    published = run.model.published_operations(frames)
    return cost.operations(run, frames) if published is None else published


def predict(run: Run, dataset: Dataset) -> int:
    """Predict recordings as an evaluation does, whole ones if the model slides over them; returns the frames."""
    if isinstance(run, ActionRun):
        samples = run.part_clips(dataset, "train")
        return sum(int((batch["frame"] >= 0).sum()) for batch, _ in run.predictions(samples))
    if isinstance(run, DynamicsRun):
        samples = run.sequences(dataset, np.full(len(dataset), True))
        index = torch.arange(min(len(samples), run.settings.optim.batch_size))
        batch, _ = run.outputs(samples, index, run.model.eval())
        return batch["inside"].numel()
    windows = run.windows(dataset, None)
    plan, frames = run.plan(find_protocol("standard"), windows), 0
    for index, _, _ in run.predictions(windows, plan):
        frames += int(plan.predicted(index)[1].sum())
        if not run.model.sliding:
            break
    return frames


def live_milliseconds(run: ActionRun) -> list[float]:
    """Time from a frame to its answer once the window is full, of each of some frames, in order of length."""
    live, times = Live(run, size=(1000, 1000)), []
    for count in range(live.window + LIVE_FRAMES):
        pose = np.random.default_rng(count).uniform(1, 900, (1, len(run.skeleton), 3))
        start = time.perf_counter()
        live.update(pose)
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times[live.window :])


def yardstick(engine: Engine, dtype: torch.dtype) -> torch.Tensor:
    """The square matrix whose product is timed; a small one where this machine has the precision in name alone."""
    small = torch.randn(SIDE // 8, SIDE // 8, device=engine.device).to(dtype)
    watch = Stopwatch(engine)
    watch.measure("small", lambda: small @ small, times=2)
    if watch.seconds["small"] * 8**3 > SLOW:
        return small
    return torch.randn(SIDE, SIDE, device=engine.device).to(dtype)


def tracked_frames_per_second(run: DynamicsRun) -> float:
    """Frames of people who walk past one another that are tracked in a second, by the median frame, all of it counted.

    The scene has the run's skeleton and six people, whom a detector finds in every frame with noise.
    """
    random = np.random.default_rng(run.settings.seed)
    joints, unit = len(run.skeleton), 1.0 if run.settings.data.detector else 0.002
    body = random.uniform([-60, -180, -60], [60, 180, 60], (PEOPLE, joints, 3))[..., : run.settings.data.channels]
    tracker, times = Tracker(run.predictor(), run.skeleton), []
    for frame in range(TRACKED_FRAMES):
        path = np.zeros((PEOPLE, 1, body.shape[2]))
        path[:, 0, 0] = 250 * np.arange(PEOPLE) + 4 * frame * (-1) ** np.arange(PEOPLE)
        pose = unit * (body + path + 500 + random.normal(0, 3, body.shape))
        start = time.perf_counter()
        tracker.update(pose, np.full(pose.shape[:2], 0.9), frame / 25)
        times.append(time.perf_counter() - start)
    return 1 / float(np.median(times))


def measure(name: str, settings: Settings, dataset: Dataset, device: str, rounds: int) -> dict[str, float | int]:
    """The numbers that the command prints; steps are those of training, with loading."""
    engine = Engine(device)
    watch, batch_size = Stopwatch(engine), settings.optim.batch_size
    # `restart`, so that a trained run is no obstacle; nothing is deleted unless a fit begins, and none does.
    fits = {"fp32": Fit(Run.create(name, settings, dataset, engine), dataset, Listener(), restart=True)}
    fp32 = fits["fp32"]
    batches = [epoch_order(len(fp32.train), settings.seed, number)[:batch_size] for number in range(rounds)]
    batch = engine.to_device(fp32.train.batch(torch.from_numpy(batches[0])))

    def forward() -> None:
        with torch.no_grad():
            fp32.run.model(batch["x"])

    fp32.step(batches[0])
    fp32.step(batches[0])
    peak = peak_gib(engine)  # before the second precision doubles it
    fits["bf16"] = Fit(
        Run.create(name, settings, dataset, Engine(device, precision="bf16")), dataset, Listener(), restart=True
    )
    fits["bf16"].step(batches[0])
    squares = {"fp32": yardstick(engine, torch.float32), "bf16": yardstick(engine, torch.bfloat16)}
    predicted: list[int] = []
    for index in batches:
        for precision, matrix in squares.items():
            watch.measure(f"gemm_{precision}", lambda matrix=matrix: matrix @ matrix, -(-PRODUCTS // rounds))
        fp32.run.model.eval()
        watch.measure("forward", forward, times=2)
        watch.measure("predict", lambda: predicted.append(predict(fp32.run, dataset)))
        watch.measure("load", lambda index=index: fp32.train.batch(torch.from_numpy(index)))
        for precision, fit in fits.items():
            fit.training_mode()
            watch.measure(f"train_{precision}", lambda fit=fit, index=index: fit.step(index))
    seconds = watch.seconds
    rate = {name: 2 * len(matrix) ** 3 / seconds[f"gemm_{name}"] for name, matrix in squares.items()}
    samples = len(batch["label"])
    flop = operations(fp32.run) * len(batch["x"])
    live = live_milliseconds(fp32.run) if isinstance(fp32.run, ActionRun) else []
    tracked = {"tracked_fps": tracked_frames_per_second(fp32.run)} if isinstance(fp32.run, DynamicsRun) else {}
    return {
        "gemm_fp32_gflops": rate["fp32"] / 1e9,
        "gemm_bf16_gflops": rate["bf16"] / 1e9,
        "forward_share_fp32": flop / seconds["forward"] / rate["fp32"],
        "train_share_fp32": 3 * flop / seconds["train_fp32"] / rate["fp32"],
        "train_speedup_bf16": seconds["train_fp32"] / seconds["train_bf16"],
        "windows_per_s": len(batches[0]) / seconds["load"],
        "windows_per_s_forward": samples / seconds["forward"],
        "frames_per_s_predicted": predicted[0] / seconds["predict"],
        "windows_per_s_trained": len(batches[0]) / seconds["train_fp32"],
        "load_share_of_step": seconds["load"] / seconds["train_fp32"],
        "peak_gib": peak,
        "threads": torch.get_num_threads(),
        **({"live_ms": live[len(live) // 2], "live_ms_95": live[int(0.95 * len(live))]} if live else {}),
        **tracked,
    }


def table(name: str, numbers: dict[str, float | int]) -> str:
    """The numbers as text."""
    ratio = numbers["gemm_bf16_gflops"] / numbers["gemm_fp32_gflops"]
    what = "clips" if "live_ms" in numbers else "windows"
    lines = [
        f"{name}, {numbers['threads']} threads",
        f"  matrix product  fp32 {numbers['gemm_fp32_gflops']:.0f} GFLOP/s, bf16 {numbers['gemm_bf16_gflops']:.0f} "
        f"({ratio:.2f} times)",
        f"  forward         {numbers['forward_share_fp32']:.1%} of the fp32 product, "
        f"{numbers['windows_per_s_forward']:.0f} {what}/s",
        f"  prediction      {numbers['frames_per_s_predicted']:.0f} frames/s of recordings, loading included",
        f"  training step   {numbers['train_share_fp32']:.1%} of the fp32 product, "
        f"{numbers['windows_per_s_trained']:.1f} {what}/s; bf16 {numbers['train_speedup_bf16']:.2f} times as fast",
        f"  loading         {numbers['load_share_of_step']:.2%} of a training step, "
        f"{numbers['windows_per_s']:.0f} {what}/s",
    ]
    if "live_ms" in numbers:
        text = f"{numbers['live_ms']:.1f} ms from a frame to its answer, 95 % within {numbers['live_ms_95']:.1f} ms"
        lines.append(f"  live            {text}")
    if "tracked_fps" in numbers:
        text = f"{numbers['tracked_fps']:.0f} frames/s of {PEOPLE} people, from detections to identities"
        lines.append(f"  tracking        {text}")
    return "\n".join([*lines, f"  peak memory     {numbers['peak_gib']:.2f} GiB"])


def main(args: argparse.Namespace) -> None:
    settings = load(args.exp, args.set)
    with tempfile.TemporaryDirectory() as folder:
        dataset = random_dataset(Path(folder) / "random.h5", settings, args.recordings)
        numbers = measure(args.exp, settings, dataset, args.device, args.rounds)
    print(table(args.exp, numbers))
    if args.json:
        write_json(numbers, args.json)


if __name__ == "__main__":
    run_command(parser(), main)

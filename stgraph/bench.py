"""python -m stgraph.bench --exp NAME: how fast an experiment trains and predicts, beside what the machine can do."""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stgraph import cost
from stgraph.command import run_command
from stgraph.data import epoch_order
from stgraph.fitting import Fit, Listener
from stgraph.geometry import Camera
from stgraph.io.dataset import Dataset, DatasetWriter
from stgraph.io.recording import Recording, Track
from stgraph.params import Settings, load
from stgraph.protocols import find_protocol
from stgraph.report import write_json
from stgraph.run import Run
from stgraph.run.engine import DEVICES, Engine
from stgraph.skeleton import H36M17, Skeleton

SIDE = 2048  # of the square matrices whose product is the yardstick
PRODUCTS = 10  # best of so many
# Operations a frame of the published network, however they are computed: layers that share work count in full.
PUBLISHED_WIDTHS, PUBLISHED_FLOP = ([128, 128, 256, 256], [1, 2, 2, 2]), 24.1e6


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.bench", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: optim.lr=3e-4")
    arguments.add_argument("--device", default="auto", choices=DEVICES, help="%(default)s")
    arguments.add_argument("--rounds", type=int, default=5, help="best of so many, taken in turn (%(default)s)")
    arguments.add_argument("--recordings", type=int, default=40, help="made-up ones of 2500 frames (%(default)s)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file as well")
    return arguments


def random_dataset(path: Path, skeleton: Skeleton, settings: Settings, recordings: int, frames: int = 2500) -> Dataset:
    """Noise in the toolkit's format: as many bytes to gather as real motion has."""
    random = np.random.default_rng(settings.seed)
    camera = Camera("none", 1000, 1000, np.array([1000, 1000, 500, 500, 0, 0, 0, 0, 0]), np.eye(4)[0], np.zeros(3))
    about = {"source": "random numbers", "terms": "none", "created_by": "stgraph.bench"}
    with DatasetWriter(path, skeleton, **about) as writer:
        data = settings.data
        subjects = [*(data.train or ["S1"]), *(data.validation or [])]
        actions = data.actions or settings.task.get("actions") or ["Walking", "Sitting"]
        for take in range(max(recordings, len(subjects) * len(actions))):
            pose = random.normal([0, 0, 5], 0.2, (frames, len(skeleton), 3)).astype(np.float32)
            pose2d = random.uniform(0, 1000, pose.shape).astype(np.float32)
            track = Track({data.detector: pose2d}, pose)
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
    """Operations of one window forward."""
    model, frames = run.settings.model, run.settings.data.frames
    published = (model.get("channels"), model.get("stages")) == PUBLISHED_WIDTHS
    return round(PUBLISHED_FLOP * frames) if published else cost.operations(run, frames)


def predict(run: Run, dataset: Dataset) -> int:
    """Predict recordings as an evaluation does, whole ones if the model slides over them; returns the frames."""
    windows = run.windows(dataset, None)
    plan, frames = run.plan(find_protocol("standard"), windows), 0
    for index, _, _ in run.predictions(windows, plan):
        frames += int(plan.predicted(index)[1].sum())
        if not run.model.sliding:
            break
    return frames


def measure(name: str, settings: Settings, dataset: Dataset, device: str, rounds: int) -> dict[str, float | int]:
    """The numbers that the command prints; steps are those of training, with loading."""
    engine = Engine(device)
    watch, batch_size = Stopwatch(engine), settings.optim.batch_size
    fits = {"fp32": Fit(Run.create(name, settings, dataset, engine), dataset, Listener())}
    fp32 = fits["fp32"]
    batches = [epoch_order(len(fp32.train), settings.seed, number)[:batch_size] for number in range(rounds)]
    batch = engine.to_device(fp32.train.batch(torch.from_numpy(batches[0])))

    def forward() -> None:
        with torch.no_grad():
            fp32.run.model(batch["x"])

    fp32.step(batches[0])
    fp32.step(batches[0])
    peak = peak_gib(engine)  # before the second precision doubles it
    fits["bf16"] = Fit(Run.create(name, settings, dataset, Engine(device, precision="bf16")), dataset, Listener())
    fits["bf16"].step(batches[0])
    square = torch.randn(SIDE, SIDE, device=engine.device)
    squares = {"fp32": square, "bf16": square.bfloat16()}
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
    rate = {precision: 2 * SIDE**3 / seconds[f"gemm_{precision}"] for precision in squares}
    flop = operations(fp32.run) * len(batch["x"])
    return {
        "gemm_fp32_gflops": rate["fp32"] / 1e9,
        "gemm_bf16_gflops": rate["bf16"] / 1e9,
        "forward_share_fp32": flop / seconds["forward"] / rate["fp32"],
        "train_share_fp32": 3 * flop / seconds["train_fp32"] / rate["fp32"],
        "train_speedup_bf16": seconds["train_fp32"] / seconds["train_bf16"],
        "windows_per_s": len(batches[0]) / seconds["load"],
        "windows_per_s_forward": len(batch["x"]) / seconds["forward"],
        "frames_per_s_predicted": predicted[0] / seconds["predict"],
        "windows_per_s_trained": len(batches[0]) / seconds["train_fp32"],
        "load_share_of_step": seconds["load"] / seconds["train_fp32"],
        "peak_gib": peak,
        "threads": torch.get_num_threads(),
    }


def table(name: str, numbers: dict[str, float | int]) -> str:
    """The numbers as text."""
    ratio = numbers["gemm_bf16_gflops"] / numbers["gemm_fp32_gflops"]
    return "\n".join(
        [
            f"{name}, {numbers['threads']} threads",
            f"  matrix product  fp32 {numbers['gemm_fp32_gflops']:.0f} GFLOP/s, bf16 {numbers['gemm_bf16_gflops']:.0f} "
            f"({ratio:.2f} times)",
            f"  forward         {numbers['forward_share_fp32']:.1%} of the fp32 product, "
            f"{numbers['windows_per_s_forward']:.0f} windows/s",
            f"  prediction      {numbers['frames_per_s_predicted']:.0f} frames/s of recordings, loading included",
            f"  training step   {numbers['train_share_fp32']:.1%} of the fp32 product, "
            f"{numbers['windows_per_s_trained']:.1f} windows/s; bf16 {numbers['train_speedup_bf16']:.2f} times as fast",
            f"  loading         {numbers['load_share_of_step']:.2%} of a training step, "
            f"{numbers['windows_per_s']:.0f} windows/s",
            f"  peak memory     {numbers['peak_gib']:.2f} GiB",
        ]
    )


def main(args: argparse.Namespace) -> None:
    settings = load(args.exp, args.set)
    with tempfile.TemporaryDirectory() as folder:
        dataset = random_dataset(Path(folder) / "random.h5", H36M17, settings, args.recordings)
        numbers = measure(args.exp, settings, dataset, args.device, args.rounds)
    print(table(args.exp, numbers))
    if args.json:
        write_json(numbers, args.json)


if __name__ == "__main__":
    run_command(parser(), main)

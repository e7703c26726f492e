"""Speed of training and prediction on random data, relative to the machine's matrix product."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.data.windows import epoch_order
from stgraph.formats.markdown import counted
from stgraph.geometry import Camera
from stgraph.settings.params import Settings
from stgraph.settings.registry import TASKS
from stgraph.skeleton import H36M17
from stgraph.training import against, cost
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.loop import Fit
from stgraph.training.run import Run, chosen_skeleton
from stgraph.training.task_run import Speed, TaskRun

SIDE = 2048  # of the square matrices whose product is the yardstick
PRODUCTS = 10  # best of so many
SLOW = 2.0  # seconds for a product of that size


def random_dataset(path: Path, settings: Settings, recordings: int, frames: int | None = None) -> Dataset:
    """Noise in the toolkit's format, one person each: as many bytes to gather as real motion has.

    Args:
        frames: of each recording; by default what suits the task.
    """
    data, skeleton = settings.data, chosen_skeleton(settings, H36M17)
    entry = TASKS.get(settings.task["name"])
    frames = frames or cast(type[TaskRun], entry.run_class()).bench_frames(settings)
    random = np.random.default_rng(settings.seed)
    camera = Camera(
        "none",
        1000,
        1000,
        intrinsics=np.array([1000, 1000, 500, 500, 0, 0, 0, 0, 0]),
        rotation=np.eye(4)[0],
        translation=np.zeros(3),
    )
    subjects = [*(data.train or ["S1"]), *(data.validation or [])]
    splits = {getattr(data, "split", "standard"): {"train": data.train or ["S1"]}}
    source, by = "random numbers", "stgraph.bench"
    with DatasetWriter(path, skeleton, source=source, terms="none", created_by=by, splits=splits) as writer:
        named = settings.task.get("actions") or settings.task.get("classes")
        actions = data.actions or named or ["Walking", "Sitting"]
        for take in range(max(recordings, len(subjects) * len(actions))):
            pose = random.normal([0, 0, 5], 0.2, (frames, len(skeleton), 3)).astype(np.float32)
            pose2d = random.uniform(0, 1000, pose.shape).astype(np.float32)
            detectors = {data.detector, getattr(data, "truth", data.detector)} if data.detector else ()
            track = Track(dict.fromkeys(detectors, pose2d), pose)
            subject, action = subjects[take % len(subjects)], actions[take // len(subjects) % len(actions)]
            writer.add(Recording(subject, action, f"take {take}", camera=camera, fps=50.0, tracks=[track]))
    return Dataset(path)


class Stopwatch:
    """Best time of each of several functions, measured in turn under the same load of the machine."""

    def __init__(self, engine: Engine) -> None:
        self.seconds: dict[str, float] = {}
        self.engine = engine

    def measure(self, name: str, work: Callable[[], object], times: int = 1) -> None:
        """Run `work` so often and keep the best time. Callers warm up first."""
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
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, on macOS bytes
    return most / (2**30 if sys.platform == "darwin" else 2**20)


def operations(run: Run) -> int:
    """Operations of one sample forward: the published network's, where it is one."""
    frames = run.settings.data.frames
    published = run.model.published_operations(frames)
    return cost.operations(run, frames) if published is None else published


def yardstick(engine: Engine, dtype: torch.dtype) -> torch.Tensor:
    """The square matrix whose product is timed; a small one where this machine has the precision in name alone."""
    small = torch.randn(SIDE // 8, SIDE // 8, device=engine.device).to(dtype)
    watch = Stopwatch(engine)
    watch.measure("small", lambda: small @ small, times=2)
    if watch.seconds["small"] * 8**3 > SLOW:
        return small
    return torch.randn(SIDE, SIDE, device=engine.device).to(dtype)


def measure_against(path: Path, run: Run, x: torch.Tensor, watch: Stopwatch, rounds: int) -> Speed:
    """Another implementation on the same batch, see `stgraph.training.against`."""
    data = run.settings.data
    other = run.engine.to_device(against.other_module(path, run.skeleton, data.channels, run.task.heads))
    modules = {"own": run.model, "other": other}
    for number in range(rounds + 1):
        for whose, module in modules.items():
            for what in (against.forward, against.gradients):
                work = what(module, x)
                if number:
                    watch.measure(f"{whose}_{what.__name__}", work)
                else:
                    work()  # warms up
    ratios = {what: watch.seconds[f"other_{what}"] / watch.seconds[f"own_{what}"] for what in ("forward", "gradients")}
    text = f"{ratios['forward']:.2f} times as long forward, {ratios['gradients']:.2f} times with gradients"
    return Speed({f"against_{what}": ratio for what, ratio in ratios.items()}, path.name, text)


def measure(
    name: str,
    settings: Settings,
    dataset: Dataset,
    engine: Engine,
    rounds: int,
    *,
    compile: bool = False,
    against_file: Path | None = None,
) -> tuple[dict[str, float], list[Speed]]:
    """The numbers that the command prints, and those of the task alone; steps are those of training, with loading.

    Several processes share the training steps, and each of them measures everything.

    Args:
        compile: time compiled training steps.
    """
    watch, batch_size = Stopwatch(engine), settings.optim.batch_size
    # `restart`, so that a trained run is no obstacle; nothing is deleted unless a fit begins, and none does.
    run = TaskRun.create(name, settings, dataset, engine)
    own = Fit(run, dataset, Listener(), restart=True, compile=compile)
    batches = [epoch_order(len(own.train), settings.seed, number)[:batch_size] for number in range(rounds)]
    batch = run.batch(own.train, torch.from_numpy(batches[0]))

    def forward() -> None:
        with torch.no_grad():
            run.model(batch["x"])

    own.step(batches[0])
    own.step(batches[0])
    peak = peak_gib(engine)  # before the second precision doubles it
    sixteen_bits = Engine(engine.device.type, engine.devices, engine.nodes, "bf16")
    sixteen_bits.launch()
    sixteen = TaskRun.create(name, settings, dataset, sixteen_bits)
    fits = {"own": own, "bf16": Fit(sixteen, dataset, Listener(), restart=True, compile=compile)}
    fits["bf16"].step(batches[0])
    fits["bf16"].step(batches[0])
    squares = {"own": yardstick(engine, torch.float32), "bf16": yardstick(engine, torch.bfloat16)}
    predicted: list[int] = []
    for index in batches:
        for precision, matrix in squares.items():
            watch.measure(f"gemm_{precision}", lambda matrix=matrix: matrix @ matrix, -(-PRODUCTS // rounds))
        run.model.eval()
        watch.measure("forward", forward, times=2)
        watch.measure("predict", lambda: predicted.append(run.predict_some(dataset)))
        watch.measure("load", lambda index=index: own.train.batch(torch.from_numpy(index)))
        for precision, fit in fits.items():
            fit.training_mode()
            watch.measure(f"train_{precision}", lambda fit=fit, index=index: fit.step(index))
    seconds = watch.seconds
    rate = {name: 2 * len(matrix) ** 3 / seconds[f"gemm_{name}"] for name, matrix in squares.items()}
    samples = len(batch["label"])
    flop = operations(run) * len(batch["x"])
    speeds = run.speeds()
    if against_file:
        speeds = [*speeds, measure_against(against_file, run, batch["x"], watch, rounds)]
    numbers = {
        "gemm_gflops": rate["own"] / 1e9,
        "gemm_bf16_gflops": rate["bf16"] / 1e9,
        "forward_share": flop / seconds["forward"] / rate["own"],
        "train_share": 3 * flop / seconds["train_own"] / rate["own"],
        "train_speedup_bf16": seconds["train_own"] / seconds["train_bf16"],
        "windows_per_s": len(batches[0]) / seconds["load"],
        "windows_per_s_forward": samples / seconds["forward"],
        "frames_per_s_predicted": predicted[0] / seconds["predict"],
        "windows_per_s_trained": len(batches[0]) / seconds["train_own"],
        "load_share_of_step": seconds["load"] / seconds["train_own"],
        "peak_gib": peak,
        "threads": torch.get_num_threads(),
        "processes": engine.world_size,
    }
    for speed in speeds:
        numbers |= speed.numbers
    return numbers, speeds


def table(name: str, numbers: dict[str, float], speeds: list[Speed], product: str = "fp32") -> str:
    """The numbers as text; `product` names the engine's precision."""
    ratio = numbers["gemm_bf16_gflops"] / numbers["gemm_gflops"]
    lines = [
        f"{name}, {counted(int(numbers['threads']), 'thread')}"
        + (f" in each of {numbers['processes']} processes" if numbers["processes"] > 1 else ""),
        f"  matrix product  {product} {numbers['gemm_gflops']:.0f} GFLOP/s, bf16 {numbers['gemm_bf16_gflops']:.0f} "
        f"({ratio:.2f} times)",
        f"  forward         {numbers['forward_share']:.1%} of the {product} product, "
        f"{numbers['windows_per_s_forward']:.0f} samples/s",
        f"  prediction      {numbers['frames_per_s_predicted']:.0f} frames/s of recordings, loading included",
        f"  training step   {numbers['train_share']:.1%} of the {product} product, "
        f"{numbers['windows_per_s_trained']:.1f} samples/s; bf16 {numbers['train_speedup_bf16']:.2f} times as fast",
        f"  loading         {numbers['load_share_of_step']:.2%} of a training step, "
        f"{numbers['windows_per_s']:.0f} samples/s",
    ]
    lines += [f"  {speed.title:<15} {speed.text}" for speed in speeds]
    return "\n".join([*lines, f"  peak memory     {numbers['peak_gib']:.2f} GiB"])

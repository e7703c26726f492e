"""Engine: devices, precision and processes."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from stgraph.data.samples import Samples
from stgraph.errors import InputError
from stgraph.training import processes
from stgraph.training.allocator import keep_freed_memory
from stgraph.training.shared_norm import share_statistics

Moved = TypeVar("Moved", bound=nn.Module | Tensor | Mapping[str, object])
AnySamples = TypeVar("AnySamples", bound=Samples)
AnyModule = TypeVar("AnyModule", bound=nn.Module)
Predicted = tuple[dict[str, Tensor], dict[str, Tensor]]  # a batch and the outputs for it


class Engine:
    """The device of this process, the numbers it computes with, and the processes it computes with.

    Args:
        device: auto, cpu, cuda or mps.
        devices: processes on this machine (torchrun's count wins).
        nodes: machines.
        precision: 32, tf32 (32 bits whose products a GPU takes of ten bits; of the whole process), bf16 (autocast) or
            64.

    Attributes:
        double: whether weights and data are 64-bit.
        global_rank, world_size: the number of this process among all of them; 0 of 1 until `launch`.

    Raises:
        InputError: this machine has no such device, or the device no such precision.
    """

    def __init__(self, device: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "32") -> None:
        if "LOCAL_WORLD_SIZE" in os.environ:  # started by torchrun
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        for option, number in (("--devices", devices), ("--nodes", nodes)):
            if number < 1:
                raise InputError(where=option, found=str(number), expected="1 or more")
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        kind = next(name for name in there if there[name]) if device == "auto" else device
        if kind not in there:
            raise InputError(where="--device", found=repr(device), expected=f"auto, {', '.join(there)}")
        if not there[kind]:
            raise InputError(f"this machine has no {kind.upper()} device; use --device cpu or auto", where="--device")
        if kind == "mps" and precision == "64":
            raise InputError("MPS has no doubles; use --device cpu", where="--precision 64")
        if kind != "cuda" and precision == "tf32":
            raise InputError(
                f"only CUDA devices multiply so, and this is {kind}", where="--precision tf32", remedy="use 32"
            )
        self.devices, self.nodes = devices, nodes
        self.local_rank = int(os.environ.get("LOCAL_RANK", "0")) if devices * nodes > 1 else 0
        if kind == "cuda" and devices > torch.cuda.device_count():
            found = f"{torch.cuda.device_count()} CUDA devices"
            raise InputError(where=f"--devices {devices}", found=found, remedy="use as many processes or fewer")
        self.device = torch.device(kind, self.local_rank) if kind == "cuda" else torch.device(kind)
        self.double, self.sixteen = precision == "64", precision == "bf16"
        self.global_rank, self.world_size = 0, 1
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        keep_freed_memory()
        # 32 means 32: without this, convolutions on newer GPUs round their inputs to ten bits.
        if precision != "bf16":
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        # A hint about speed, which every process would print.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")

    # Processes -------------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the other processes, or join those that torchrun started; nothing where there is only one.

        A second engine of the process has the same others.
        """
        if self.devices * self.nodes == 1:
            return
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if not distributed.is_initialized():
            processes.join(self.devices, self.nodes, "nccl" if self.device.type == "cuda" else "gloo")
        self.global_rank, self.world_size = distributed.get_rank(), distributed.get_world_size()

    @property
    def is_global_zero(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.global_rank == 0

    def clock(self) -> float:
        """Seconds of computing: on a CPU the processor's for each thread, so that other programs do not count."""
        return time.process_time() / torch.get_num_threads() if self.device.type == "cpu" else time.monotonic()

    def print(self, text: str) -> None:
        """Print in the first process."""
        if self.is_global_zero:
            print(text, flush=True)

    def barrier(self) -> None:
        """Wait for the other processes."""
        if self.world_size > 1:
            distributed.barrier()

    def sum(self, values: Tensor) -> Tensor:
        """The sum of all processes' values."""
        if self.world_size > 1:
            values = values.to(self.device)
            distributed.all_reduce(values)
        return values

    def shared_out(self, predict: Callable[[Tensor], Predicted], batches: Sequence[Tensor]) -> Iterator[Predicted]:
        """What is predicted of batches, in order and in every process, each of which predicts its share of them.

        Args:
            predict: numbers of samples -> their batch and the outputs for it.
            batches: numbers of samples each.
        """
        if self.world_size == 1:
            yield from map(predict, batches)
            return
        for first in range(0, len(batches), self.world_size):
            some = batches[first : first + self.world_size]
            own = predict(some[self.global_rank]) if self.global_rank < len(some) else ()
            # In ordinary memory, since another process cannot open a device's.
            on_cpu = [{name: value.cpu() for name, value in values.items()} for values in own]
            results: list[Any] = [None] * self.world_size
            distributed.all_gather_object(results, on_cpu)
            for batch, outputs in results[: len(some)]:
                yield self.to_device(batch), self.to_device(outputs)

    # Training --------------------------------------------------------------------------------------------------------

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a model computes: with 16-bit products where the precision is bf16."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.sixteen)

    def trained(self, model: nn.Module, compile: bool) -> Callable[..., dict[str, Tensor]]:
        """The model's forward in training: autocast, with gradients averaged over processes; outputs 32-bit or more."""
        forward = model
        if self.world_size > 1:
            place = [self.device] if self.device.type == "cuda" else None
            forward = nn.parallel.DistributedDataParallel(model, device_ids=place)
        if compile:
            # One process on a GPU replays CUDA graphs; batches differ by one sample at most, so that shapes are few.
            graphs = self.device.type == "cuda" and self.world_size == 1
            forward = torch.compile(forward, dynamic=False, mode="reduce-overhead" if graphs else "default")

        def call(**inputs: Tensor) -> dict[str, Tensor]:
            with self.autocast():
                outputs = forward(**inputs)
            if not self.sixteen:
                return outputs
            return {name: out.float() if out.is_floating_point() else out for name, out in outputs.items()}

        return call

    def synchronised(self, model: AnyModule) -> AnyModule:
        """The model with batch norms that share their statistics between processes."""
        if self.world_size == 1:
            return model
        shared = nn.SyncBatchNorm.convert_sync_batchnorm if self.device.type == "cuda" else share_statistics
        return cast(AnyModule, shared(model))

    def wait(self) -> None:
        """Wait for the device, so that a measured time includes all of its work."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    # Data ------------------------------------------------------------------------------------------------------------

    def to_device(self, values: Moved) -> Moved:
        """A tensor, a batch of tensors or a module where it is computed with."""
        if isinstance(values, nn.Module | Tensor):
            return cast(Moved, values.to(self.device))
        return cast(Moved, {name: cast(Tensor, tensor).to(self.device) for name, tensor in values.items()})

    def place(self, samples: AnySamples) -> AnySamples:
        """Keep the data where it is trained when it takes at most half of the memory there; mapped from disk if not.

        What several of them share, such as a dataset's poses in training and validation, is moved once.
        """
        if self.device.type == "cuda":
            new = sum(field.nbytes for field in samples.fields.values() if field.data_ptr() not in self._moved)
            if new < torch.cuda.mem_get_info(self.device)[0] / 2:
                samples.place(self._move)
        if self.double:
            samples.place(lambda values: values.double() if values.is_floating_point() else values)
        return samples

    def _move(self, values: Tensor) -> Tensor:
        """A tensor on the device; the original is kept, so that its address is not used again."""
        if values.data_ptr() not in self._moved:
            self._moved[values.data_ptr()] = (values, self.to_device(values))
        return self._moved[values.data_ptr()][1]

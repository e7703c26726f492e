"""Engine: devices, precision and processes, under the toolkit's names."""

import os
import warnings

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from stgraph.data.samples import Samples
from stgraph.errors import InputError
from stgraph.settings.hardware import DEVICES, PRECISIONS  # noqa: F401
from stgraph.training.allocator import keep_freed_memory

# 64: weights and data are doubles themselves.
FABRIC_PRECISIONS = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "64": "32-true",
}


class Engine(Fabric):
    """Fabric with the toolkit's names for devices and precision.

    Args:
        device: auto, cpu, cuda or mps.
        devices: processes on this machine (torchrun's own count wins).
        nodes: machines.
        precision: 32, bf16 (autocast) or 64.
    """

    def __init__(self, device: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "32") -> None:
        if "LOCAL_WORLD_SIZE" in os.environ:  # started by torchrun
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        for option, number in (("--devices", devices), ("--nodes", nodes)):
            if number < 1:
                raise InputError(f"{option} {number}: expected 1 or more")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device; use --device cpu or auto")
        if device == "mps" and not torch.backends.mps.is_available():
            raise InputError("--device mps: this machine has no MPS device; use --device cpu or auto")
        if device == "mps" and precision == "64":
            raise InputError("--precision 64: MPS has no doubles; use --device cpu")
        keep_freed_memory()
        # 32 means 32: without this, convolutions on newer GPUs round their inputs to ten bits.
        torch.backends.cudnn.allow_tf32 = False
        super().__init__(
            accelerator=device,
            strategy="ddp" if devices * nodes > 1 else "auto",
            devices=devices,
            num_nodes=nodes,
            precision=FABRIC_PRECISIONS[precision],
        )
        self.double = precision == "64"
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        # A hint about speed, which every process would print.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The model with batch norms that share statistics between GPUs (torch has none for CPU processes)."""
        several = self.world_size > 1 and self.device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(model) if several else model

    def place(self, samples: Samples) -> Samples:
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

    def wait(self) -> None:
        """Until the device has done what it was given, so that a time taken is the whole of it."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    def _move(self, values: Tensor) -> Tensor:
        """A tensor on the device; the original is kept, so that its address stays its own."""
        if values.data_ptr() not in self._moved:
            self._moved[values.data_ptr()] = (values, self.to_device(values))
        return self._moved[values.data_ptr()][1]

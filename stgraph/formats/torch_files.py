"""Files of `torch.save`, read without running any of the code in them."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from stgraph.formats.files import check_inflated


def load_torch(path: Path) -> Any:
    """What a file holds, on the CPU: tensors and plain containers, and what `torch.serialization.safe_globals` allows.

    Raises:
        InputError: content that is compressed into so few bytes that no weights could be.
        Exception: what torch raises for a damaged file, of many types.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_inflated(sum(member.file_size for member in archive.infolist()), path)
    return torch.load(path, map_location="cpu", weights_only=True)

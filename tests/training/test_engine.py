"""The engine refuses what a device cannot do."""

import pytest

from stgraph.errors import InputError
from stgraph.training.engine import Engine


def test_tf32_is_refused_where_nothing_multiplies_so():
    with pytest.raises(InputError, match="--precision tf32: only CUDA devices multiply so, and this is cpu; use 32"):
        Engine("cpu", precision="tf32")

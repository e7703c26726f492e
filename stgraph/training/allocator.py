"""A setting of the C allocator: keep the memory that a training step frees."""

import ctypes

# glibc's numbers of the parameters, from its malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
PAD = 64 << 20  # bytes by which the heap grows beyond each request


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory instead of handing it back to the kernel.

    Activations are freed and taken again at every step. By default the large ones come from the kernel each time, which
    fills them with zeros page by page, and that takes half of a training step. Call this before the first large tensor.
    The process then never shrinks.

    Returns:
        Whether it took effect, which needs glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, -1), mallopt(TOP_PAD, PAD)])

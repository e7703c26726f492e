"""Names of devices and precisions, for --help, which does not wait for torch."""

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32", "tf32", "bf16", "64")

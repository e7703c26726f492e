"""CMU motion that comes with the package, seen through cameras."""

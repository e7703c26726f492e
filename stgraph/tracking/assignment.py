"""The best one-to-one assignment of few possible pairs among many people and detections."""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

FEW = 64  # pairs that are assigned together whether they are connected or not


def assigned(
    rows: Int[np.ndarray, " k"], columns: Int[np.ndarray, " k"], gain: Float[np.ndarray, " k"], shape: tuple[int, int]
) -> Int[np.ndarray, " p"]:
    """The column of each row, -1 for none: the one-to-one assignment of pairs with the largest sum of gains.

    Pairs that share no row or column, directly or by others, are assigned apart, so that the cost grows with the
    largest group that is near one another and not with the square of all.

    Args:
        rows, columns: of the possible pairs, each pair once.
        gain: of each, above 0.
        shape: number of rows and of columns.
    """
    match = np.full(shape[0], -1)
    contested = (np.bincount(rows, minlength=shape[0])[rows] > 1) | (
        np.bincount(columns, minlength=shape[1])[columns] > 1
    )
    match[rows[~contested]] = columns[~contested]
    rows, columns, gain = rows[contested], columns[contested], gain[contested]
    for group in groups(rows, columns, shape):
        p, row = np.unique(rows[group], return_inverse=True)
        m, column = np.unique(columns[group], return_inverse=True)
        table = np.zeros((len(p), len(m)))
        table[row, column] = gain[group]
        taken, by = linear_sum_assignment(table, maximize=True)
        good = table[taken, by] > 0
        match[p[taken[good]]] = m[by[good]]
    return match


def groups(
    rows: Int[np.ndarray, " k"], columns: Int[np.ndarray, " k"], shape: tuple[int, int]
) -> list[Int[np.ndarray, " n"]]:
    """The pairs, by index, that are connected by rows or columns."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(rows):
        return []
    if len(rows) < FEW:
        return [np.arange(len(rows))]
    size = sum(shape)
    graph = coo_array((np.ones(len(rows)), (rows, shape[0] + columns)), shape=(size, size))
    label = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)

"""Recognised classes as Markdown: accuracies, and the recall of every class."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text


def recognition_markdown(scores: Mapping) -> list[str]:
    """Accuracy over clips, frames ..., and the recall of every class with its counts."""
    parts = [name for name, part in scores.items() if isinstance(part, Mapping) and part.get("count")]
    lines = []
    if scores["unknown"]:
        left_out = ", ".join(f"{action} ({count})" for action, count in scores["unknown"].items())
        lines += [
            f"{sum(scores['unknown'].values())} recordings have an action that the training recordings did not have "
            f"and are left out of this part: {left_out}.",
            "",
        ]
    if not parts:
        return [*lines, f"Nothing is left to score; the classes are {', '.join(scores['classes'])}."]
    columns = {"accuracy": "accuracy, %", "class_accuracy": "mean of the classes, %"}
    columns |= {"largest_class": "naming the largest class alone, %", "count": "count"}
    rows = [
        (part, *(f"{scores[part][key]:,}" if key == "count" else number_text(scores[part][key]) for key in columns))
        for part in parts
    ]
    lines += [*markdown_table(("over", *columns.values()), rows), ""]
    head = ("action", *(f"{part}{what}" for part in parts for what in (" recognised", "", ", recall %")))
    rows, absent = [], 0
    for number, name in enumerate(scores["classes"]):
        if not any(sum(scores[part]["confusion"][number]) for part in parts):
            absent += 1
            continue
        row = [name]
        for part in parts:
            confusion = scores[part]["confusion"][number]
            right, count = confusion[number], sum(confusion)
            row += [f"{right:,}", f"{count:,}", number_text(100 * right / count if count else None)]
        rows.append(row)
    note = [f"{absent} of {len(scores['classes'])} classes do not occur and are left out.", ""] if absent else []
    return [*lines, *note, *markdown_table(head, rows), "", "![Recognised against true actions](recognition.png)"]

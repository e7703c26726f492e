"""Recognised classes as Markdown: accuracies, and the recall of every class."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text

COLUMNS = {
    "accuracy": "accuracy, %",
    "class_accuracy": "mean of the classes, %",
    "largest_class": "always the largest class, %",
}


def recognition_markdown(scores: Mapping) -> list[str]:
    """Accuracy over clips, frames ..., and the recall of every class with its counts."""
    scored = {unit: each for unit, each in scores.items() if isinstance(each, Mapping) and each.get("count")}
    classes, lines = scores["classes"], []
    if unknown := scores["unknown"]:
        left_out = ", ".join(f"{action} ({count})" for action, count in unknown.items())
        lines += [
            f"{sum(unknown.values())} recordings have an action that the training recordings did not have "
            f"and are left out of this part: {left_out}.",
            "",
        ]
    if not scored:
        return [*lines, f"Nothing is left to score; the classes are {', '.join(classes)}."]
    rows = [(unit, *(number_text(each[key]) for key in COLUMNS), f"{each['count']:,}") for unit, each in scored.items()]
    lines += [*markdown_table(("over", *COLUMNS.values(), "count"), rows), ""]
    rows = []
    for number, name in enumerate(classes):
        counts = [(each["confusion"][number][number], sum(each["confusion"][number])) for each in scored.values()]
        if any(count for _, count in counts):
            row = [name]
            for right, count in counts:
                row += [f"{right:,}", f"{count:,}", number_text(100 * right / count if count else None)]
            rows.append(row)
    if absent := len(classes) - len(rows):
        lines += [f"{absent} of {len(classes)} classes do not occur and are left out.", ""]
    head = ("action", *(f"{unit}{column}" for unit in scored for column in (" recognised", "", ", recall %")))
    return [*lines, *markdown_table(head, rows), "", "![Recognised against true actions](recognition.png)"]

"""Label selectors, as Kubernetes reads them, on labels or on a generator's parameters."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.source.typed import Table, items, table, text, texts


def matches(selector: Table, labels: Mapping[str, str]) -> bool:
    """Whether all of a selector holds; an operator that nobody knows never does."""
    wanted = table(selector.get("matchLabels"))
    if any(labels.get(key) != text(value) for key, value in wanted.items()):
        return False
    return all(_holds(table(each), labels) for each in items(selector.get("matchExpressions")))


def _holds(expression: Table, labels: Mapping[str, str]) -> bool:
    key, operator = text(expression.get("key")), text(expression.get("operator"))
    values = texts(expression.get("values"))
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    return operator == "DoesNotExist" and key not in labels

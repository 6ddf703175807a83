"""Models as text for a person: what goes in and out, and how each is batched. Descriptions in, lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = ("MODEL", "VERSION", "INPUTS → OUTPUTS")


def table(models: Sequence[Mapping[str, Any]]) -> str:
    """Lay models out in columns, two lines for each: its signature, then how it is batched and why, or its error."""
    rows = [(model["name"], model.get("version", ""), *_lines(model)) for model in models]
    names = max(len(row[0]) for row in (_HEAD, *rows))
    versions = max(len(row[1]) for row in (_HEAD, *rows))
    return "\n".join(_laid_out([_HEAD, *rows], names, versions))


def _laid_out(rows: Sequence[tuple[str, ...]], names: int, versions: int) -> Iterator[str]:
    margin = " " * (names + versions + 4)
    for name, version, first, *others in rows:
        yield f"{name:<{names}}  {version:<{versions}}  {first}".rstrip()
        yield from (margin + other for other in others)


def _lines(model: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in model:
        return (("not installed: " if model["state"] == "not_installed" else "error: ") + model["error"],)
    inputs = ", ".join(map(_tensor, model["inputs"]))
    outputs = ", ".join(map(_tensor, model["outputs"]))
    return f"{inputs} → {outputs}", _batching(model["batching"])


def _tensor(spec: Mapping[str, Any]) -> str:
    sizes = ["?" if size < 0 else str(size) for size in spec["shape"]]
    if spec["batch_axis"] is not None:
        sizes[spec["batch_axis"]] = "N"
    return f"{spec['name']} {spec['datatype']}[{', '.join(sizes)}]"


def _batching(batching: Mapping[str, Any]) -> str:
    if batching["verdict"] == "none":
        return f"not batched: {batching['reason']}"
    return f"batched up to N = {batching['max_batch']}, {batching['verdict']}: {batching['reason']}"

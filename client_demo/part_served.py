"""First part: what the gateway serves, in its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .stage import new_table

if TYPE_CHECKING:
    from .scene import Scene

_PINGS = 5
_MOST_NAMES = 2


async def show(scene: Scene) -> None:
    """Print the address, how far away it is, and the models."""
    fastest = min([await scene.gw.ping() for _ in range(_PINGS)])
    scene.stage.say(f"{scene.gw.url}: an answer to a ping takes {fastest * 1000:.2f} ms.")
    table = new_table("model")
    table.add_column("takes → gives")
    table.add_column("batched")
    for model in scene.served.values():
        table.add_row(str(model["name"]), f"{_tensors(model['inputs'])} → {_tensors(model['outputs'])}", _batching(model))
    scene.stage.show(table)


def _tensors(specs: list[dict[str, Any]]) -> str:
    names = [spec["name"] for spec in specs]
    if len(names) > _MOST_NAMES + 1:
        names[_MOST_NAMES:] = [f"{len(names) - _MOST_NAMES} more"]
    return ", ".join(names)


def _batching(model: dict[str, Any]) -> str:
    batching = model["batching"]
    if batching["verdict"] == "none":
        return f"no: {batching['reason'].partition(';')[0]}"
    told = "bit for bit exact" if batching["verdict"] == "exact" else "exact but for rounding"
    return f"up to {batching['max_batch']} rows, {told}"

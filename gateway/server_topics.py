"""What the gateway itself publishes: ``server/stats`` each second while anybody watches, and ``server/events`` when something
happens. Runs on the event loop; what a snapshot says is for ``server_stats`` to know.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal

from .server_stats import ServerStats, states_of
from .topic import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .broadcast import Broadcast
    from .metrics import Gauges, Metrics

STATS, EVENTS = "server/stats", "server/events"
EVERY_S = 1.0

Happening = Literal["started", "model_ready", "model_failed", "worker_restarted", "drain"]


class ServerTopics:
    """The gateway's own topics.

    Args:
        broadcast: what publishes them.
        metrics: the gateway's numbers.
        load: looks queues, compute slots and subscriptions up.
        models: describes all models.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        metrics: Metrics,
        load: Callable[[], Gauges],
        models: Callable[[], Iterable[Mapping[str, Any]]],
    ) -> None:
        self._broadcast = broadcast
        self._metrics = metrics
        self._load = load
        self._models = models
        self._stats = broadcast.topics.hold(STATS)
        self._events = broadcast.topics.hold(EVENTS, keeps=LOG)
        self._numbers = ServerStats(metrics, time.monotonic())
        self._restarts = 0
        self._next: asyncio.TimerHandle | None = None

    def tell(self, event: Happening, message: str, model: str | None = None) -> None:
        """Publish that something has happened."""
        named = {} if model is None else {"model": model}
        self._broadcast.publish(self._events, data={"event": event, **named, "message": message})

    def started(self) -> None:
        """Tell which models there are, and that the gateway serves."""
        for model in self._models():
            name = model["name"] if model.get("version", "1") == "1" else f"{model['name']} {model['version']}"
            if model["state"] == "ready":
                self.tell("model_ready", f"{name} is ready", model["name"])
            elif model["state"] == "failed":
                self.tell("model_failed", f"{name} could not be loaded: {model.get('error', '')}", model["name"])
        self.tell("started", "the gateway serves")

    def look(self, restarts: int) -> None:
        """Tell of worker processes that were started again, given how many were so far."""
        if restarts > self._restarts:
            more, self._restarts = restarts - self._restarts, restarts
            self.tell("worker_restarted", f"{more} worker process{'es were' if more > 1 else ' was'} started again")

    def watched(self) -> None:
        """Begin or end to publish numbers, if the first one subscribed to them, or nobody does any more."""
        wanted = self._broadcast.watchers.is_watched(self._stats)
        if wanted and self._next is None:
            self._metrics.times_answers = True
            self._numbers.begin(self._load(), time.monotonic())
            self._schedule()
        elif not wanted and self._next is not None:
            self.stop()

    def stop(self) -> None:
        """Publish no numbers any more; the last ones are out of date."""
        self._metrics.times_answers = False
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._broadcast.topics.forget_events(self._stats)

    def _schedule(self) -> None:
        self._next = asyncio.get_running_loop().call_later(EVERY_S, self._tick)

    def _tick(self) -> None:
        self._schedule()
        said = self._numbers.snapshot(self._load(), states_of(self._models()), time.monotonic())
        self._broadcast.publish(self._stats, data=said)

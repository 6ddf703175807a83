"""What every part of the demo is given, and what may be missing from it. It knows no part."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .asking import CHARS, DIGITS, PITCH, VOICE
from .images import HeldBack, load_held_back
from .recordings import Recording, load_recordings

if TYPE_CHECKING:
    from tidegate.client.connection import Connection

    from .stage import Stage

MODELS = (DIGITS, VOICE, PITCH, CHARS)


class Missing(Exception):
    """Raised when a part of the demo lacks something; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One run of the demo, over one connection.

    Attributes:
        stage: where to print.
        gw: the connection.
        served: what the gateway says of each model that is ready, by name.
        absent: why a model cannot be shown, by name.
        held_back: images of digits; empty when there are none.
        recordings: sentences that somebody read aloud.
    """

    stage: Stage
    gw: Connection
    served: dict[str, dict[str, Any]]
    absent: dict[str, str] = field(default_factory=dict)
    held_back: HeldBack | None
    recordings: list[Recording]

    @property
    def ready(self) -> list[str]:
        """The models that can be shown, in the order of the demo."""
        return [model for model in MODELS if model not in self.absent]

    def need(self, *models: str) -> None:
        """Make sure that models can be shown.

        Raises:
            Missing: one of them cannot.
        """
        for model in models:
            if model in self.absent:
                raise Missing(self.absent[model])

    def digits(self) -> HeldBack:
        """Return the images of digits.

        Raises:
            Missing: they or their model are not there.
        """
        self.need(DIGITS)
        assert self.held_back is not None
        return self.held_back

    def tokens(self, text: str) -> list[int]:
        """Return what the text model calls each character; its description lists them.

        Raises:
            Missing: the model is not there.
        """
        self.need(CHARS)
        vocab = self.served[CHARS]["stream"]["loop"]["vocab"]
        return [vocab.index(character) for character in text]


async def set_up(stage: Stage, gw: Connection) -> Scene:
    """Ask what is served and load what it will be shown."""
    models, recordings = await asyncio.gather(gw.models(), asyncio.to_thread(load_recordings))
    served = {model["name"]: model for model in models if model.get("state") == "ready"}
    absent = {name: _why_absent(name, models) for name in MODELS if name not in served}
    held_back = None
    if DIGITS in served:
        try:
            held_back = await asyncio.to_thread(load_held_back)
        except ModuleNotFoundError as error:
            package = (error.name or "scikit-learn").partition(".")[0]
            absent[DIGITS] = f"the images of digits need the package {package!r}: pip install 'tidegate[demo]'"
    return Scene(stage=stage, gw=gw, served=served, absent=absent, held_back=held_back, recordings=recordings)


def _why_absent(name: str, models: list[dict[str, Any]]) -> str:
    told = next((model.get("error") for model in models if model["name"] == name), None)
    return f"the gateway does not serve {name!r}" + (f": {told}" if told else "")

"""The same without async, for notebooks and scripts."""

import sys

from tidegate.client import sync
from tidegate.client_demo.images import load_held_back

IMAGES = load_held_back().images


def main(url: str = "ws://127.0.0.1:8000/v1") -> None:
    """Recognise one digit, then all of them in one request."""
    with sync.connect(url) as gw:
        print("the first is a", gw.infer("digits", image=IMAGES[:1])["probs"].argmax())
        result = gw.infer("digits", image=IMAGES)
        print(len(result["probs"]), "recognised in", result.timing.compute_us, "µs of computing")


if __name__ == "__main__":
    main(*sys.argv[1:])

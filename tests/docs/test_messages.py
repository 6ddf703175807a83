"""The messages in the documents, JSON and JavaScript, are answered by a real gateway as they are said to be."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
from typing import Any

import pytest
from doc_pages import SHOWN_URL, Block, blocks
from websockets.asyncio.client import ClientConnection, connect

from tidegate.codecs.errors import Form
from tidegate.codecs.messages import CLIENT_OPS, SERVER_OPS
from tidegate.codecs.reader import client_messages, server_messages

JSON = blocks("json")
QUESTIONS = [block for block in JSON if json.loads(block.text).get("op") in CLIENT_OPS]
ANSWERED_BY = {"infer": {"result", "error"}, "models": {"models"}, "ping": {"pong"}, "cancel": set[str]()}
SCRIPTS = blocks("javascript")
TIME_LIMIT_S = 20


@pytest.mark.parametrize("block", QUESTIONS, ids=str)
async def test_a_question_is_answered_as_shown(block: Block, gateway_url: str) -> None:
    """What a client would send is understood; the answer shown below it is the gateway's, but for times and roundings."""
    question = json.loads(block.text)
    async with asyncio.timeout(TIME_LIMIT_S), connect(gateway_url) as ws:
        answer = await _ask(ws, question)
    expected = ANSWERED_BY[question["op"]]
    assert answer["op"] in expected if expected else answer is None, answer
    if block.following[0] == "json" and (shown := json.loads(block.following[1]))["op"] in expected:
        assert _like(answer, shown), answer


def test_every_json_block_is_looked_at() -> None:
    """There is no JSON that is neither a client's message nor the answer right below one."""
    answers = {block.following[1] for block in QUESTIONS}
    for block in JSON:
        assert block in QUESTIONS or block.text in answers, str(block)
        if block not in QUESTIONS:
            assert json.loads(block.text)["op"] in SERVER_OPS


async def _ask(ws: ClientConnection, question: dict[str, Any]) -> Any:
    """Send a message; return its answer, None if it has none. A ping behind it tells that it had its time."""
    await ws.send(json.dumps(question))
    await ws.send(json.dumps({"op": "ping", "id": "after"}))
    found, passed = None, False
    while not passed or (found is None and question["op"] == "infer"):
        message = json.loads(await ws.recv())
        passed = passed or message.get("id") == "after"
        if message["op"] != "hello" and message.get("id") == question.get("id"):
            found = message
    return found


def _like(actual: Any, shown: Any) -> bool:
    if isinstance(shown, dict):
        return actual.keys() == shown.keys() and all(key == "timing" or _like(actual[key], shown[key]) for key in shown)
    if isinstance(shown, list):
        return len(actual) == len(shown) and all(map(_like, actual, shown))
    if isinstance(shown, float | int) and not isinstance(shown, bool):
        return math.isclose(actual, shown, abs_tol=1e-4)
    return bool(actual == shown)


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
async def test_javascript(block: Block, gateway_url: str) -> None:
    """A script's message is answered by a result; where Node has WebSocket, the script gets it and logs what is shown."""
    header = _message(block.text)
    async with asyncio.timeout(TIME_LIMIT_S), connect(gateway_url) as ws:
        await ws.send(json.dumps(header) if "data" in header["inputs"][0] else _binary(header))
        while (answer := _read(await ws.recv())) in ("hello", "ping"):
            pass
        assert answer == "result"
    if (node := _node()) is not None:
        out = await asyncio.to_thread(_run, node, block.text.replace(SHOWN_URL, gateway_url))
        assert out.returncode == 0, out.stderr
        assert out.stdout == block.output if block.output else out.stdout.strip(), out.stdout
        assert not re.search(r"\w*Error|invalid_", out.stderr), out.stderr


def _message(script: str) -> dict[str, Any]:
    """Return the request that a script sends, read without a JavaScript engine: object literals with bare keys, and names."""
    constants: dict[str, str] = dict(re.findall(r"const (\w+) = ([\[{].*?[\]}]);", script, re.DOTALL))
    literal = re.search(r"\{op: \"infer\".*?\]\}", script, re.DOTALL)
    assert literal, "it sends no infer"
    text = literal[0]
    for _ in constants:
        text = re.sub(r"(?<=[\[ ])(\w+)(?=[\]}])", lambda name: constants.get(name[1]) or name[1], text)
    message: dict[str, Any] = json.loads(re.sub(r"([{,] *)(\w+):", r'\1"\2":', text))
    return message


def _binary(header: dict[str, Any]) -> bytes:
    """Write a message with JSON header whose only tensor is FP32 and all zeros, as the page tells how."""
    text = json.dumps(header).encode()
    start = -(-(4 + len(text)) // 8) * 8
    nbytes = 4 * math.prod(header["inputs"][0]["shape"])
    message = (len(text).to_bytes(4, "little") + text).ljust(start, b"\0") + bytes(-(-nbytes // 8) * 8)
    assert client_messages().binary(message).form is Form.JSON
    return message


def _read(data: str | bytes) -> str:
    reader = server_messages()
    received = reader.text(data) if isinstance(data, str) else reader.binary(data)
    return str(received.message.__struct_config__.tag)


def _node() -> list[str] | None:
    """Return the command of a Node that has WebSocket, None if there is none."""
    node = shutil.which("node")
    if node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=TIME_LIMIT_S, check=True).stdout
    major, minor = map(int, version.removeprefix("v").split(".")[:2])
    if (major, minor) < (20, 10):
        return None
    return [node] if major >= 22 else [node, "--experimental-websocket"]


def _run(node: list[str], script: str) -> subprocess.CompletedProcess[str]:
    # The page would stay open; here the socket is closed once the answer was shown.
    ending = """
    ws.addEventListener("message", ({data}) => {
      const op = typeof data === "string" ? JSON.parse(data).op : "result";
      if (op === "result" || op === "error") ws.close();
    });
    ws.addEventListener("error", () => { console.error("Error of the socket"); process.exit(1); });
    """
    return subprocess.run([*node, "-e", script + ending], capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)

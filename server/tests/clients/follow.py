"""Follows two subscriptions as follow.mjs does: the task comes in on standard input, what was seen goes out."""

import asyncio
import json
import sys

import websockets


async def watch(socket, is_enough):
    seen = {"events": 0, "bytes": 0, "last": None}
    while not is_enough(seen):
        text = await socket.recv()
        seen["bytes"] += len(text.encode())
        message = json.loads(text)
        if message["type"] == "subscribed":
            seen["last"] = message["cursor"]
        if message["type"] == "event":
            if message["cursor"] != seen["last"] + 1:
                raise ValueError(f"{message['cursor']} came behind {seen['last']}")
            seen["last"] = message["cursor"]
            seen["events"] += 1
    return seen


async def follow(task):
    def connect(url):
        return websockets.connect(url, subprotocols=task["subprotocols"])

    async with connect(task["whole"]) as whole, connect(task["live"]) as live:
        target = asyncio.get_running_loop().create_future()
        whole_seen = asyncio.create_task(
            watch(whole, lambda seen: target.done() and seen["last"] >= target.result())
        )
        live_seen = await watch(live, lambda seen: seen["events"] >= task["events"])
        await live.close()
        target.set_result(live_seen["last"])
        return {
            "extensions": ", ".join(extension.name for extension in live.extensions),
            "protocol": live.subprotocol,
            "liveBytes": live_seen["bytes"],
            "wholeEvents": (await whole_seen)["events"],
        }


json.dump(asyncio.run(follow(json.load(sys.stdin))), sys.stdout)

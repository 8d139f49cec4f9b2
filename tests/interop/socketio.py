"""The Socket.IO client of Debian's python3-socketio, driven by lines as socketio.mjs is.

    python3 -I socketio.py URL OPTIONS

Each line of its input is an event to emit, in JSON, and each event of the socket is a line of its
output. Options: transports. Without -I this file would be the module socketio.
"""
import base64
import json
import sys
import threading

import socketio

printing = threading.Lock()


def encode(v):
    return {"bytes": base64.b64encode(v).decode()} if isinstance(v, bytes) else v


def decode(v):
    return base64.b64decode(v["bytes"]) if isinstance(v, dict) and "bytes" in v else v


def write(name, *args):
    line = json.dumps([name, *map(encode, args)], ensure_ascii=False, separators=(",", ":"))
    with printing:
        print(line, flush=True)


options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)


@client.event
def connect():
    write("connect", client.get_sid())
    write("transport", client.transport())


@client.event
def disconnect():
    write("disconnect")


@client.event
def connect_error(data):
    write("connect_error", data)


@client.on("*")
def any_event(name, *args):
    write(name, *args)
    return None if name == "mute" else args


client.connect(sys.argv[1], transports=options.get("transports"))
for line in sys.stdin:
    name, *args = json.loads(line)
    args = tuple(map(decode, args))
    if name == "send":
        client.emit(args[0], args[1:])
    else:
        client.emit(name, args, callback=lambda *answer, name=name: write("ack " + name, *answer))
client.disconnect()

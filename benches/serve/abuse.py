"""What a hostile network does to `clinpipe serve`, at full size: a healthy client asks all the while.

    python3 benches/serve/abuse.py CLINPIPE BUNDLE [--connections 10000] [--cap 4096]

Prints a row a kind of abuse: how many healthy requests were answered meanwhile, the slowest of them, and the resident
memory of the service. Ends with 1 when a healthy request failed or memory passed the bound. Needs Linux and nothing but
Python 3; `ulimit -n` must allow the connections twice.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

HOST = "127.0.0.1"
ASK = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
POST = b"POST /predict/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


async def opened(port):
    return await asyncio.open_connection(HOST, port)


async def send(port, *parts, pause=0.0):
    """Sends what the service takes; how it ends is its business."""
    with contextlib.suppress(OSError):
        reader, writer = await opened(port)
        with contextlib.closing(writer):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            await asyncio.wait_for(reader.read(), 30)


async def idle(port, count):
    """Connections that say nothing, held for a while."""
    held = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            held.append(await opened(port))
    await asyncio.sleep(3)
    for _, writer in held:
        writer.close()


async def slow_headers(port, count):
    """Slow-loris: a byte of a header now and then."""
    parts = [b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ", *[b"y"] * 5]
    await asyncio.gather(*(send(port, *parts, pause=1.0) for _ in range(count)))


async def slow_bodies(port, count):
    """Bodies that arrive a byte at a time."""
    head = POST + b"content-length: 1000\r\n\r\n"
    await asyncio.gather(*(send(port, head, *[b"["] * 5, pause=1.0) for _ in range(count)))


async def large_bodies(port, count):
    """A gigabyte each: announced, and in chunks without an announcement."""
    megabyte = b"[" * (1 << 20)
    chunk = b"100000\r\n" + megabyte + b"\r\n"
    announced = [POST + b"content-length: 1073741824\r\n\r\n", *[megabyte] * 1024]
    chunked = [POST + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 1024]
    await asyncio.gather(*(send(port, *(chunked if at % 2 else announced)) for at in range(count)))


async def floods_of_headers(port, count):
    """Ten thousand headers, and one of ten megabytes."""
    many = b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 10_000 + b"\r\n"
    long = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 10_000_000 + b"\r\n\r\n"
    await asyncio.gather(*(send(port, long if at % 2 else many) for at in range(count)))


async def pipelines(port, count):
    """A thousand requests at once on one connection, whose answers nobody reads until the end."""
    many = ASK.replace(b"connection: close\r\n", b"") * 1000 + ASK
    await asyncio.gather(*(send(port, many) for _ in range(count)))


async def healthy(port, done, waits):
    """A client that asks, and must be answered."""
    while not done.is_set():
        begun = time.monotonic()
        reader, writer = await opened(port)
        writer.write(ASK)
        answer = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        waits.append((time.monotonic() - begun, answer.startswith(b"HTTP/1.1 200")))
        await asyncio.sleep(0.02)


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        values = dict(line.split(":", 1) for line in status)
    return int(values["VmRSS"].split()[0]) / 1024, int(values["VmHWM"].split()[0]) / 1024


async def attack(name, work, port, pid):
    done, waits = asyncio.Event(), []
    client = asyncio.create_task(healthy(port, done, waits))
    begun = time.monotonic()
    await work
    took = time.monotonic() - begun
    done.set()
    failed = ""
    try:
        await client
    except (OSError, asyncio.TimeoutError) as error:
        failed = repr(error)
    good = sum(answered for _, answered in waits)
    slowest = max((wait for wait, _ in waits), default=0.0)
    now, peak = memory(pid)
    print(f"| {name} | {took:.1f} s | {good} of {len(waits)} {failed}| {slowest * 1000:.0f} ms | {now:.0f} | {peak:.0f} |", flush=True)
    return not failed and good == len(waits) > 0


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clinpipe")
    parser.add_argument("bundle")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--cap", type=int, default=4096)
    parser.add_argument("--most", type=float, default=256.0, help="MiB of resident memory at most")
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    env = {**os.environ, "CLINPIPE_MAX_CONNECTIONS": str(args.cap)}
    command = [args.clinpipe, "-q", "serve", "--bundle", args.bundle, "--port", "0"]
    service = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)
    port = int(json.loads(service.stderr.readline())["address"].rsplit(":", 1)[1])
    # The log is read on and thrown away by a process of its own.
    drain = subprocess.Popen(["cat"], stdin=service.stderr, stdout=subprocess.DEVNULL)
    print(f"resident at the start: {memory(service.pid)[0]:.0f} MiB\n")
    print("| abuse | for | healthy requests answered | slowest | MiB after | MiB at most |\n|---|---|---|---|---|---|")
    n = args.connections
    attacks = [
        (f"{n} idle connections", idle(port, n)),
        ("500 slow senders of headers", slow_headers(port, 500)),
        ("500 slow senders of bodies", slow_bodies(port, 500)),
        ("20 bodies of 1 GB", large_bodies(port, 20)),
        ("200 floods of headers", floods_of_headers(port, 200)),
        ("50 pipelines of 1,000 requests", pipelines(port, 50)),
    ]
    sound = [await attack(name, work, port, service.pid) for name, work in attacks]
    peak = memory(service.pid)[1]
    service.send_signal(signal.SIGTERM)
    code = service.wait(30)
    drain.wait(30)
    print(f"\nexit code {code}, {peak:.0f} MiB at most")
    return 0 if all(sound) and code == 0 and peak <= args.most else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

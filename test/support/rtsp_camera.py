"""A network camera: JPEG images over RTSP, one client at a time (RFC 2326, RFC 2435)."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import struct
import threading
import time

import cv2
import numpy as np

_PART = 1400
_CLOCK = 90_000
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
)
_ANSWERS = {
    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
    "DESCRIBE": ("Content-Type: application/sdp\r\n", _SDP),
    "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
}


class RtspCamera:
    """Shows images again and again until it is unplugged; it can be plugged in again.

    Args:
        images: (H, W, 3) uint8 BGR, sides multiples of 8 below 2048.
        fps: images a second.
    """

    def __init__(self, images: list[np.ndarray], fps: float) -> None:
        self._jpegs = [bytes(cv2.imencode(".jpg", image)[1]) for image in images]
        self._size = images[0].shape[1] // 8, images[0].shape[0] // 8
        self._fps = fps
        self._port = 0
        self.plug_in()

    @property
    def address(self) -> str:
        """Where it is, with a user and a password for whom it does not care."""
        return f"rtsp://user:secret@127.0.0.1:{self._port}/stream"

    def plug_in(self) -> None:
        """Answer from now on, at the same address as before."""
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", self._port))
        self._server.settimeout(0.1)
        self._port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Fall silent: connections break, and nobody answers any more."""
        self._ended.set()
        self._thread.join(5.0)

    def _serve(self) -> None:
        with self._server:
            while not self._ended.is_set():
                with contextlib.suppress(OSError), self._server.accept()[0] as client:
                    client.settimeout(5.0)
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        """Answer requests until the client wants to see something, and show it that."""
        said = b""
        while not self._ended.is_set():
            while b"\r\n\r\n" not in said:
                if not (more := client.recv(4096)):
                    return
                said += more
            request, _, said = said.partition(b"\r\n\r\n")
            method = request.decode().split(" ", 1)[0]
            number = re.search(r"CSeq: *(\d+)", request.decode())
            fields, body = _ANSWERS.get(method, ("Session: 1\r\n", ""))
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            count = number[1] if number else "0"
            head = f"RTSP/1.0 200 OK\r\nCSeq: {count}\r\n{fields}{length}\r\n"
            client.sendall((head + body).encode())
            if method == "PLAY":
                self._show(client)
                return

    def _show(self, client: socket.socket) -> None:
        began, sequence = time.monotonic(), itertools.count()
        for index, jpeg in enumerate(itertools.cycle(self._jpegs)):
            stamp = round(index * _CLOCK / self._fps)
            for payload, last in _payloads(jpeg, self._size):
                number = next(sequence) & 0xFFFF
                rtp = struct.pack(">BBHII", 0x80, 26 | last << 7, number, stamp, 1) + payload
                client.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
            wait = began + (index + 1) / self._fps - time.monotonic()
            if self._ended.wait(max(wait, 0)):
                return


def _payloads(jpeg: bytes, size: tuple[int, int]) -> list[tuple[bytes, bool]]:
    """Cut a baseline JPEG into payloads of packets; say of each whether it is the last."""
    tables, place = b"", 2
    while True:
        marker, length = struct.unpack_from(">HH", jpeg, place)
        body = jpeg[place + 4 : place + 2 + length]
        place += 2 + length
        if marker == 0xFFDB:  # quantization: each table behind a byte that names it
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        if marker == 0xFFDA:
            break
    scan = jpeg[place:-2]
    parts = [(start, scan[start : start + _PART]) for start in range(0, len(scan), _PART)]
    made = []
    for start, part in parts:
        # Type 1: colours at half the resolution; Q 255: the tables come with the image.
        head = struct.pack(">I", start) + bytes([1, 255, *size])
        if not start:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        made.append((head + part, start + len(part) == len(scan)))
    return made

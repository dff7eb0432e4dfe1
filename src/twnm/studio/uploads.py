"""Getting an uploaded file onto disk: the body of a request as it is, or the one file of a form; streamed, never under a client's name."""

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from twnm.studio.refusals import Refused

_MOST_PARTS: Final = 8
_MOST_HEADER_BYTES: Final = 8192


@contextlib.asynccontextmanager
async def uploaded(request: Request, limit_bytes: int) -> AsyncIterator[Path]:
    """The uploaded file, in a folder of its own that goes when the block ends.

    Raises Refused: 413 above `limit_bytes`, 400 without content, 415 for a form without exactly one file, 400 for a broken form.
    """
    with tempfile.TemporaryDirectory(prefix="twnm-studio-") as folder:
        path = Path(folder) / "upload"
        with path.open("wb") as stream:
            kind, options = parse_options_header(request.headers.get("content-type"))
            if kind == b"multipart/form-data":
                await _save_form(request, options.get(b"boundary", b""), _Counted(stream, limit_bytes))
            else:
                await _save_body(request, _Counted(stream, limit_bytes))
        if path.stat().st_size == 0:
            raise Refused(400, "bad_input", "the file is empty; send the bytes of a WAV or FLAC file")
        yield path


class _Counted:
    """A file that takes so many bytes and no more."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self._stream, self._limit_bytes, self._written = stream, limit_bytes, 0

    def write(self, data: bytes) -> None:
        self._written += len(data)
        if self._written > self._limit_bytes:
            raise Refused(413, "too_large", f"the file is larger than the {self._limit_bytes / 1e6:.1f} MB that are taken here; cut it")
        self._stream.write(data)


async def _save_body(request: Request, out: _Counted) -> None:
    async for chunk in request.stream():
        out.write(chunk)


class _Form:
    """The file of a form: the part that has a file name, or the only one."""

    def __init__(self, out: _Counted) -> None:
        self._out, self._name, self._value = out, bytearray(), bytearray()
        self._file = False
        self.files = self.parts = 0

    def begin(self) -> None:
        self.parts += 1
        self._file = False
        if self.parts > _MOST_PARTS:
            raise Refused(400, "bad_input", f"the form has more than {_MOST_PARTS} parts; send one file")

    def name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._check_size()

    def value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_size()

    def header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._file = b"filename" in options or b"filename*" in options
            self.files += self._file
        self._name.clear()
        self._value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._file and self.files == 1:
            self._out.write(data[start:end])

    def _check_size(self) -> None:
        if len(self._name) + len(self._value) > _MOST_HEADER_BYTES:
            raise Refused(400, "bad_input", "a header within the form is too long")


async def _save_form(request: Request, boundary: bytes, out: _Counted) -> None:
    if not 0 < len(boundary) <= 70:
        raise Refused(400, "bad_input", "the form names no boundary, or one that is too long; send the file's bytes as the body instead")
    form = _Form(out)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.begin,
            "on_header_field": form.name,
            "on_header_value": form.value,
            "on_header_end": form.header,
            "on_part_data": form.data,
        },
    )
    try:
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise Refused(400, "bad_input", "the form is broken; send the file's bytes as the body instead") from None
    if form.files != 1:
        raise Refused(415, "wrong_type", f"the form has {form.files} files; send exactly one")

"""The page's files: only what lies in the folder `page`, by a list made from it, compressed where that helps, revalidated by ETag."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from twnm.studio.refusals import not_found

PAGE: Final = Path(__file__).parent / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
_PACKED: Final = (".html", ".js", ".mjs", ".css", ".json", ".webmanifest", ".svg", ".txt", ".md", ".wav")


@dataclass(frozen=True)
class _File:
    """A file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes | None
    tag: str


class PageFiles:
    """The files below a folder, by their path within it; read once, and again when they change."""

    def __init__(self, folder: Path = PAGE) -> None:
        self._folder = folder
        self._files: dict[str, tuple[int, _File]] = {}

    def get(self, name: str) -> _File:
        """A file; raises Refused (404) for any name that is not one of the folder's files of a known type."""
        path = {one.relative_to(self._folder).as_posix(): one for one in self._folder.rglob("*") if one.is_file() and one.suffix in _TYPES}.get(name)
        if path is None:
            raise not_found("the page has no such file")
        changed = path.stat().st_mtime_ns
        if name not in self._files or self._files[name][0] != changed:
            plain = path.read_bytes()
            packed = gzip.compress(plain, 9, mtime=0) if path.suffix in _PACKED else None
            tag = f'"{hashlib.blake2b(plain, digest_size=12).hexdigest()}"'
            self._files[name] = (changed, _File(_TYPES[path.suffix], plain, packed if packed and len(packed) < len(plain) else None, tag))
        return self._files[name][1]


def routes(files: PageFiles) -> APIRouter:
    """The page and its files."""
    router = APIRouter(include_in_schema=False)

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, media_type=file.kind, headers=headers | {"Content-Encoding": "gzip"})
        return Response(file.plain, media_type=file.kind, headers=headers)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return answer(request, "index.html")

    @router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
    async def static(request: Request, name: str) -> Response:
        return answer(request, name)

    return router

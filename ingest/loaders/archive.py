"""Zip files, opened only after each entry was unpacked once and counted. Knows nothing of what the entries mean.

Office files and e-books are zip files. Whatever their headers say, nothing that `open_zip` returns unpacks to more
than its limits, and archives inside of archives stay closed.
"""

import io
import struct
import zipfile
import zlib
from itertools import pairwise

from ingest.loaders.errors import LoadError

ENTRIES = 20_000
ENTRY_BYTES = 250_000_000
UNPACKED_BYTES = 500_000_000
RATIO = 200
"""Unpacked bytes for each packed one; deflate reaches 1032, sheets of equal rows about 100."""

# Small files may repeat themselves as they like.
_RATIO_COUNTS_FROM = 20_000_000
_STEP = 1 << 18
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_REMEDY = "unpack it and save its documents one by one"


def open_zip(content: bytes) -> zipfile.ZipFile:
    """The archive in `content`, for reading.

    Raises LoadError for what is damaged, encrypted, packed by other means than deflate, or unpacks to more than
    `ENTRY_BYTES` an entry, `UNPACKED_BYTES` in all, `ENTRIES` entries or `RATIO`.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise LoadError(f"it is damaged inside ({error}): export or download it again") from error
    try:
        _check(content, archive.infolist())
    except BaseException:
        archive.close()
        raise
    return archive


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """The unpacked bytes of an entry. Raises LoadError where it is missing or damaged."""
    try:
        return archive.read(name)
    except KeyError as error:
        raise LoadError(f"its part {ascii(name)} is missing: export or download it again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise LoadError(f"its part {ascii(name)} is damaged ({error}): export or download it again") from error


def _check(content: bytes, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ENTRIES:
        raise LoadError(f"it holds {len(entries):,} files, at most {ENTRIES:,} are unpacked: {_REMEDY}")
    spans = sorted((entry.header_offset, *_data(content, entry)) for entry in entries)
    for (_, _, end), (begin, _, _) in pairwise(spans):
        # Entries that share their bytes are how a small archive unpacks to petabytes without a high ratio in any.
        if begin < end:
            raise LoadError("its entries overlap, as only an attack does: export it again")
    unpacked = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        unpacked += _unpacked_bytes(content, entry, UNPACKED_BYTES - unpacked)
    if unpacked > _RATIO_COUNTS_FROM and unpacked > RATIO * len(content):
        raise LoadError(
            f"it unpacks to {unpacked // len(content)} times its size, at most {RATIO} are read: save it again"
        )


def _data(content: bytes, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where an entry's packed bytes begin and end in `content`."""
    if entry.flag_bits & _ENCRYPTED:
        raise LoadError("it is protected by a password: save it without")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise LoadError("it is packed in a way that is not read: save it again")
    header = content[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    if entry.header_offset < 0 or len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise LoadError("it is damaged inside (an entry without header): export or download it again")
    _, name, extra = _LOCAL_HEADER.unpack(header)
    begin = entry.header_offset + _LOCAL_HEADER.size + name + extra
    end = begin + entry.compress_size
    if end > len(content):
        raise LoadError("it is cut off: export or download it again")
    return begin, end


def _unpacked_bytes(content: bytes, entry: zipfile.ZipInfo, left: int) -> int:
    """How much an entry really unpacks to; `left` is what the archive still may."""
    begin, end = _data(content, entry)
    limit = min(ENTRY_BYTES, left)
    count = 0
    if entry.compress_type == zipfile.ZIP_STORED:
        count = end - begin
    else:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        packed = memoryview(content)[begin:end]
        try:
            while packed and not unpacker.eof and count <= limit:
                piece, packed = bytes(packed[:_STEP]), packed[_STEP:]
                while True:
                    made = len(unpacker.decompress(piece, _STEP))
                    count += made
                    piece = unpacker.unconsumed_tail
                    if count > limit or unpacker.eof or (not piece and made < _STEP):
                        break
        except zlib.error:
            # A damaged entry that nobody reads does no harm; `read_entry` says so where it is needed.
            pass
    if count > limit:
        most = f"{ENTRY_BYTES / 1e6:.0f} MB in one part" if limit == ENTRY_BYTES else f"{UNPACKED_BYTES / 1e6:.0f} MB"
        raise LoadError(f"it unpacks to more than {most}: split it")
    if count > entry.file_size:
        raise LoadError("it unpacks to more than it states: export it again")
    return count

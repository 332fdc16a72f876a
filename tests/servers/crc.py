"""CRC-32C, of one text or of many of equal length at once."""

from __future__ import annotations

import numpy as np


def _table(bits: int) -> np.ndarray:
    table = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    return table


_BYTE, _WORD = _table(8), _table(16)
_PLAIN = _BYTE.tolist()


def crc(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = _PLAIN[(value ^ byte) & 255] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def crc_of_rows(rows: np.ndarray) -> np.ndarray:
    """Of each row of bytes; two bytes a step, over as many rows as the processor's cache likes."""
    parts = [_crc_of_few(rows[at : at + 16384]) for at in range(0, len(rows), 16384)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)


def _crc_of_few(rows: np.ndarray) -> np.ndarray:
    value = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    even = rows.shape[1] & ~1
    for word in np.ascontiguousarray(np.ascontiguousarray(rows[:, :even]).view("<u2").T):
        value ^= word
        value = _WORD[value & 0xFFFF] ^ (value >> 16)
    if even < rows.shape[1]:
        value = _BYTE[(value ^ rows[:, -1]) & 255] ^ (value >> 8)
    return value ^ np.uint32(0xFFFFFFFF)

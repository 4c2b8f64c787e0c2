"""The coins of an audit: which arrivals a person is asked to look at.

The coin of a row is an HMAC of the row's number and the picture's digest, with a secret seed as the key. The row
is on the disk before its coin is computed. The coin of a finished move never changes. A move that was not made
loses its row, and the next attempt has the same coin, so that nobody can toss again. Nobody without the seed can
predict a coin. If a picture comes again, it has a coin of its own. With the seed, anybody can check the coins
afterwards.

Source: H. Krawczyk, M. Bellare, R. Canetti, HMAC: keyed-hashing for message authentication, RFC 2104, 1997.
"""

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from skysort.core.errors import NotUnderstoodError
from skysort.core.files import remove_partials, whole_file
from skysort.core.text import share_typed
from skysort.work.journal_entries import DamagedJournalError

SEED_BYTES = 32
COIN_BITS = 53
"""The number of bits that a float between 0 and 1 holds exactly."""


@dataclass(frozen=True)
class AuditRates:
    """Shares of the arrivals that a person is asked to look at, each above 0 and at most 1."""

    aside: float
    """Of the pictures that are set aside."""
    keep: float
    """Of all others but the unreadable ones."""

    @classmethod
    def parse(cls, text: str) -> "AuditRates":
        """Return the rates that a text such as `5%` or `aside=10%,keep=2%` stands for.

        Raises:
            NotUnderstoodError: when a rate is not above 0 and at most 1, or the text has another form.
        """
        if "=" not in text:
            rate = share_typed("--audit", text, all_allowed=True)
            return cls(rate, rate)
        by_name: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            if name.strip() in by_name or name.strip() not in ("aside", "keep"):
                break
            by_name[name.strip()] = share_typed("--audit", value, all_allowed=True)
        else:
            if len(by_name) == 2:
                return cls(**by_name)
        raise NotUnderstoodError(
            "wrong-value", f"--audit takes one rate such as 5%, or two such as aside=10%,keep=2%; found '{text}'"
        )


def coin_of(seed: bytes, number: int, digest: str) -> float:
    """Return the coin of a row: at least 0, below 1, and uniform.

    Args:
        seed: of the journal.
        number: of the row.
        digest: of the picture.
    """
    return _toss(seed, f"{number} {digest}")


def second_coin_of(seed: bytes, digest: str) -> float:
    """Return the second coin of a drawn picture, which says what its answer is for: at least 0, below 1, uniform.

    It is independent of the first coin, and the same for each arrival of the picture.
    """
    return _toss(seed, f"calibrate or test {digest}")


def _toss(seed: bytes, text: str) -> float:
    code = hmac.digest(seed, text.encode(), "sha256")
    return (int.from_bytes(code[:8], "big") >> (64 - COIN_BITS)) / 2.0**COIN_BITS


def read_seed(folder: Path) -> bytes | None:
    """Return the seed in a journal's folder; None if there is none.

    Raises:
        DamagedJournalError: when the file holds no seed.
    """
    path = seed_file(folder)
    try:
        seed = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise DamagedJournalError(
            "damaged-journal",
            f"{path} is damaged: expected {2 * SEED_BYTES} hexadecimal digits. Restore it from a backup, or remove"
            " it to begin a new seed; then earlier coins stay in the journal, and nobody can check them",
        )
    return seed


def make_seed(folder: Path) -> bytes:
    """Return the seed in a journal's folder, and make one if there is none.

    Raises:
        DamagedJournalError: when the file holds no seed.
        SkysortError: when it cannot be written.
    """
    path = seed_file(folder)
    remove_partials(path)
    seed = read_seed(folder)
    if seed is None:
        seed = secrets.token_bytes(SEED_BYTES)
        with whole_file(path, is_secret=True) as file:
            file.write(seed.hex() + "\n")
    return seed


def seed_file(folder: Path) -> Path:
    """Return the file of the seed in a journal's folder."""
    return folder / "audit-seed"

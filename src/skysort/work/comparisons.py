"""The pictures in a journal that have compared two classifiers. Each of them tests one new classifier alone.

A test that is repeated with more and more pictures until it says that the new classifier is better is wrong more
often than it says. So the journal keeps the pictures that have tested, whichever run is improved next.
"""

from collections.abc import Collection

from skysort.work.journal_database import JournalDatabase
from skysort.work.journal_entries import CellError
from skysort.work.journal_file import journal_errors


class Comparisons:
    """Which pictures of a journal have tested which new classifier.

    Args:
        database: of the journal.
    """

    def __init__(self, database: JournalDatabase) -> None:
        self._database = database

    def claim(self, digests: Collection[str], classifier: str) -> frozenset[str]:
        """Write that pictures test a new classifier, before they do. It is on the disk when this returns.

        Args:
            digests: SHA-256 of the pictures.
            classifier: SHA-256 of its model.onnx. To test the same one again, as after a kill, is no new test.

        Returns:
            Those of the pictures that have tested no other classifier.
        """
        self._database.check_files()
        with self._database.transaction() as connection:
            insert = "INSERT OR IGNORE INTO comparisons(digest, classifier) VALUES (?, ?)"
            connection.executemany(insert, [(digest, classifier) for digest in digests])
            query = "SELECT digest FROM comparisons WHERE classifier = ?"
            own = {digest for (digest,) in connection.execute(query, (classifier,))}
        return frozenset(own.intersection(digests))

    def digests(self) -> frozenset[str]:
        """Return the SHA-256 of the pictures that have tested a classifier."""
        with journal_errors(self._database.path):
            cells = [cell for (cell,) in self._database.connection.execute("SELECT digest FROM comparisons")]
            if not all(isinstance(cell, str) for cell in cells):
                raise CellError(f"comparisons: expected digests, found {cells!r:.120}")
        return frozenset(cells)

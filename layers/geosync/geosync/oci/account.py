"""The account of one registry's credentials: a user and a password of its own, or one that is lent for a time."""

from __future__ import annotations

import base64

from geosync.oci.credentials import Basic, Borrowed, Credentials, Loan
from geosync.oci.deadline import Deadline
from geosync.threads import Threads

#: A loan that is younger has not ended: a 403 to it is a missing permission.
FRESH_S = 60.0


class RegistryAccount:
    """Keeps a lent account until it is due for renewal or refused. Thread-safe: one thread borrows at a time."""

    def __init__(self, credentials: Credentials, deadline: Deadline, threads: Threads) -> None:
        self._credentials = credentials
        self._deadline = deadline
        self._loan: Loan | None = None
        self._borrowed_at_s = 0.0
        # A condition, not a bare lock: it is held while the lender is asked.
        self._borrowing = threads.condition()

    def current(self) -> Basic | Loan | None:
        """Return the user and the password to use now; None where the credentials are of another kind.

        May ask the lender. Raises the lender's errors, and OutOfTime.
        """
        match self._credentials:
            case Basic() as account:
                return account
            case Borrowed() as lender:
                return self._lent_by(lender)
            case _:
                return None

    def give_back(self, used: str) -> bool:
        """Drop a lent account whose header `used` was refused; True when another loan may be accepted."""
        with self._borrowing:
            if self._loan is not None and used == basic_header(self._loan):
                self._loan = None
        return isinstance(self._credentials, Borrowed)

    def drop_if_ended(self, used: str) -> bool:
        """Drop a lent account whose header `used` got a 403, unless it is fresh; True when another may be accepted.

        Some registries (Amazon ECR) answer an account that has ended like one that lacks a permission. A fresh loan is
        kept, so that a missing permission does not cost a new loan for each request.
        """
        if not isinstance(self._credentials, Borrowed):
            return False
        with self._borrowing:
            if self._loan is not None and used == basic_header(self._loan):
                if self._now_s() - self._borrowed_at_s < FRESH_S:
                    return False
                self._loan = None
        return True

    def _lent_by(self, lender: Borrowed) -> Loan:
        with self._borrowing:
            if self._loan is None or self._now_s() >= self._loan.renew_at_s:
                self._deadline.check()
                self._loan, self._borrowed_at_s = lender.borrow(), self._now_s()
            return self._loan

    def _now_s(self) -> float:
        return self._deadline.clock.now_ms() / 1000


def basic_header(account: Basic | Loan) -> str:
    """Return the Authorization for a user and a password (RFC 7617)."""
    pair = f"{account.username}:{account.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"

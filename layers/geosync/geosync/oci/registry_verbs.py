"""The verbs about a registry itself, and those for paths of its vendor's own API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from geosync.oci import media_types, scopes
from geosync.oci.answers import API_HEADER, NOT_A_REGISTRYS, is_registrys, read_errors
from geosync.oci.deadline import Deadline
from geosync.oci.listings import pages
from geosync.oci.memory import Memory
from geosync.oci.requests import Call, Requester
from geosync.oci.transport import HttpAnswer


class RegistryVerbs:
    """The part of RegistryClient that knows no repository; its constructor sets what is used here."""

    deadline: Deadline
    memory: Memory
    _requests: Requester

    def documents(self, path: str, access: scopes.Scopes) -> Iterator[dict[str, Any]]:
        """Yield the JSON documents of another listing of the registry's, page by page as `Link` leads."""
        yield from pages(self._requests, path, access, arrays=True)

    def serves(self, path: str, access: scopes.Scopes) -> bool:
        """Tell whether a GET of a path of the registry's own is answered with 200; False for 404."""
        call = Call(method="GET", target=path, access=access, repeatable=True)
        answer = self._requests.send(call)
        if answer.status not in (200, 404):
            self._requests.fail(call, answer)
        answer.close()
        return answer.status == 200

    def delete(self, path: str, access: scopes.Scopes) -> None:
        """DELETE something by a path of the registry's own; a 404 of the registry's own is success."""
        call = Call(method="DELETE", target=path, access=access, write=True)
        answer = self._requests.send(call)
        if answer.status == 404:
            errors = read_errors(answer, self.deadline, self.memory)
            if errors.empty or errors.well_formed:
                return
            raise self._requests.unusable(call, 404, NOT_A_REGISTRYS)
        if not 200 <= answer.status < 300:
            self._requests.fail(call, answer)
        answer.close()

    def ping(self) -> None:
        """GET /v2/ with the credentials; the text of Unauthorized or RegistryUnavailable names what is wrong."""
        self._ping()

    def header_of_ping(self, name: str) -> str | None:
        """Return a header of the answer to `ping`, None where it has none of this name. Raises as `ping`."""
        return self._ping().header(name)

    def names_api(self) -> bool:
        """Tell whether the answer to `ping` has the header that names the registry's API. Raises as `ping`."""
        return self.header_of_ping(API_HEADER) is not None

    def _ping(self) -> HttpAnswer:
        call = Call(method="GET", target="/v2/", access=(), repeatable=True)
        answer = self._requests.send(call)
        if answer.status == 404:
            answer.close()
            raise self._requests.unusable(call, 404, "no registry API (/v2/) at this address")
        if answer.status != 200:
            self._requests.fail(call, answer)
        answer.close()
        return answer

    def connections_ahead(self, most: int) -> list[Callable[[], None]]:
        """Return functions that open the connections missing to `most` idle ones; they send and raise nothing."""
        return self._requests.connections_ahead(most)

    def close(self) -> None:
        """Close the idle connections."""
        self._requests.close()

    def _check_absent(self, call: Call, answer: HttpAnswer, codes: frozenset[str]) -> None:
        """Raise RegistryUnavailable for a 404 that does not say, by one of `codes`, that there is no such thing."""
        errors = read_errors(answer, self.deadline, self.memory)
        if not errors.empty and not codes.intersection(errors.codes):
            raise self._requests.unusable(call, 404, errors.detail or NOT_A_REGISTRYS)
        # An empty 404 counts where the registry never names its API in a header.
        if not is_registrys(answer, errors) and self.names_api():
            raise self._requests.unusable(call, 404, NOT_A_REGISTRYS)

    def _check_page(self, call: Call, answer: HttpAnswer) -> None:
        """Raise RegistryUnavailable for an HTML page: a proxy in front of the registry has answered."""
        if media_types.essence(answer.header("Content-Type")) == "text/html":
            answer.close()
            raise self._requests.unusable(call, answer.status, "a page that is not the registry's")

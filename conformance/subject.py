"""What checks are given: the server, the photos, and what the server answers to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus

from conformance.asking.credentials import NoCredentials
from conformance.asking.messages import Answer, Request
from conformance.asking.pacing import Burst, burst_of
from conformance.asking.server import Server
from conformance.inferences import Found, document, found, inferences
from conformance.pictures.encoding import jpeg, png
from conformance.pictures.photos import Photo, shipped_photos
from conformance.published import Violation, violations


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo and what the server answered to it."""

    photo: Photo
    answer: Answer

    @property
    def found(self) -> tuple[Found, ...]:
        """Return the objects that the server found, most confident first."""
        return found(self.answer)


@dataclass(frozen=True)
class Subject:
    """What checks are given.

    `rate_per_s`: the frames per second of the client whose place the checks take. `hostile`: whether the server may be
    asked what no well-meaning client would ask.
    """

    server: Server
    photos: tuple[Photo, ...] = field(default_factory=shipped_photos)
    rate_per_s: float = 5
    hostile: bool = False

    @property
    def has_credentials(self) -> bool:
        """Return whether the user gave credentials."""
        return not isinstance(self.server.credentials, NoCredentials)

    @cached_property
    def survey(self) -> tuple[Seen, ...]:
        """Return what the server answers to each photo and to its middle, posted as JPEG. Raises NoAnswerError."""
        photos = [each for photo in self.photos for each in (photo, photo.cut)]
        return tuple(Seen(photo, self.server.post(jpeg(photo.image))) for photo in photos)

    @cached_property
    def exact(self) -> tuple[Seen, ...]:
        """Return what the server answers to each photo, posted without loss. Raises NoAnswerError."""
        return tuple(Seen(photo, self.server.post(png(photo.image), "image/png")) for photo in self.photos)

    @cached_property
    def results(self) -> Mapping[str, Answer]:
        """Return the answers of the survey that have results (status 200), by photo."""
        return {seen.photo.name: seen.answer for seen in self.survey if seen.answer.status == HTTPStatus.OK}

    @cached_property
    def violations(self) -> tuple[tuple[str, Violation], ...]:
        """Return what the published schema forbids in the results of the survey, each with the photo's name."""
        return tuple((name, each) for name, answer in self.results.items() for each in _violations(answer))

    @property
    def asked(self) -> tuple[Seen, ...]:
        """Return the survey if there was one; never asks."""
        survey: tuple[Seen, ...] = self.__dict__.get("survey", ())
        return survey

    @cached_property
    def request(self) -> Request:
        """Return the request that posts the first photo as JPEG."""
        return Request(jpeg(self.photos[0].image), (("Content-Type", "image/jpeg"),))

    @cached_property
    def bare(self) -> Answer:
        """Return what the server answers to a frame without credentials. Raises NoAnswerError."""
        return self.server.ask_once(self.request)

    @cached_property
    def burst(self) -> Burst:
        """Return what becomes of many frames that come at once. Raises NoAnswerError and ExhaustedError."""
        return burst_of(self.server, self.request)

    @cached_property
    def frame(self) -> bytes:
        """Return a photo as JPEG, one in which the server found something if there is any."""
        richest = max(self.survey, key=lambda seen: (len(seen.found), len(inferences(seen.answer))))
        return jpeg(richest.photo.image)


def _violations(answer: Answer) -> tuple[Violation, ...]:
    try:
        return violations(document(answer))
    except ValueError:
        return ()

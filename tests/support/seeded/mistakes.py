"""The mistakes that the seeded server can make: each was seen in servers that people use or publish.

By group of checks; each with the check that finds it, and no other does.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A mistake. `found_by`: the check that fails, or warns. `access`: who may come in, a key of ACCESS."""

    sentence: str
    found_by: str
    access: str = "all"


ACCESS: dict[str, dict[str, str]] = {
    "all": {},
    "password": {"user": "jürgen", "password": "paßwort of the tests"},
    "token": {"token": "token-of-the-tests"},
}
"""What the seeded server is started with: who may come in."""


_GROUPS: dict[str, dict[str, Mistake]] = {
    "requests": {
        "absolute-target": Mistake("an absolute request target is not found", "requests.absolute-target"),
        "chunked": Mistake("a body in chunks is not understood", "requests.chunked"),
        "closes": Mistake("the connection is closed after each answer, without a word", "requests.keep-alive"),
        "demands-one-size": Mistake("only frames of 416 x 416 pixels are answered", "requests.sizes"),
        "expect": Mistake("100 Continue is never sent", "requests.expect"),
        "header-case": Mistake("names of headers are compared letter by letter", "requests.header-case"),
        "label-trusted": Mistake("the media type decides how bytes are decoded", "requests.label"),
        "media-type-case": Mistake("media types are compared letter by letter", "requests.media-type-case"),
        "png-alpha": Mistake("a PNG with transparency is 500", "requests.png-alpha"),
        "png-grey": Mistake("a grey PNG is 500", "requests.png-grey"),
        "small-limit": Mistake("a body may have 1 MB", "requests.large"),
    },
    "answers": {
        "boxes-pixels": Mistake("boxes are in pixels", "answers.ranges"),
        "boxes-unclamped": Mistake("boxes reach over the edges of the frame", "answers.ranges"),
        "charset": Mistake("the media type of answers has a charset", "answers.charset"),
        "extra-member": Mistake("an inference has a member of its own", "answers.members"),
        "extra-top-level": Mistake("the document has more than inferences", "answers.single"),
        "missing-value": Mistake("a tag has no value", "answers.required"),
        "nan": Mistake("a confidence is NaN", "answers.json"),
        "number-attributes": Mistake("an extension's value is a number", "answers.strings"),
        "old-answer": Mistake("the answer is that of the frame before", "answers.own-frame"),
        "payload-other": Mistake("type does not name the payload", "answers.payload"),
        "percent": Mistake("confidences are percentages", "answers.ranges"),
        "strings": Mistake("numbers are sent as strings", "answers.numbers"),
        "text-html": Mistake("answers are text/html", "answers.media-type"),
        "type-unknown": Mistake("the type of an inference is object", "answers.type"),
    },
    "geometry": {
        "boxes-centre": Mistake("l and t are the centre of the box", "geometry.corners"),
        "boxes-corners": Mistake("w and h are the right and the lower edge", "geometry.corners"),
        "boxes-letterboxed": Mistake("boxes are shares of the square canvas of the model", "geometry.frame"),
        "boxes-middle": Mistake("boxes are shares of the middle square of the frame", "geometry.frame"),
        "boxes-swapped": Mistake("x and y are confused", "geometry.corners"),
        "boxes-unpadded": Mistake("black bars are removed, and boxes are shares of what is left", "geometry.pad"),
        "boxes-wide": Mistake("l + w is more than 1", "geometry.inside"),
    },
    "empty": {
        "empty-list": Mistake("nothing found is 200 with an empty list", "empty.status"),
        "nothing-has-body": Mistake("204 is followed by a body", "empty.body"),
        "nothing-has-length": Mistake("204 has a Content-Length", "empty.length"),
        "nothing-has-type": Mistake("204 has a Content-Type", "empty.media-type"),
    },
    "errors": {
        "error-in-200": Mistake("a frame that cannot be decoded is 200 with an error in it", "errors.undecodable"),
        "trace": Mistake("errors show a stack trace", "errors.trace"),
        "undecodable-500": Mistake("a frame that cannot be decoded is 500", "errors.undecodable"),
        "wrong-method-500": Mistake("GET is 500", "errors.method"),
    },
    "state": {
        "confidence-needs-object": Mistake("confidence has no effect without object", "state.confidence"),
        "filter-stays": Mistake("the options of one request stay in force for others", "state.options"),
        "id-refused": Mistake("a parameter of the user's own is refused", "state.id"),
        "streams-mixed": Mistake("what one stream showed is answered to another", "state.apart"),
    },
    "raw": {
        "raw-bgr": Mistake("raw pixels are taken as RGB, whatever their format", "raw.channels"),
        "raw-length": Mistake("raw pixels of another length are answered", "raw.length"),
    },
    "overload": {
        "busy-500": Mistake("a server that is busy answers 500", "overload.status"),
        "busy-date": Mistake("Retry-After is half a second", "overload.retry-after"),
        "busy-hangs-up": Mistake("a server that is busy closes connections", "overload.status"),
        "busy-silent": Mistake("503 has no Retry-After", "overload.retry-after"),
        "busy-slow": Mistake("frames are refused only after a second", "overload.speed"),
        "queues": Mistake("all frames wait until it is their turn", "overload.sheds"),
    },
    "credentials": {
        "any-password": Mistake("every password is right", "credentials.wrong", "password"),
        "any-token": Mistake("every token is right", "credentials.wrong", "token"),
        "basic-late": Mistake("Basic is taken only after a 401", "credentials.basic", "password"),
        "basic-once": Mistake("who was refused once may not come in by Basic", "credentials.basic", "password"),
        "digest-get": Mistake(
            "answers to Digest are judged as if all requests were GET", "credentials.digest", "password"
        ),
        "digest-replay": Mistake(
            "an answer to a challenge of Digest may be used again", "credentials.replay", "password"
        ),
        "dummy-credentials": Mistake("credentials are refused though none are needed", "credentials.ignored"),
        "no-challenge": Mistake("401 has no WWW-Authenticate", "credentials.challenge", "password"),
        "no-challenge-bearer": Mistake(
            "a missing token is 401 without WWW-Authenticate", "credentials.challenge", "token"
        ),
        "open": Mistake("frames without credentials are answered", "credentials.required", "password"),
        "scheme-case": Mistake("Bearer is compared letter by letter", "credentials.header", "token"),
        "wrong-is-403": Mistake("a wrong token is 403", "credentials.wrong", "token"),
    },
    "timing": {
        "slow": Mistake("answers over a connection that is used again take 400 ms", "timing.rate"),
    },
    "hostile": {
        "truncated-answered": Mistake("half a JPEG is 500", "hostile.truncated"),
        "two-lengths": Mistake("two different lengths are accepted", "hostile.two-lengths"),
        "unbounded-pixels": Mistake("a picture of any number of pixels is decoded", "hostile.bomb"),
    },
}
MISTAKES = {name: mistake for group in _GROUPS.values() for name, mistake in group.items()}

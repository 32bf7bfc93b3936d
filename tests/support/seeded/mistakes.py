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
        "accept-406": Mistake("Accept must be application/json alone", "requests.client-headers"),
        "bmp-refused": Mistake("BMP cannot be decoded", "requests.bmp"),
        "bmp-top-500": Mistake("a BMP whose height is negative is 500", "requests.bmp-from-the-top"),
        "chunked": Mistake("a body in chunks is not understood", "requests.chunked"),
        "closes": Mistake("the connection is closed after each answer, without a word", "requests.keep-alive"),
        "closes-always": Mistake("each answer says that the connection closes", "requests.keep-alive"),
        "demands-one-size": Mistake("only frames of 416 x 416 pixels are answered", "requests.sizes"),
        "expect": Mistake("100 Continue is never sent", "requests.expect"),
        "header-case": Mistake("names of headers are compared letter by letter", "requests.header-case"),
        "jpeg-grey": Mistake("a grey JPEG is 500", "requests.jpeg-grey"),
        "label-required": Mistake("a frame without Content-Type is refused", "requests.no-label"),
        "label-trusted": Mistake("the media type decides how bytes are decoded", "requests.label"),
        "media-type-case": Mistake("media types are compared letter by letter", "requests.media-type-case"),
        "png-alpha": Mistake("a PNG with transparency is 500", "requests.png-alpha"),
        "png-grey": Mistake("a grey PNG is 500", "requests.png-grey"),
        "png-refused": Mistake("PNG cannot be decoded", "requests.png"),
        "small-limit": Mistake("a body may have 1 MB", "requests.large"),
        "strict-labels": Mistake("only image/jpeg, image/png and image/bmp are taken", "requests.other-labels"),
        "wants-form": Mistake("frames must be files of a form", "requests.jpeg"),
    },
    "answers": {
        "boxes-jitter": Mistake("boxes tremble", "answers.steady"),
        "boxes-pixels": Mistake("boxes are in pixels", "answers.ranges"),
        "boxes-unclamped": Mistake("boxes reach over the edges of the frame", "answers.ranges"),
        "charset": Mistake("the media type of answers has a charset", "answers.charset"),
        "extra-member": Mistake("an inference has a member of its own", "answers.members"),
        "extra-top-level": Mistake("the document has more than inferences", "answers.single"),
        "missing-value": Mistake("a tag has no value", "answers.required"),
        "nan": Mistake("a confidence is NaN", "answers.json"),
        "no-payload": Mistake("an inference has a type only", "answers.payload-present"),
        "not-a-list": Mistake("inferences is an object, not a list", "answers.structure"),
        "number-attributes": Mistake("an extension's value is a number", "answers.strings"),
        "old-answer": Mistake("the answer is that of the frame before", "answers.own-frame"),
        "payload-other": Mistake("type does not name the payload", "answers.payload"),
        "percent": Mistake("confidences are percentages", "answers.ranges"),
        "strings": Mistake("numbers are sent as strings", "answers.numbers"),
        "subtype-blank": Mistake("a subtype is empty", "answers.subtype"),
        "text-html": Mistake("answers are text/html", "answers.media-type"),
        "type-unknown": Mistake("the type of an inference is object", "answers.type"),
    },
    "geometry": {
        "boxes-centre": Mistake("l and t are the centre of the box", "geometry.corners"),
        "boxes-corners": Mistake("w and h are the right and the lower edge", "geometry.corners"),
        "boxes-fixed": Mistake("boxes are the same in every frame", "geometry.corners"),
        "boxes-from-below": Mistake("t counts from below", "geometry.pad"),
        "boxes-letterboxed": Mistake("boxes are shares of the square canvas of the model", "geometry.frame"),
        "boxes-letterboxed-wide": Mistake("boxes in wide frames are shares of the square canvas", "geometry.frame"),
        "boxes-middle": Mistake("boxes are shares of the middle square of the frame", "geometry.frame"),
        "boxes-one-size": Mistake("boxes are shares of 416 pixels in frames of any size", "geometry.scale"),
        "boxes-swapped": Mistake("x and y are confused", "geometry.corners"),
        "boxes-unpadded": Mistake("black bars are removed, and boxes are shares of what is left", "geometry.pad"),
        "boxes-upper-left": Mistake("boxes are shares of a canvas that is padded at one side", "geometry.frame"),
        "boxes-wide": Mistake("l + w is more than 1", "geometry.inside"),
        "boxes-yxyx": Mistake("boxes are the upper, left, lower and right edge", "geometry.corners"),
    },
    "empty": {
        "empty-list": Mistake("nothing found is 200 with an empty list", "empty.status"),
        "nothing-has-body": Mistake("204 is followed by a body", "empty.body"),
        "nothing-has-chunks": Mistake("204 has a Transfer-Encoding", "empty.length"),
        "nothing-has-length": Mistake("204 has a Content-Length", "empty.length"),
        "nothing-has-type": Mistake("204 has a Content-Type", "empty.media-type"),
    },
    "errors": {
        "empty-500": Mistake("an empty body is 500", "errors.empty-body"),
        "error-in-200": Mistake("a frame that cannot be decoded is 200 with an error in it", "errors.success"),
        "no-allow": Mistake("405 has no Allow", "errors.method"),
        "stumbles": Mistake("after many bad frames a good one is 500", "errors.recovers"),
        "text-500": Mistake("a text is 500", "errors.media-type"),
        "trace": Mistake("errors show a stack trace", "errors.trace"),
        "undecodable-204": Mistake("a frame that cannot be decoded is 204", "errors.success"),
        "undecodable-500": Mistake("a frame that cannot be decoded is 500", "errors.undecodable"),
        "wrong-method-500": Mistake("GET is 500", "errors.method"),
    },
    "state": {
        "confidence-needs-object": Mistake("confidence has no effect without object", "state.confidence"),
        "filter-stays": Mistake("the options of one request stay in force for others", "state.options"),
        "id-refused": Mistake("a parameter of the user's own is refused", "state.id"),
        "id-warms-up": Mistake("the first frame of each id is answered 204", "state.same"),
        "streams-mixed": Mistake("what one stream showed is answered to another", "state.apart"),
    },
    "raw": {
        "raw-bgr": Mistake("raw pixels of any format are taken as RGB", "raw.channels"),
        "raw-few-formats": Mistake("only raw pixels of 24 and 32 bits are understood", "raw.formats"),
        "raw-length": Mistake("raw pixels of another length are answered", "raw.length"),
        "raw-refused": Mistake("raw pixels are refused", "raw.accepted"),
        "raw-truncated": Mistake("raw pixels that are too few are 500", "raw.length"),
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
        "bad-head-500": Mistake("bytes that are no HTTP are 500", "hostile.bad-head"),
        "bad-head-kills": Mistake("after bytes that are no HTTP every frame is 500", "hostile.lives"),
        "both-framings": Mistake(
            "after both a length and chunks the connection stays open", "hostile.length-and-chunked"
        ),
        "header-believed": Mistake("memory is taken for what the header of a BMP claims", "hostile.bmp-header"),
        "long-head-500": Mistake("a long head is 500", "hostile.long-head"),
        "one-body-at-a-time": Mistake("a body is read only when the one before is whole", "hostile.slow-body"),
        "one-pixel-500": Mistake("a frame of one pixel is 500", "hostile.one-pixel"),
        "short-body-500": Mistake("half a body is 500", "hostile.short-body"),
        "thin-500": Mistake("a frame of one column is 500", "hostile.thin"),
        "truncated-500": Mistake("half a JPEG is 500", "hostile.truncated"),
        "two-lengths": Mistake("two different lengths are accepted", "hostile.two-lengths"),
        "unbounded-pixels": Mistake("memory is taken for any number of pixels", "hostile.bomb"),
    },
}
MISTAKES = {name: mistake for group in _GROUPS.values() for name, mistake in group.items()}

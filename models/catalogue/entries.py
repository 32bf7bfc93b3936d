"""The entries of the catalogue: where each model is, how to know the right file, and what its model.yaml says."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from models.errors import PullError
from models.repository.config import NAME_PATTERN
from models.repository.files import CONFIG_FILE_NAME, LABELS_NAME, WEIGHTS_NAME
from models.repository.folder import BUILT_IN_ZOO
from models.repository.plain_yaml import read_plain_yaml, written_yaml

CATALOGUE = Path(__file__).parent / "catalogue.yaml"

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Url = Annotated[str, Field(pattern=r"^https://[\w.-]+/[\w./-]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Published(BaseModel):
    """An accuracy as published: the mean average precision on COCO's val2017 in percent, and who says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    map: Annotated[float, Field(gt=0, lt=100)]
    by: Text


class ShownPicture(BaseModel):
    """The picture that a check shows the model: the golden one of a built-in model, and the label of what it shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Name
    shows: Text

    @property
    def path(self) -> Path:
        """Return the path of the picture."""
        return BUILT_IN_ZOO / self.of / "golden.jpg"


class Entry(BaseModel):
    """One model. `urls`: the publisher's first, which has `revision` in it; any others have the same bytes.

    `labels`: the name of a list of the catalogue. `family`, `input`, `output`: sections of model.yaml.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    licence: Text
    published: Published | None = None
    revision: Text
    urls: Annotated[tuple[Url, ...], Field(min_length=1)]
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Sha256
    labels: Text
    picture: ShownPicture
    family: dict[str, Any]
    input: dict[str, Any]
    output: dict[str, Any] = {}

    def model_yaml(self) -> str:
        """Return the text of model.yaml."""
        facts = {
            "weights": {"file": WEIGHTS_NAME},
            "labels": LABELS_NAME,
            "licence": self.licence,
            "source": self.urls[0],
        }
        sections = {"family": self.family, "input": self.input, "output": self.output}
        return written_yaml(facts | {name: section for name, section in sections.items() if section})


class Catalogue(BaseModel):
    """All entries by name, and the lists of labels that they name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[Name, Entry]
    labels: dict[Text, tuple[Text, ...]]

    def find(self, name: str) -> Entry:
        """Return the entry of that name; raises PullError, which lists the names."""
        if name not in self.models:
            raise PullError(f"The catalogue has no model {name!a:.80}; it has: {', '.join(self.models)}.")
        return self.models[name]

    def texts(self, entry: Entry) -> dict[str, str]:
        """Return name → content of the files that go beside the weights of an entry."""
        labels = "".join(f"{label}\n" for label in self.labels[entry.labels])
        return {LABELS_NAME: labels, CONFIG_FILE_NAME: entry.model_yaml()}


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Return the catalogue; the tests check the one that comes with the package."""
    return Catalogue.model_validate(read_plain_yaml(path))

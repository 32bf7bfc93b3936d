"""The shape of the samples of Azure Live Video Analytics: Flask behind gunicorn's defaults, one default session.

    gunicorn --bind 127.0.0.1:PORT bench.peers.microsoft:app

After utilities/video-analysis of that project: model loaded with the module, POST /score, gunicorn's one synchronous
worker (nginx, which their images put in front, is left out).
"""

from flask import Flask, request

from bench.peers.pipeline import infer, load, load_labels

session = load()
labels = load_labels()
app = Flask(__name__)


@app.route("/score", methods=["POST"])
def score() -> dict[str, object]:
    """Infer from the picture in the body."""
    return infer(session, labels, request.get_data())

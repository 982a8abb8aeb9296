import json
import urllib.request

import pytest


class Notes:
    """The API as a client sees it."""

    def __init__(self, host, port):
        self.url = f"http://{host}:{port}/notes"

    def all(self):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return [note["text"] for note in json.load(answer)]

    def add(self, text):
        with urllib.request.urlopen(self.url, data=text.encode(), timeout=10) as answer:
            return json.load(answer)["id"]


@pytest.fixture(scope="session")
def seeded(stack):
    """The stack with its database saved as it is after the schema was loaded."""
    stack.save("seeded")
    return stack


@pytest.fixture
def notes(seeded):
    """The API on a database that is as after the first start, whatever the test before has done."""
    seeded.reset("seeded")
    return Notes(*seeded.address("api", 8000))

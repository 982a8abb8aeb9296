"""Notes over HTTP: GET /notes lists them, POST /notes adds the body as one, GET /health says whether all is well."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2


def query(statement, *values):
    with psycopg2.connect(os.environ["DATABASE"]) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        try:
            if self.path == "/health":
                query("SELECT 1")
                self.answer(200, "ok")
            elif self.path == "/notes":
                rows = query("SELECT id, text FROM note ORDER BY id")
                self.answer(200, [{"id": identity, "text": text} for identity, text in rows])
            else:
                self.answer(404, "no such page")
        except psycopg2.OperationalError as error:
            self.answer(503, str(error))

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path != "/notes" or not text:
            self.answer(400, "POST a note's text to /notes")
            return
        try:
            ((identity,),) = query("INSERT INTO note (text) VALUES (%s) RETURNING id", text)
        except psycopg2.OperationalError as error:
            self.answer(503, str(error))
            return
        self.answer(201, {"id": identity, "text": text})


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()

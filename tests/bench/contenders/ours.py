"""Ours: the wire module, the session's check of the number, the book."""

from turns import serve

from recorder.core.book import Book
from recorder.core.session import Session
from recorder.core.wire import advanced


def prepare(snapshots):
    """Books by product, and a session that is at the first update."""
    books = {}
    for raw in snapshots:
        for message in advanced.decode(raw).messages:
            book = books[message.product_id] = Book(message.product_id)
            book.load(message, 0)
    return books, Session("ws1", 0, None)


def run(state, updates):
    """Decode, check, apply, read the best."""
    books, session = state
    for raw in updates:
        decoded = advanced.decode(raw)
        session.check(decoded.sequence)
        for message in decoded.messages:
            book = books[message.product_id]
            book.apply(message)
            book.best_bid(), book.best_ask()


def tops(state):
    """The best prices."""
    return {name: [book.best_bid(), book.best_ask()] for name, book in state[0].items()}


if __name__ == "__main__":
    serve(prepare, run, tops)

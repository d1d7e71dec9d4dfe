"""Read ahead in a thread, so that reading costs no time beside computing."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_END = object()


def prefetch(items: Iterator[_Item], ahead: int = 2) -> Iterator[_Item]:
    """Yield the same items in the same order, and make items in advance.

    An error of `items` is raised at its place in the order.  If the consumer stops early, the thread stops as well.

    Args:
        items: the items to read ahead.
        ahead: largest number of items that are held in advance.
    """
    found: queue.Queue = queue.Queue(ahead)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                found.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:  # raised in the consumer
            put((_END, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = found.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stopped.set()
        # A generator that nobody closed can end in any thread in which memory is collected.
        if threading.current_thread() is not thread:
            thread.join()

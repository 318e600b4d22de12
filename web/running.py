"""Which visitors' answers are being written, so that each can be told to stop."""

import threading
import time

SETTLE_SECONDS = 0.1


class Running:
    """One answer a visit. Thread-safe."""

    def __init__(self) -> None:
        self._stopped: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def begin(self, session: str) -> threading.Event | None:
        """The event that stops the answer now begun, or None while the visitor's last one is still being written."""
        with self._lock:
            if session in self._stopped:
                return None
            self._stopped[session] = threading.Event()
            return self._stopped[session]

    def stop(self, session: str) -> None:
        """Ends the visitor's answer, where one is being written."""
        with self._lock:
            stopped = self._stopped.pop(session, None)
        if stopped:
            stopped.set()
            # What the answer showed last is still on its way into the visitor's state; what follows must come after it.
            time.sleep(SETTLE_SECONDS)

    def end(self, session: str, stopped: threading.Event) -> None:
        """The answer has ended by itself."""
        with self._lock:
            if self._stopped.get(session) is stopped:
                del self._stopped[session]

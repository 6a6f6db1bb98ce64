"""What a search does while its first worker starts, since no trial waits for it: audit the data, and tokenise them for a GPU."""

from __future__ import annotations

import threading

from search.cluster.shipping import tokenize
from search.planning.documents import Documents
from search.planning.plan import SearchPlan
from search.running.settings_files import tell_audit
from trainable.timeline import Timeline


class Meanwhile:
    """Does it in a thread of its own, from now on; what is left of it ends with the process.

    Args:
        plan: Of the search, whose settings are written.
        documents: Its corpus.
        start: Gets the time that each takes.
    """

    def __init__(self, plan: SearchPlan, documents: Documents, start: Timeline) -> None:
        self._plan, self._documents, self._start = plan, documents, start
        self._thread = threading.Thread(target=self._do, name="meanwhile", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when all is done."""
        self._thread.join()

    def _do(self) -> None:
        actions = {"audit": self._audit}
        if self._plan.preset.name == "gpu" and self._plan.options.address == "local":
            actions["tokens ahead"] = self._tokenize
        for name, action in actions.items():
            try:
                with self._start.part(name):
                    action()
            except Exception as error:  # its message may hold private text
                print(f"{name} failed, the search goes on: {type(error).__name__}", flush=True)

    def _audit(self) -> None:
        tell_audit(self._plan.files, self._documents)
        self._documents.drop()

    def _tokenize(self) -> None:
        """Fill the token cache while a worker loads libraries, for ten seconds; on a CPU the worker needs the time itself."""
        plan = self._plan
        tokenize(plan.settings, plan.space.models(), plan.space.answers())

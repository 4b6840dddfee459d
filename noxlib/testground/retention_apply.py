"""Carrying a plan out, one version after the other: what fails does not stop the rest, and nothing kept is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines.versions import Stored
from noxlib.errors import NoxlibError
from noxlib.testground.retention import holders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxlib.engines.versions import Store
    from noxlib.testground.retention import Decision, Version

#: Told of each version of the plan: what became of it, and why.
Tell = Callable[["Decision", str, str], None]
_ENDS = ("lost", "rate-limit")  #: causes after which the rest would fail too, or make it worse


class Carrying:
    """A plan over a repository as it is at this moment.

    Args:
        store: The repository.
        versions: What it holds now.
        today: What the rules say of that now.
    """

    def __init__(self, store: Store, versions: Sequence[Version], today: Sequence[Decision]) -> None:
        self.store = store
        self.today = {decision.digest: decision for decision in today}
        self._here = {version.digest for version in versions}
        self._holders_of = holders(versions)
        self.gone: list[Decision] = []
        self.refused: list[NoxlibError] = []
        self.failures: list[NoxlibError] = []

    def objection(self, planned: Decision) -> Optional[str]:
        """Why a version of the plan is left alone; None: it goes. Asked at the last moment."""
        today = self.today.get(planned.digest)
        if today is None:
            return "it is gone already"
        if today.key != planned.key:
            return "it was published anew since the plan was made"
        if today.action == "keep":
            return today.reason
        if set(today.tags) != set(planned.tags):
            return f"its tags are others than in the plan: {' '.join(today.tags) or 'none'}"
        holder = next((digest for digest in self._holders_of.get(planned.digest, ()) if digest in self._here), None)
        if holder is not None:
            return f"it belongs to {holder[:19]}, which is still there"
        return self._moved(planned)

    def rehearse(self, deletions: Sequence[Decision], tell: Tell) -> int:
        """What would go at this moment; how many that is."""
        count = 0
        for planned in deletions:
            why = self.objection(planned)
            tell(planned, "keep" if why else "delete", why or planned.reason)
            if why is None:
                self._here.discard(planned.digest)
                count += 1
        return count

    def apply(self, deletions: Sequence[Decision], tell: Tell) -> None:
        """Delete what the plan says and the rules still say."""
        for number, planned in enumerate(deletions):
            try:
                self._one(planned, tell)
            except NoxlibError as error:
                kept = error.cause == "refused"
                (self.refused if kept else self.failures).append(error)
                tell(planned, "kept" if kept else "failed", error.what)
                if error.cause in _ENDS:
                    for other in deletions[number + 1 :]:
                        self.failures.append(error)
                        tell(other, "left", "not tried after that")
                    return

    def _one(self, planned: Decision, tell: Tell) -> None:
        why = self.objection(planned)
        if why is not None:
            tell(planned, "kept", why)
            return
        self.store.delete(_stored(planned))
        self._here.discard(planned.digest)
        self.gone.append(planned)
        tell(planned, "gone", planned.reason)

    def _moved(self, planned: Decision) -> Optional[str]:
        """Asked of the registry itself."""
        now = self.store.now(_stored(planned))
        if now is None:
            self._here.discard(planned.digest)
            return "it is gone already"
        if now.digest != planned.digest:
            return f"it is {now.digest[:19]} by now"
        if set(now.tags) != set(planned.tags):
            return f"its tags have moved since: {' '.join(now.tags) or 'none are left'}"
        return None

    def remaining(self, versions: Sequence[Version]) -> list[Version]:
        """What is meant to be there afterwards."""
        return [version for version in versions if version.digest in self._here]


def restore(store: Store, deletions: Sequence[Decision], tell: Tell) -> list[NoxlibError]:
    """Give back what a plan deleted, parts before what holds them; the failures.

    Raises:
        EngineError: The registry gives nothing back, or cannot be asked.
    """
    can = {stored.key: stored for stored in store.deleted()}
    there = {stored.digest for stored in store.listed()}
    failures: list[NoxlibError] = []
    for planned in reversed(deletions):
        if planned.digest in there:
            tell(planned, "there", "it was not deleted, or has been restored")
        elif planned.key not in can or can[planned.key].digest != planned.digest:
            error = NoxlibError("nothing of that kind was deleted in the last 30 days", "publish it from its commit")
            failures.append(error)
            tell(planned, "lost", error.what)
        else:
            _restore(store, planned, tell, failures)
    return failures


def _restore(store: Store, planned: Decision, tell: Tell, failures: list[NoxlibError]) -> None:
    try:
        store.restore(_stored(planned))
    except NoxlibError as error:
        failures.append(error)
        tell(planned, "failed", error.what)
    else:
        tell(planned, "back", "restored")


def _stored(decision: Decision) -> Stored:
    return Stored(decision.digest, decision.tags, decision.key)

"""The registered versions of a home's model, and which of them is champion.

Code follows an alias of MLflow only to a version that oneclick itself made champion or previous champion (`aliases`), and uses a
version only by the record that the home keeps of it (`versions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import aliases as choices
from oneclick_pipeline.tracking import references, runs, versions
from oneclick_pipeline.tracking.database import Database
from oneclick_pipeline.tracking.versions import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases: the version that scores, the newest contender, the one that scored before."""

_LIST = "oneclick model list"


class Registry(Database):
    """Versions of the model in one home."""

    def aliases(self) -> dict[str, int]:
        """Version by alias; empty where nothing was registered yet."""
        models = self._client().search_registered_models(filter_string=f"name = '{runs.MODEL}'")
        return {alias: int(number) for alias, number in models[0].aliases.items()} if models else {}

    def versions(self) -> tuple[Version, ...]:
        """All registered versions that have a record, newest first; for the others see `registered`."""
        return tuple(version for version in self.registered().values() if isinstance(version, Version))

    def registered(self) -> dict[int, Version | BadInputError]:
        """Every registered version by its number, newest first, or why it cannot be used: it has no record, or a damaged one."""
        registered = self._client().search_model_versions(f"name = '{runs.MODEL}'", order_by=["version_number DESC"])
        each: dict[int, Version | BadInputError] = {}
        for version in registered:
            try:
                each[int(version.version)] = self._recorded(version)
            except BadInputError as error:
                each[int(version.version)] = error
        return each

    def version(self, number: int) -> Version:
        """A registered version by its number.

        Raises:
            BadInputError: If there is none, or it has no record.
        """
        return self._recorded(self._registered(number))

    def champion(self) -> Version | None:
        """The version that scores; None where no model was promoted yet.

        Raises:
            BadInputError: If it has no record, or has its alias by other means than `promote` and `rollback`.
        """
        number = self.aliases().get(CHAMPION)
        if number is None:
            return None
        champion = self.version(number)
        _require_promoted(champion, CHAMPION)
        self._require_chosen(CHAMPION, number)
        return champion

    def require_champion(self) -> Version:
        """The version that scores.

        Raises:
            BadInputError: If there is none.
        """
        champion = self.champion()
        if champion is None:
            remedy = "run retrain first: oneclick run --job retrain; or make a version of oneclick model list the champion"
            raise BadInputError(f"no champion model yet in {self.folder}", remedy=remedy)
        return champion

    def promote(self, number: int, *, by: str = "gates", force: bool = False) -> Version:
        """Make a version the champion: from now on it is the one that scores. The old one is kept as `previous`.

        Args:
            number: The version.
            by: Who decided, for the tag `promoted_by`.
            force: Promote it although it failed a gate, or was never judged.

        Returns:
            The new champion.

        Raises:
            BadInputError: If there is no such version, a file of it is not the one that was registered, or, without
                `force`, it has not passed all gates.
        """
        client = self._client()
        with self._lock():  # from before it is looked at: it must not be pruned meanwhile
            version = self.version(number)
            if not force:
                _require_passed(version)
            self.check(version)
            aliases = self.aliases()
            self._promoted(version, by)
            old = self._chosen(aliases, CHAMPION)
            self._choose(number, self._chosen(aliases, PREVIOUS) if old == number else old)
            if aliases.get(CHALLENGER) == number:
                client.delete_registered_model_alias(runs.MODEL, CHALLENGER)
        return self.version(number)

    def rollback(self) -> Version:
        """Make the previous champion champion again, and the champion the previous one.

        Returns:
            The champion that is back.

        Raises:
            BadInputError: If there is no previous champion, or a file of it is not the one that was registered.
        """
        with self._lock():  # from before they are looked at: another may promote or prune meanwhile
            aliases = self.aliases()
            champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if champion is None or previous in (None, champion):
                raise BadInputError(
                    "there is no previous champion to go back to", remedy=f"choose a version: {_LIST}, oneclick model promote"
                )
            back = self.version(int(previous))
            _require_promoted(back, PREVIOUS)
            self._require_chosen(PREVIOUS, back.version)
            self._require_chosen(CHAMPION, champion)
            self.check(back)
            self._promoted(back, "rollback")
            self._choose(back.version, champion)
        return self.version(back.version)

    def check(self, version: Version) -> None:
        """Check every file of a version: its whole model folder, and what was kept beside.

        Raises:
            BadInputError: If one is gone, was changed, or came in.
        """
        versions.check(self.folder, version)

    def _promoted(self, version: Version, by: str) -> None:
        """Record who made a version the champion, and tag it for people; the caller holds the lock."""
        self._client().set_model_version_tag(version.name, str(version.version), versions.PROMOTED_BY, by)
        versions.write(self.folder, version.tagged({versions.PROMOTED_BY: by}))

    def _chosen(self, aliases: Mapping[str, int], alias: str) -> int | None:
        """The version that has an alias by our own choice; by MLflow's word alone in a home in which none was chosen yet.

        None where MLflow does not know that version: its database is older than the choice.
        """
        chosen = choices.read(self.folder).get(alias)
        if chosen is None or aliases.get(alias) in chosen:
            return aliases.get(alias)
        return chosen[-1] if self._is_known(chosen[-1]) else None

    def _require_chosen(self, alias: str, number: int) -> None:
        """Follow an alias only to the version that oneclick gave it to.

        Raises:
            BadInputError: If that is another one, or one that MLflow does not know.
        """
        chosen = choices.read(self.folder).get(alias)
        if chosen and number not in chosen and not self._is_known(chosen[-1]):
            raise BadInputError(
                f"MLflow does not know model version {chosen[-1]}, to which oneclick gave the alias {alias}: its database is "
                "older than this home, or the version was deleted",
                remedy="restore a backup of the database as recent as the home; or continue with a version that it "
                f"knows: oneclick model list, oneclick model promote {number}",
            )
        choices.require(self.folder, alias, number)

    def _is_known(self, number: int) -> bool:
        """Whether MLflow knows a version."""
        return any(int(version.version) == number for version in self._client().search_model_versions(f"name = '{runs.MODEL}'"))

    def _choose(self, champion: int, previous: int | None) -> None:
        """Give the aliases to these versions; the caller holds the lock.

        A process that is killed in between leaves the old champion, maybe twice, and loses no model: both choices are kept
            until the end.
        """
        client, aliases = self._client(), self.aliases()
        after = {CHAMPION: champion} | ({} if previous is None else {PREVIOUS: previous})
        allowed = {alias: dict.fromkeys((self._chosen(aliases, alias), number)) for alias, number in after.items()}
        choices.write(self.folder, {alias: [n for n in both if n is not None] for alias, both in allowed.items()})
        for alias in (PREVIOUS, CHAMPION):
            if alias in after:
                client.set_registered_model_alias(runs.MODEL, alias, str(after[alias]))
        choices.write(self.folder, {alias: [number] for alias, number in after.items()})

    def _registered_anew(self, client: MlflowClient, source: str, run_id: str, tags: dict[str, str], about: str) -> ModelVersion:
        """Register a model, under a number that this home has given to no other.

        MLflow counts on from its newest version. Where its database is older than the home, that number is one by which tables,
        plans and records mean another model; it is used up as one of a version that was deleted.
        """
        places = references.references(self.home)
        while True:
            version = client.create_model_version(runs.MODEL, source, run_id, tags, description=about)
            number = int(version.version)
            if number not in places and not versions.record_file(self.folder, number).exists():
                return version
            client.delete_model_version(runs.MODEL, version.version)

    def _registered(self, number: int) -> ModelVersion:
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            return client.get_model_version(runs.MODEL, str(number))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise BadInputError(f"there is no model version {number}", remedy=f"see {_LIST}") from error

    def _recorded(self, registered: ModelVersion) -> Version:
        """The record of a version of MLflow's registry."""
        version = versions.read(self.folder, int(registered.version))
        if (version.name, version.run_id) != (registered.name, registered.run_id):
            raise BadInputError(
                f"the record of model version {version.version} is of a different run from the one that MLflow names",
                file=str(versions.record_file(self.folder, version.version)),
                value=str(registered.run_id),
                remedy=f"find out who registered another model under this number; {versions.INSTEAD}",
            )
        return version


def _require_passed(version: Version) -> None:
    remedy = f"see its gates with {_LIST}; to promote it anyway: oneclick model promote {version.version} --force"
    if not version.has_gates:
        raise BadInputError(f"model version {version.version} was not evaluated: its training did not finish", remedy=remedy)
    if version.failed_gates:
        failures = "; ".join(f"{name} {version.gates[name]}" for name in version.failed_gates)
        raise BadInputError(f"model version {version.version} has not passed all gates: {failures}", remedy=remedy)


def _require_promoted(version: Version, alias: str) -> None:
    if versions.PROMOTED_BY not in version.tags:
        raise BadInputError(
            f"model version {version.version} has the alias {alias}, and oneclick never made it the champion",
            remedy=f"find out who set the alias; then see {_LIST}, and choose: oneclick model promote N",
        )

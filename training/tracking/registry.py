"""What the registry of MLflow knows of a shop's bundles, and its aliases, which mirror what ``current.json`` says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import DataError
from training.tracking.runs import CHALLENGER, CHAMPION, Version, model_name
from training.tracking.store import Store


@dataclass(frozen=True)
class Registered:
    """What the registry knows of a bundle: the number of its newest version, and the aliases of its versions."""

    number: str
    aliases: tuple[str, ...]


def registered(shop_folder: Path, name: str = "") -> dict[str, Registered]:
    """The bundles of a shop that the registry knows, by id; empty where nothing was logged yet, which is seen without loading MLflow.

    Raises DataError naming the store when it does not answer or refuses.
    """
    store = Store.of(shop_folder)
    if not store.begun:
        return {}
    store.reach()
    model = model_name(shop_folder, name)
    with store.used() as mlflow, store.asked():
        client = mlflow.MlflowClient()
        versions = sorted(client.search_model_versions(f"name = '{model}'"), key=lambda each: int(each.version))
        aliases = {alias: str(number) for alias, number in client.get_registered_model(model).aliases.items()} if versions else {}
    found: dict[str, Registered] = {}
    for each in versions:
        bundle, number = each.tags.get("bundle", ""), str(each.version)
        earlier = found[bundle].aliases if bundle in found else ()
        found[bundle] = Registered(number, (*earlier, *sorted(alias for alias, given in aliases.items() if given == number)))
    return found


def mirror_champion(shop_folder: Path, name: str = "", *, bundle_id: str) -> Version | None:
    """Give the alias champion to the newest version of a bundle, after it was published; it is no challenger any longer.

    None when that bundle was never registered here: then no version is the champion. Raises DataError that says what is published, and what is not
    mirrored.
    """
    store = Store.of(shop_folder)
    if not store.begun:
        return None
    try:
        store.reach()
        return _mirror(store, model_name(shop_folder, name), bundle_id)
    except DataError as error:
        raise DataError(
            f"{bundle_id} is published, but MLflow does not call it champion yet: {error}; then: whobuys model promote {bundle_id}"
        ) from None


def _mirror(store: Store, model: str, bundle_id: str) -> Version | None:
    with store.used() as mlflow, store.asked():
        client = mlflow.MlflowClient()
        versions = {str(each.version): each for each in client.search_model_versions(f"name = '{model}'")}
        if not versions:
            return None
        aliases = client.get_registered_model(model).aliases
        own = [number for number, each in versions.items() if each.tags.get("bundle") == bundle_id]
        if str(aliases.get(CHALLENGER)) in own:
            client.delete_registered_model_alias(model, CHALLENGER)
        if not own:
            if CHAMPION in aliases:
                client.delete_registered_model_alias(model, CHAMPION)
            return None
        newest = max(own, key=int)
        client.set_registered_model_alias(model, CHAMPION, newest)
        return Version(model, newest, CHAMPION, str(versions[newest].run_id))


def forget(shop_folder: Path, name: str = "", *, bundles: Sequence[str]) -> None:
    """Remove what MLflow keeps of bundles that are removed: versions of the model, its files, and the bundle in each run. Parameters, measures and
    drawings stay, and so does whatever is the champion. Raises DataError naming the store when it does not answer or refuses.
    """
    store = Store.of(shop_folder)
    if not bundles or not store.begun:
        return
    store.reach()
    with store.used() as mlflow, store.asked():
        _forget(mlflow.MlflowClient(), model_name(shop_folder, name), set(bundles))


def _forget(client, model: str, bundles: set[str]) -> None:  # type: ignore[no-untyped-def]  # MLflow ships no types
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    found = [each for each in client.search_model_versions(f"name = '{model}'") if each.tags.get("bundle") in bundles]
    aliases = client.get_registered_model(model).aliases if found else {}
    for version in found:
        if str(aliases.get(CHAMPION)) == str(version.version):
            continue
        client.delete_model_version(model, version.version)
        run = client.get_run(version.run_id)
        get_artifact_repository(run.info.artifact_uri).delete_artifacts("bundle")  # type: ignore[no-untyped-call]
        for logged in run.outputs.model_outputs if run.outputs else []:
            get_artifact_repository(client.get_logged_model(logged.model_id).artifact_location).delete_artifacts()  # type: ignore[no-untyped-call]
            client.delete_logged_model(logged.model_id)

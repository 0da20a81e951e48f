"""A recipe: the task, its sections and how to train it, in one TOML file that says everything a run uses."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

import tomlkit
from pydantic import BaseModel, ValidationError

from unrolled import tasks
from unrolled.errors import UserError, at, counted, nearest
from unrolled.files import write_whole
from unrolled.runs.settings import TrainingSettings

Model = TypeVar("Model", bound=BaseModel)

ROOT_KEY = "data.root"
"""Relative to the recipe when a recipe says it, to the current folder when an override does."""


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name: in a wheel beside the code, else in the checkout."""
    package = Path(__file__).parents[1]
    folder = next((f for f in (package / "recipes", package.parents[1] / "recipes") if f.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder else {}


def find(recipe: str | Path) -> Path:
    """The file of a recipe given by path, or by the name of a shipped one.

    Raises:
        UserError: no such file, no such name; the nearest known one is named.
    """
    path = Path(recipe)
    if path.is_file():
        return path
    if path.is_dir() and len(path.parts) > 1:
        raise UserError(f"{path}: is a folder: give a recipe, such as {path / 'recipe.toml'}")
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise UserError(f"{path}: no such recipe")
    known = shipped()
    if str(recipe) not in known:
        raise UserError(
            f"unknown recipe {str(recipe)!r}: {nearest(str(recipe), known)}; or give the path of a .toml file"
        )
    return known[str(recipe)]


@dataclass(frozen=True)
class Recipe:
    """``task = …`` and its sections ``[data] [text] [model] [decoding]``, each checked, and ``[training]``.

    A task whose ``Sections`` has a field ``training`` adds that model's keys (the size of its batches, for
    one) to those of :class:`TrainingSettings`; both stand in the same table of the file.
    """

    task: str
    sections: tasks.Sections
    training: TrainingSettings
    name: str = "recipe"

    @classmethod
    def read(cls, recipe: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Read and check a recipe; each override is ``section.key=value``, its value TOML or a bare string.

        Raises:
            UserError: a missing file, a mistake in the TOML, an unknown section or key, a value of the wrong
                type.
        """
        path = find(recipe)
        try:
            text = path.read_text(encoding="utf-8-sig")
            values = tomllib.loads(text)
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 (byte {error.start})") from None
        except tomllib.TOMLDecodeError as error:
            message, _, place = str(error).rpartition(" (at ")
            line = re.search(r"line (\d+)", place)
            number = int(line[1]) if line else len(text.splitlines())
            raise UserError(f"{at(path, number)}: not valid TOML: {message}") from None
        given = [override(values, each) for each in overrides]
        return cls.check(values, path, text, given)

    @classmethod
    def check(cls, values: dict[str, Any], path: Path, text: str = "", given: Sequence[str] = ()) -> Self:
        """The recipe that ``values`` make; ``path``, ``text``, ``given`` (overridden keys) locate a mistake.

        Raises:
            UserError: as :meth:`read`.
        """
        source = _Source(path, text, frozenset(given))
        name = values.get("task")
        if not isinstance(name, str):
            raise UserError(
                f"{path}: say which task it is for: task = {' | '.join(map(repr, tasks.names()))}"
            )
        try:
            task = tasks.find(name)
        except UserError as error:
            raise UserError(f"{source.place(('task',))}: {error}") from None
        known = [*(field for field in task.Sections.model_fields if field != "training"), "training"]
        for section, content in values.items():
            if section != "task" and section not in known:
                homes = [] if isinstance(content, dict) else _homes(task, section)
                if homes:
                    raise UserError(
                        f"{source.place((section,))}: {section} stands in no section: it belongs to"
                        f" {' or '.join(homes)}"
                    )
                raise UserError(
                    f"{source.place((section,))}: unknown section [{section}]: {nearest(section, known)}"
                )
            if section != "task" and not isinstance(content, dict):
                raise UserError(f"{source.place((section,))}: {section} is a section: write [{section}]")
        # An absent section is an empty one, so that its own defaults and messages apply.
        sections = {section: values.get(section, {}) for section in known if section != "training"}
        training = {**task.training_defaults(sections.get("model", {})), **values.get("training", {})}
        extension = _models(task.Sections.model_fields["training"].annotation) if _extends(task) else []
        if extension:
            own = {key for model in extension for key in model.model_fields}
            sections["training"] = {key: training.pop(key) for key in list(training) if key in own}
        else:
            own = set()
        for key in training:
            if key not in TrainingSettings.model_fields:
                hint = nearest(key, [*TrainingSettings.model_fields, *own])
                raise UserError(
                    f"{source.place(('training', key))}: unknown key {key!r} in [training]: {hint}"
                )
        return cls(
            task=name,
            sections=source.validate(task.Sections, sections, ()),
            training=source.validate(TrainingSettings, training, ("training",)),
            name=path.stem,
        )

    def tables(self) -> dict[str, list[BaseModel]]:
        """The sections in the order they are written, each with the models whose fields it shows."""
        own = {name: getattr(self.sections, name) for name in type(self.sections).model_fields}
        extension = own.pop("training", None)
        return {
            **{name: [model] for name, model in own.items()},
            "training": [self.training, *([extension] if extension is not None else [])],
        }

    def settings(self) -> dict[str, _Setting]:
        """Every setting by its dotted key."""
        found = {"task": _Setting(self.task, False)}
        for name, models in self.tables().items():
            for model in models:
                found.update(_settings(model, name))
        return found

    def changes(self, recorded: Recipe) -> list[str]:
        """Keys whose values differ from the ``recorded`` recipe's and may not on resuming; sorted.

        Where data lies may change: the run has what it needs of it in its cache.
        """
        mine, theirs = self.settings(), recorded.settings()
        return sorted(
            key
            for key in (mine.keys() | theirs.keys()) - {ROOT_KEY}
            if key not in mine
            or key not in theirs
            or (mine[key].value != theirs[key].value and not mine[key].may_change)
        )

    def text(self) -> str:
        """The recipe as TOML: every setting, each under its description."""
        lines = [f"task = {_toml(self.task)}"]
        for name, models in self.tables().items():
            lines += ["", f"[{name}]"]
            for model in models:
                lines += _lines(model, name)
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Write :meth:`text`, whole or not at all. Reading it again gives the same recipe.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        write_whole(path, self.text().encode())

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another ``training.seed``.

        Raises:
            UserError: the seed is negative, or needs more than 63 bits.
        """
        if not 0 <= seed < 2**63:
            raise UserError(f"--seed {seed}: should be 0 or more, and below 2^63")
        training = self.training.model_copy(update={"seed": seed})
        return Recipe(self.task, self.sections, training, self.name)


def override(values: dict[str, Any], text: str) -> str:
    """Set ``section.key=value`` in ``values``; answers the key.

    Raises:
        UserError: it does not look like that.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise UserError(f"--set {text}: should look like section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    if key.strip() == ROOT_KEY and isinstance(parsed, str) and not parsed.startswith(("$", "~")):
        parsed = str(Path(parsed).resolve())
    table = values
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"--set {text}: {part} is not a section")
    table[parts[-1]] = parsed
    return ".".join(parts)


@dataclass(frozen=True)
class _Setting:
    value: Any
    may_change: bool


def _settings(model: BaseModel, prefix: str) -> Iterator[tuple[str, _Setting]]:
    """A model's settings by dotted key, nested models opened."""
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), f"{prefix}.{name}"
        if isinstance(value, BaseModel):
            yield from _settings(value, key)
        else:
            extra = field.json_schema_extra
            yield key, _Setting(value, isinstance(extra, Mapping) and bool(extra.get("may_change")))


def _lines(model: BaseModel, prefix: str) -> list[str]:
    """A table's body: plain keys first, nested tables after them."""
    plain, nested = [], []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        comment = textwrap.wrap(
            field.description or "", 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
        )
        if isinstance(value, BaseModel):
            nested += ["", *comment, f"[{prefix}.{name}]", *_lines(value, f"{prefix}.{name}")]
        else:
            plain += [*comment, f"# {name} is not set" if value is None else f"{name} = {_toml(value)}"]
    return plain + nested


def _toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, BaseModel):
        value = {name: entry for name, entry in value.model_dump(mode="json").items() if entry is not None}
    if isinstance(value, Mapping):
        entries = ", ".join(f"{tomlkit.key(str(key)).as_string()} = {_toml(v)}" for key, v in value.items())
        return f"{{ {entries} }}" if entries else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return tomlkit.item(str(value) if isinstance(value, Path) else value).as_string()


def _homes(task: type[tasks.Task], key: str) -> list[str]:
    """The sections that have such a key."""
    sections = {name: _models(field.annotation) for name, field in task.Sections.model_fields.items()}
    sections["training"] = [TrainingSettings, *sections.get("training", [])]
    return [
        f"[{name}]" for name, models in sections.items() if any(key in each.model_fields for each in models)
    ]


def _extends(task: type[tasks.Task]) -> bool:
    return "training" in task.Sections.model_fields


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models a field's type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


@dataclass(frozen=True)
class _Source:
    """Where the values are from, to say where a mistake is."""

    path: Path
    text: str
    given: frozenset[str]

    def place(self, location: tuple[str, ...]) -> str:
        """``--set key`` for an overridden key, else ``file:line`` where the line is found, else the file."""
        if ".".join(location) in self.given:
            return f"--set {'.'.join(location)}"
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
                if table == location:
                    return at(self.path, number)
            elif (entry := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)) and location == (
                *table,
                *entry[1].split("."),
            ):
                return at(self.path, number)
        return str(self.path)

    def validate(self, model: type[Model], values: dict[str, Any], prefix: tuple[str, ...]) -> Model:
        """``values`` as ``model``; strictly: a string is not a number, true is not 1.

        Raises:
            UserError: the first mistake, by file, key, value and what is expected.
        """
        # JSON mode, because only there does a strict tuple accept a list, which is all that TOML has.
        try:
            return model.model_validate_json(
                json.dumps(values, default=str), strict=True, context={"folder": self.path.parent.resolve()}
            )
        except ValidationError as error:
            first, *others = error.errors()
            if first["type"] == "missing" and isinstance(last := first["loc"][-1], int):
                # A list is too short: each value that lacks is an error.
                place = first["loc"][:-1]
                wanted = 1 + max(int(e["loc"][-1]) for e in (first, *others) if e["loc"][:-1] == place)
                are = "is" if last == 1 else "are"
                short = f"{counted(wanted, 'value')} wanted, there {are} {last}"
                first = {**first, "type": "too_short", "loc": place, "msg": short}
            raise UserError(self._explain(model, values, prefix, first)) from None

    def _explain(
        self, model: type[BaseModel], values: dict[str, Any], prefix: tuple[str, ...], error: Any
    ) -> str:
        # pydantic's location also names the member of a union it tried; keep what the file has.
        location, value, absent = [], values, error["type"] == "missing"
        models = [model]
        for part in error["loc"]:
            if isinstance(value, dict) and part in value:
                location.append(str(part))
                value = value[part]
                if error["type"] != "extra_forbidden" or part != error["loc"][-1]:
                    fields = [m.model_fields[part] for m in models if part in m.model_fields]
                    models = [inner for field in fields for inner in _models(field.annotation)] or models
        if absent:
            location.append(str(error["loc"][-1]))
        key = (*prefix, *location)
        message = str(error["msg"]).removeprefix("Value error, ")
        told = re.match(r"([a-z_.]+)(?=:? )", message) if isinstance(value, dict) and not absent else None
        if told and any(told[1].split(".")[0] in each.model_fields for each in models):
            # Of several keys that do not go together, the message begins with the one to look at.
            place = self.place((*key, *told[1].split(".")))
            return f"{self.place(key) if place == str(self.path) else place}: {'.'.join((*key, message))}"
        if absent:
            descriptions = [
                m.model_fields[location[-1]].description for m in models if location[-1] in m.model_fields
            ]
            about = f" ({descriptions[0]})" if descriptions and descriptions[0] else ""
            return f"{self.place(key[:-1])}: {'.'.join(key)} is missing{about}"
        if error["type"] == "extra_forbidden":
            known = {name for each in models for name in each.model_fields}
            hint = nearest(key[-1], known)
            return f"{self.place(key)}: unknown key {key[-1]!r} in [{'.'.join(key[:-1])}]: {hint}"
        if isinstance(value, dict):
            return f"{self.place(key)}: {'.'.join(key)}: {message}"
        return f"{self.place(key)}: {'.'.join(key)} = {_toml(value)}: {message}"

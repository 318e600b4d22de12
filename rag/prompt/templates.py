"""Prompt files: strict templates by language, which a domain may override. Knows nothing of what goes into them."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from rag.errors import ConfigurationError
from rag.settings import LANGUAGES

_SEPARATOR = re.compile(r"^---$", re.MULTILINE)
_SYSTEM_VARIABLES = frozenset({"domain", "no_answer"})
_QUESTION_VARIABLES = frozenset({"passages", "terminology", "question"})
_CONDENSE_VARIABLES = frozenset({"question"})
# The messages, with the variables that each must use.
_MESSAGES: Mapping[str, frozenset[str]] = {
    **{
        key: frozenset()
        for key in (
            "language_en language_hu language_ko extractive hedge uncertain empty_question other_language configuration"
            " internal shortened cancelled wrong_language language_firm thanks farewell extractive_model reason_key"
            " reason_unreachable reason_timeout reason_rate reason_server reason_missing reason_rejected"
            " reason_unavailable reason_context reason_memory reason_empty reason_broken reason_died reason_resting"
            " reason_other own_missing own_waiting"
        ).split()
    },
    "refusal": frozenset({"domain", "documents"}),
    "refusal_own": frozenset({"domain", "documents"}),
    "refusal_documents": frozenset({"count"}),
    "refusal_nearest": frozenset({"titles"}),
    "refusal_contact": frozenset({"contact"}),
    "extractive_foreign": frozenset({"language"}),
    "terminology": frozenset({"terms"}),
    "given_before": frozenset({"numbers"}),
    "unsupported": frozenset({"count"}),
    "greeting": frozenset({"domain"}),
    "too_long": frozenset({"length", "limit"}),
    "unknown_domain": frozenset({"domain"}),
    "no_index": frozenset({"domain"}),
    "bad_index": frozenset({"domain"}),
    "replaced": frozenset({"failed", "reason", "model"}),
    "interrupted": frozenset({"model", "reason"}),
}


@dataclass(frozen=True, slots=True)
class StrictTemplate:
    """A text with `$variables`, all of which are known beforehand; a `$` itself is written `$$`."""

    template: Template

    @classmethod
    def parse(cls, text: str, variables: frozenset[str], where: str) -> "StrictTemplate":
        """Raises ConfigurationError, naming `where`, if the text uses other variables or lacks one."""
        template = Template(text)
        if not template.is_valid():
            raise ConfigurationError(f"{where} has a $ that starts no variable; a dollar sign is written $$.")
        found = set(template.get_identifiers())
        for kind, names in (("lacks", variables - found), ("has the unknown", found - variables)):
            if names:
                listed = ", ".join(f"${name}" for name in sorted(names))
                raise ConfigurationError(f"{where} {kind} {listed}.")
        return cls(template)

    def render(self, **values: object) -> str:
        return self.template.substitute(values)


@dataclass(frozen=True, slots=True)
class Prompts:
    """The templates of one language: `system`, `question` and `condense` for a model, `messages` for the visitor."""

    language: str
    system: StrictTemplate
    question: StrictTemplate
    condense: StrictTemplate
    messages: Mapping[str, StrictTemplate]

    def message(self, key: str, **values: object) -> str:
        return self.messages[key].render(**values)


def load_prompts(folder: Path, domain: str = "") -> dict[str, Prompts]:
    """The prompts by language from `folder/<language>`; files in `folder/<domain>/<language>` take precedence.

    A domain's `messages.toml` may hold some of the keys only. Raises ConfigurationError naming file and fault.
    """
    return {language: _load_language(folder, domain, language) for language in LANGUAGES}


def load_parts(
    folder: Path, language: str, name: str, variables: Sequence[frozenset[str]], domain: str = ""
) -> tuple[StrictTemplate, ...]:
    """The parts of the prompt file `name`, between lines `---`, each with the variables that it must use.

    Raises ConfigurationError naming file and fault.
    """
    path = _nearest(_folders(folder, domain, language), name)
    parts = _SEPARATOR.split(_read(path))
    if len(parts) != len(variables):
        lines = len(variables) - 1
        raise ConfigurationError(
            f"{path} should have {lines} line{'s' if lines > 1 else ''} ---, between its {len(variables)} parts, has"
            f" {len(parts) - 1}."
        )
    return tuple(
        StrictTemplate.parse(part.strip(), names, str(path) if len(parts) == 1 else f"{path}, part {number},")
        for number, (part, names) in enumerate(zip(parts, variables, strict=True), start=1)
    )


def _folders(folder: Path, domain: str, language: str) -> list[Path]:
    return [folder / language, *([folder / domain / language] if domain and domain not in LANGUAGES else [])]


def _load_language(folder: Path, domain: str, language: str) -> Prompts:
    folders = _folders(folder, domain, language)
    system, question = load_parts(folder, language, "answer.md", (_SYSTEM_VARIABLES, _QUESTION_VARIABLES), domain)
    (condense,) = load_parts(folder, language, "condense.md", (_CONDENSE_VARIABLES,), domain)
    messages: dict[str, StrictTemplate] = {}
    for path in (place / "messages.toml" for place in folders):
        if path.is_file():
            messages |= _load_messages(path)
    missing = sorted(_MESSAGES.keys() - messages.keys())
    if missing:
        raise ConfigurationError(f"{folders[0] / 'messages.toml'} lacks {', '.join(missing)}.")
    return Prompts(language, system, question, condense, messages)


def _nearest(folders: Sequence[Path], name: str) -> Path:
    found = [folder / name for folder in folders if (folder / name).is_file()]
    if not found:
        raise ConfigurationError(f"The prompt {folders[0] / name} is missing.")
    return found[-1]


def _load_messages(path: Path) -> dict[str, StrictTemplate]:
    try:
        table = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    messages = {}
    for key, text in table.items():
        if key not in _MESSAGES:
            raise ConfigurationError(f"{path} has the unknown key {key!r}.")
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"{path}: {key} should be a text, is now {text!r}.")
        messages[key] = StrictTemplate.parse(text, _MESSAGES[key], f"{path}: {key}")
    return messages


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The prompt file {path} cannot be read: {error}") from error

"""Where does text with known answers come from, without a network? Seeded sentences of our own.

Two stand-ins, for named entities and for question answering. Names are put together from syllables,
so nearly all names of a held-out row are in no training row, and a name alone does not tell a
person's from a town's or a company's: the words around it must. Nothing here is anybody's data set.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from datasets import Dataset

ENTITY_CLASSES = (
    "O", "B-person", "I-person", "B-place", "I-place", "B-company", "I-company",
)  # fmt: skip

_ONSETS = "b|br|d|dr|f|fl|g|gr|k|kl|l|m|n|p|pr|r|s|st|t|tr|v"
_VOWELS = "a|e|i|o|u|ai|ei"
_CODAS = "l|n|r|s|nd|rk|lt|m|sh|t"
_FIRST_NAMES = (
    "Ada|Ben|Clara|David|Elena|Felix|Grace|Henry|Ines|Jonas|Karin|Leon|Mara|Nils|Olga|Paul|Rosa|"
    "Simon|Tara|Viktor"
)
_PLACE_ENDS = "|||ville|burg| Bay| Hills"
_COMPANY_ENDS = "||| Systems| Labs| Bank| Motors| Foods| Airways| Group| Media"
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_ADVERBS = "also|probably|soon|once more|of course|rarely|for some reason|at long last"
_THINGS = "a car|two books|my keys|the red lamp|some bread|an umbrella|old shoes|the charger"
_JOBS = (
    "a baker|a nurse|a bus driver|an architect|a chemist|a violin teacher|a farmer|an accountant"
)
_HOBBIES = (
    "chess|old maps|long walks|jazz records|river fishing|crossword puzzles|orchids|black coffee"
)

# {any} is a person, a place or a company: where the name has no telling part, nobody can know.
_SENTENCES = (
    "{person} {adverb} joined {company} after ten years in {place} .",
    "The mayor of {place} {adverb} met {person} on {day} .",
    "Shares of {company} fell sharply , {person} told reporters .",
    "{person} was born near {place} and {adverb} never left .",
    "rain expected in {place} all {day} , says {person}",
    "{company} will {adverb} open a new office in {place} next spring .",
    "My flight with {company} to {place} was late again",
    "{person} and {person} moved from {place} to {place} .",
    "Nobody at {company} answered the phone on {day} .",
    "He bought {thing} , {thing} and {thing} on {day} .",
    "Fans waited for {person} outside the theatre in {place} .",
    "{company} {adverb} sued {company} over a patent , {person} wrote .",
    "I still cannot find {thing} or {thing} since {day} .",
    "According to {person} , {company} has {adverb} hired a hundred people .",
    "{any} , {any} and {any} were in the news on {day} .",
    "{any} has {adverb} changed since {day} .",
    "I like {any} , but {person} prefers {any} .",
    "We {adverb} talked about {any} and {thing} .",
    "{any} , which lies by the sea , {adverb} needs a new bridge .",
    "{any} , who sings , {adverb} forgot {thing} in {any} .",
    "{any} , which makes {thing} , {adverb} paid {any} nothing .",
)
_LOWER_CASED = 0.15
"""The share of sentences without capitals, as careless writers leave them."""

# What is told of a person, how it is told (two ways), how it is asked for (two ways), what it is.
_FACTS = (
    (
        ("{who} was born in {it}.", "The birthplace of {who} is {it}."),
        ("Where was {who} born?", "In which town was {who} born?"),
        "place",
    ),
    (
        ("{who} works for {it}.", "{it} employs {who}."),
        ("Who does {who} work for?", "Which company employs {who}?"),
        "company",
    ),
    (
        ("{who} earns a living as {it}.", "By profession {who} is {it}."),
        ("What is the profession of {who}?", "What does {who} do for a living?"),
        "job",
    ),
    (
        ("{who} retired in {it}.", "It was {it} when {who} retired."),
        ("When did {who} retire?", "In which year did {who} retire?"),
        "year",
    ),
    (
        ("{who} is fond of {it}.", "Nothing pleases {who} more than {it}."),
        ("What does {who} like?", "What is {who} fond of?"),
        "hobby",
    ),
)

_FULL_NAMES = 0.6
"""The share of people who are called by two names."""

Row = TypeVar("Row")


def entities(n_rows: int, seed: int = 0) -> Dataset:
    """Distinct rows of ``tokens`` and ``labels``, ids of ``ENTITY_CLASSES``."""
    from datasets import Dataset, Features, List, Value

    rows = _distinct(n_rows, random.Random(seed), _sentence)
    features = Features({"tokens": List(Value("string")), "labels": List(Value("int64"))})
    return Dataset.from_dict(
        {"tokens": [words for words, _ in rows], "labels": [tags for _, tags in rows]},
        features=features,
    )


def questions(n_rows: int, seed: int = 0) -> Dataset:
    """Distinct rows of ``question``, ``context`` and ``answers``, as SQuAD has them.

    Each context tells two facts about each of three people; the question asks for one of the six.
    """
    from datasets import Dataset, Features, List, Value

    features = Features(
        {
            "question": Value("string"),
            "context": Value("string"),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int64"))},
        }
    )
    return Dataset.from_list(_distinct(n_rows, random.Random(seed), _question), features=features)


def _distinct(n_rows: int, rng: random.Random, make: Callable[[random.Random], Row]) -> list[Row]:
    rows: dict[str, Row] = {}
    while len(rows) < n_rows:
        row = make(rng)
        rows[repr(row)] = row
    return list(rows.values())


def _sentence(rng: random.Random) -> tuple[list[str], list[int]]:
    tokens: list[str] = []
    tags: list[int] = []
    for slot in rng.choice(_SENTENCES).split():
        kind = slot.strip("{}")
        if kind == "any":
            kind = rng.choice(("person", "place", "company"))
        words = (_value(kind, rng) if slot[0] == "{" else slot).split()
        begin = ENTITY_CLASSES.index(f"B-{kind}") if f"B-{kind}" in ENTITY_CLASSES else 0
        is_entity = begin > 0 and slot[0] == "{"
        tokens += words
        tags += [begin, *[begin + 1] * (len(words) - 1)] if is_entity else [0] * len(words)
    if rng.random() < _LOWER_CASED:
        tokens = [token.lower() for token in tokens]
    return tokens, tags


def _question(rng: random.Random) -> Mapping[str, object]:
    told, sentences = [], []
    for who in {_value("person", rng): None for _ in range(3)}:
        for statements, wordings, kind in rng.sample(_FACTS, 2):
            value = _value(kind, rng)
            told.append((rng.choice(wordings).format(who=who), value))
            sentences.append(rng.choice(statements).format(who=who, it=value))
    order = rng.sample(range(len(sentences)), len(sentences))
    asked = rng.randrange(len(sentences))
    question, value = told[asked]
    before = "".join(f"{sentences[k]} " for k in order[: order.index(asked)])
    return {
        "question": question,
        "context": " ".join(sentences[k] for k in order),
        "answers": {
            "text": [value],
            "answer_start": [len(before) + sentences[asked].index(value)],
        },
    }


def _value(kind: str, rng: random.Random) -> str:
    """A name, a thing, a year: what fills a gap of ``kind``."""
    if kind == "year":
        return str(rng.randint(1950, 2024))
    listed = {"day": _DAYS, "adverb": _ADVERBS, "thing": _THINGS, "job": _JOBS, "hobby": _HOBBIES}
    if kind in listed:
        return _any(listed[kind], rng)
    syllables = [_ONSETS, _VOWELS, _ONSETS, _VOWELS, _CODAS]
    stem = "".join(_any(parts, rng) for parts in syllables).capitalize()
    if kind == "person":
        return f"{_any(_FIRST_NAMES, rng)} {stem}" if rng.random() < _FULL_NAMES else stem
    return stem + _any(_PLACE_ENDS if kind == "place" else _COMPANY_ENDS, rng)


def _any(choices: str, rng: random.Random) -> str:
    return rng.choice(choices.split("|"))

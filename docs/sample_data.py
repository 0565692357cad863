"""Write the synthetic data of docs/tutorial.md: `python docs/sample_data.py FOLDER`."""

import csv
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DRUGS = (
    "aspirin", "imatinib", "sunitinib", "metformin", "heparin", "warfarin", "tamoxifen", "cisplatin", "lisinopril",
    "amiodarone", "valproic acid", "doxorubicin", "ibuprofen", "digoxin", "clozapine", "folic acid",
)  # fmt: skip
DISEASES = (
    "leukemia", "breast cancer", "diabetes", "stroke", "renal failure", "asthma", "anemia", "breast carcinoma",
    "hypotension", "atrial fibrillation", "hepatitis", "seizures", "type 2 diabetes", "heart failure", "psoriasis",
)  # fmt: skip
GENES = ("BRCA1", "TP53", "EGFR", "KRAS", "CYP2D6", "HLA-B", "APOE")
TEMPLATES = (
    ("{drug} is used in {count} patients with {disease} and {gene} mutations.", "treats"),
    ("We saw {disease} after {drug} in {count} carriers of {gene}.", "causes"),
    ("{gene} was measured in {count} patients; {drug} and {disease} were unrelated.", None),
    ("Of {count} patients on {drug}, most recovered from {disease}; {gene} played no role.", "treats"),
    ("{drug}-induced {disease} occurred in {count} patients without {gene}.", "causes"),
)
Mention = tuple[str, int, str]  # type, first character, text


def sentence(chance: random.Random) -> tuple[str, list[Mention], str | None]:
    """Return a sentence, its mentions in order, and the relation of its drug and its disease."""
    drug, disease, gene = chance.choice(DRUGS), chance.choice(DISEASES), chance.choice(GENES)
    template, relation = chance.choice(TEMPLATES)
    text = template.format(drug=drug, disease=disease, gene=gene, count=chance.randrange(20, 2000))
    named = (("Chemical", drug), ("Disease", disease), ("Gene", gene))
    mentions = [(kind, text.index(name), name) for kind, name in named]
    return text, sorted(mentions, key=lambda mention: mention[1]), relation


def write_reports(folder: Path, chance: random.Random) -> None:
    """Write 60 documents with chemicals, diseases and their relations, as a BRAT folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(60):
        text, mentions, relations = "", [], []
        for _ in range(3):
            line, found, relation = sentence(chance)
            keys = {}
            for kind, start, name in found:
                if kind != "Gene":
                    keys[kind] = f"T{len(mentions) + 1}"
                    begin = len(text) + start
                    mentions.append(f"{keys[kind]}\t{kind} {begin} {begin + len(name)}\t{name}\n")
            if relation:
                arguments = f"Arg1:{keys['Chemical']} Arg2:{keys['Disease']}"
                relations.append(f"R{len(relations) + 1}\t{relation} {arguments}\n")
            text += line + "\n"
        (folder / f"report{number:02}.txt").write_text(text, encoding="utf-8")
        (folder / f"report{number:02}.ann").write_text("".join(mentions + relations), encoding="utf-8")


def conll_lines(chance: random.Random) -> Iterator[str]:
    """Yield the lines of a sentence with the tags of chemicals, diseases and genes, and an empty line."""
    text, mentions, _ = sentence(chance)
    for word in re.finditer(r"\w+|[^\w\s]", text):
        tag = "O"
        for kind, start, name in mentions:
            if start <= word.start() < start + len(name):
                tag = f"{'B' if word.start() == start else 'I'}-{kind}"
        yield f"{word[0]}\tNN\t{tag}\n"
    yield "\n"


def write_sentences(folder: Path, chance: random.Random) -> None:
    """Write train, dev and test as CoNLL files with three columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 200), ("dev", 30), ("test", 40)):
        lines = [line for _ in range(count) for line in conll_lines(chance)]
        (folder / f"{split}.conll").write_text("".join(lines), encoding="utf-8")


def write_notes(path: Path, chance: random.Random) -> None:
    """Write a table of notes of two classes, two notes from each article. The last four notes are copies of others."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(["pmid", "note", "outcome"])
        notes = []
        for _ in range(296):
            text, _, relation = sentence(chance)
            notes.append((text, "yes" if relation == "treats" else "no"))
        for number, (text, outcome) in enumerate([*notes, *notes[:40:10]]):
            writer.writerow([number // 2, text, outcome])


def write_questions(path: Path, chance: random.Random) -> None:
    """Write questions on contexts of three sentences as a SQuAD 2.0 file; some have no answer."""
    articles, number = [], 0
    for article in range(40):
        paragraphs = []
        for _ in range(2):
            context, questions = "", []
            for _ in range(3):
                text, mentions, _ = sentence(chance)
                kind, start, name = chance.choice(mentions)
                number += 1
                answers = [{"text": name, "answer_start": len(context) + start}]
                ordinal = ("first", "second", "third")[len(questions) % 3]
                asked = f"Which {kind.lower()} is named {ordinal}?"
                if chance.random() < 0.3:
                    asked, answers = "Which virus was found?", []
                questions.append(
                    {"id": f"q{number}", "question": asked, "is_impossible": not answers, "answers": answers}
                )
                context += text + " "
            paragraphs.append({"context": context.strip(), "qas": questions})
        articles.append({"title": f"article {article}", "paragraphs": paragraphs})
    path.write_text(json.dumps({"version": "v2.0", "data": articles}), encoding="utf-8")


def main(folder: Path) -> None:
    """Write all data into a folder. The same program writes the same data each time."""
    chance = random.Random(1)  # noqa: S311  this is no secret
    write_reports(folder / "reports", chance)
    write_sentences(folder / "sentences", chance)
    write_notes(folder / "notes.csv", chance)
    write_questions(folder / "questions.json", chance)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

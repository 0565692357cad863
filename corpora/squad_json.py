"""Read SQuAD files, versions 1.1 and 2.0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import RequestError
from .json_files import field, read_json
from .sources import Row


def read_squad(path: Path, *, labelled: bool = True) -> Iterator[tuple[str, Row]]:
    """Yield (place in the file, question) with `id`, `question`, `context`, `answers`, and `document`, the title.

    Where all articles have the same title, it says nothing and is left out.

    Args:
        path: the file.
        labelled: whether answers are read; if not, they need not be there, and none are given.

    Raises:
        RequestError: the file is not JSON in the form of SQuAD; the message names the place.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "data" not in content:
        raise RequestError(f"{path}: not a SQuAD file, it has no field 'data'; check that it is one")
    articles = field(content, "data", list, str(path))
    known = [article for article in articles if isinstance(article, dict)]
    parts = [article.get("paragraphs") for article in known]
    several = len(known) > 1 or any(isinstance(part, list) and len(part) > 1 for part in parts)
    titles = {str(article["title"]) if "title" in article else None for article in known}
    one_title = several and len(titles) == 1 and None not in titles
    for number, article in enumerate(articles, start=1):
        # Without titles, the first articles of two files are two.
        untitled = "/".join((*path.parts[-2:], str(number)))
        title = str(article.get("title", untitled)) if isinstance(article, dict) else untitled
        place = f"{path}: article {number}"
        for position, paragraph in enumerate(field(article, "paragraphs", list, place), start=1):
            here = f"{place}, paragraph {position}"
            context = field(paragraph, "context", str, here)
            for item in field(paragraph, "qas", list, here):
                where = f"{here}, question {item.get('id') if isinstance(item, dict) else ''}"
                impossible = item.get("is_impossible", False) if isinstance(item, dict) else False
                answers = [] if impossible or not labelled else field(item, "answers", list, where)
                document = {} if one_title else {"document": title}
                yield (
                    where,
                    {
                        "id": str(field(item, "id", (str, int), where)),
                        "question": field(item, "question", str, where),
                        "context": context,
                        "answers": {
                            "text": [field(answer, "text", str, where) for answer in answers],
                            "answer_start": [field(answer, "answer_start", int, where) for answer in answers],
                        },
                    }
                    | document,
                )

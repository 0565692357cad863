"""What README.md and docs/ show exists: commands parse, links lead somewhere, Python names what is public."""

import ast
import re
import runpy
import shlex
from pathlib import Path

import linkbert
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Options that act when they are parsed, and end the program.
EAGER = {"--help", "--version", "--install-completion"}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.S | re.M)


def outside_of_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def shown_commands(text):
    """Yield the words of the `linkbert` commands in console blocks and indented lines."""
    lines = [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    lines += re.findall(r"^ {4}((?:pip install|linkbert)\b.*)$", outside_of_blocks(text), flags=re.M)
    for line in lines:
        for part in re.split(r"&&|\|", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # such as HF_HUB_OFFLINE=1 before the command
                words.pop(0)
            if words[:1] == ["linkbert"]:
                yield words[1:]


def mentioned_commands(text):
    """Yield the words of the `linkbert` commands in sentences and tables, which may lack arguments."""
    found = re.findall(r"`(linkbert [^`]+)`", outside_of_blocks(text))
    return [shlex.split(code)[1:] for code in found if not re.search(r"\.\.\.|COMMAND", code)]


def parse(words):
    """Parse a command line, and run nothing."""
    from linkbert.cli.main import app
    from typer.main import get_command

    command, rest = get_command(app), list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands and hasattr(command, "default_command"):
            rest.insert(0, command.default_command)
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}: linkbert {shlex.join(words)}"
        command = command.commands[rest.pop(0)]
    try:
        command.make_context("linkbert", [word for word in rest if word not in EAGER], resilient_parsing=False)
    except Exception as error:
        raise AssertionError(f"linkbert {shlex.join(words)}: {type(error).__name__} {error}") from error


@each_page
def test_each_command_parses(page):
    text = page.read_text(encoding="utf-8")
    for words in shown_commands(text):
        parse(words)
    for words in mentioned_commands(text):
        try:
            parse(words)
        except AssertionError as error:
            if not re.search("MissingParameter|NoArgsIsHelp", str(error)):
                raise


def test_commands_are_found():
    counts = {page.name: len(list(shown_commands(page.read_text(encoding="utf-8")))) for page in PAGES}
    assert counts["README.md"] > 8 and counts["tutorial.md"] > 30 and counts["troubleshooting.md"] > 20
    with pytest.raises(AssertionError, match="no command 'fintune'"):
        parse(["fintune", "gad"])
    with pytest.raises(AssertionError, match="NoSuchOption"):
        parse(["finetune", "gad", "--model", "minilm", "--epoch", "3"])


def targets(text):
    """Yield where links and images of a page lead."""
    prose = re.sub(r"`[^`\n]*`", "", outside_of_blocks(text))
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)
    yield from re.findall(r"(?:src|href)=\"([^\"]+)\"", prose)


@each_page
def test_each_relative_link_and_image_exists(page):
    for target in targets(page.read_text(encoding="utf-8")):
        file = target.partition("#")[0]
        if file and not re.match(r"[a-z]+:", file):
            assert (page.parent / file).exists(), f"{page.name} links to {target}"


@each_page
def test_each_python_block_compiles_and_names_what_is_public(page):
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(block, str(page))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "linkbert":
                assert node.attr in linkbert.__all__, f"{page.name}: linkbert.{node.attr}"
            elif isinstance(node, ast.ImportFrom) and node.module == "linkbert":
                assert {alias.name for alias in node.names} <= set(linkbert.__all__), page.name


def test_the_reference_has_everything_that_is_public():
    described = re.findall(
        r"^::: linkbert\.(\S+)$", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), flags=re.M
    )
    assert {name.rpartition(".")[2] for name in described} >= set(linkbert.__all__) - {"__version__"}


def test_the_data_of_the_tutorial_are_the_same_each_time(tmp_path):
    main = runpy.run_path(str(ROOT / "docs" / "sample_data.py"))["main"]
    for name in ("one", "two"):
        main(tmp_path / name)
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two and len(one) == 125
    # The numbers that the tutorial shows.
    lines = one[Path("notes.csv")].decode().splitlines()
    assert len(lines) == 301 and sum(line.endswith(";yes") for line in lines) == 114


def test_the_website_is_built_and_asks_nobody_for_anything(tmp_path, monkeypatch):
    pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True)
    config.plugins.run_event("startup", command="build", dirty=False)
    build(config)
    pages = list(tmp_path.glob("*.html"))
    assert {page.stem for page in PAGES[1:]} <= {page.stem for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//[^>]*>", text), (
            page.name
        )
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name

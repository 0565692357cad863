"""Task files: what they say is read, and every wrong key is refused with its line."""

import pytest
from linkbert.errors import RequestError
from linkbert.models.heads import HEADS
from linkbert.tasks.custom.kinds import KINDS
from linkbert.tasks.custom.task_file import Splitting, read_task_file
from linkbert.tasks.custom.task_file_checks import FORMATS

BASE = 'name = "notes"\nfamily = "classification"\n[files]\ndata = "notes.csv"\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my.toml"


def read(path, text, taken=()):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_task_file(path, taken)


def test_everything_that_is_not_said_has_a_default(path):
    file = read(path, BASE)
    assert (file.name, file.title, file.kind.name, file.labels, file.metric) == ("notes",) * 2 + (
        "classification",
        None,
        "accuracy",
    )
    assert file.splitting == Splitting(dev=0.1, test=0.1, seed=42, by=None)
    assert file.source("data") == path.parent / "notes.csv" and file.format is None


def test_a_split_with_a_file_takes_no_share_of_train(path):
    file = read(
        path, BASE.replace('data = "notes.csv"', 'train = "a.csv"\ntest = "/b.csv"') + "[split]\ndev = 0.3\nseed = 7\n"
    )
    assert file.splitting == Splitting(dev=0.3, test=0.0, seed=7)
    assert str(file.source("test")) == "/b.csv"


def test_a_dataset_of_the_hub_has_the_usual_splits_and_nothing_is_split_off(path):
    file = read(path, BASE.replace('data = "notes.csv"', 'dataset = "me/notes"\nconfig = "small"'))
    assert file.files == {"train": "train", "dev": "validation", "test": "test"}
    assert (file.splitting.dev, file.splitting.test, file.format, file.config) == (0, 0, "hub", "small")
    only = read(path, BASE.replace('data = "notes.csv"', 'dataset = "me/notes"\ntrain = "all"'))
    assert only.files == {"train": "all"} and only.splitting.dev == only.splitting.test == 0.1


def test_every_family_has_a_recipe_a_head_and_formats_that_exist():
    from linkbert.tasks.recipe import KEYS, recipe_settings

    for kind in KINDS.values():
        assert kind.family.head in HEADS and set(kind.formats) <= set(FORMATS)
        assert (
            all(set(needed) <= kind.columns.keys() for needed in kind.needs) and set(kind.spread) <= kind.columns.keys()
        )
        for size in ("small", "base", "large"):
            assert recipe_settings(kind.recipe_section, size).keys() <= {*KEYS, "seed"}


FILES = BASE[BASE.index("[files]") :]
WRONG = [
    ('nmae = "x"\n' + BASE, 1, "unknown key 'nmae'; did you mean name?"),
    (BASE.replace('"notes"', "5"), 1, "name should be a text, found 5"),
    (BASE.replace('"notes"', '"a/b"'), 1, "the name 'a/b' should consist of letters, digits"),
    (BASE.replace('"notes"', '"gad"'), 1, "the name 'gad' is that of a built-in task"),
    (BASE.replace('"classification"', '"clasification"'), 2, "unknown family 'clasification'; did you mean classification"),
    (BASE.replace('"classification"', '["ner"]'), 2, r"family should be a text, found \['ner'\]"),
    ('name = "x"\n' + FILES, 1, "the family is missing"),
    ('family = "ner"\n' + FILES, 1, "the name is missing"),
    ('name = "x"\nfamily = "ner"\n', 1, r"the table \[files\] is missing"),
    ('name = "x"\nfamily = "ner"\nfiles = 5\n', 3, "files should be a table, found 5"),
    ('title = 5\n' + BASE, 1, "title should be a text"),
    ('labels = "yes, no"\n' + BASE, 1, r'labels should be a list such as .* or "infer", found .yes, no.'),
    ('labels = [1, 2]\n' + BASE, 1, "labels should be texts that are not empty"),
    ('labels = [["a"], ["b"]]\n' + BASE, 1, "labels should be texts that are not empty"),
    ('labels = []\n' + BASE, 1, "labels should be texts that are not empty"),
    ('labels = ["a", "a"]\n' + BASE, 1, "a label stands twice"),
    ('labels = ["a"]\n' + BASE, 1, r"one class only \(a\): there is nothing to learn"),
    ('labels = ["a", "b"]\n' + BASE.replace("classification", "similarity"), 1, "similarity has no labels; remove the line"),
    ('labels = ["a", "b"]\nnegative = "c"\n' + BASE, 2, "the negative class 'c' is not among the labels"),
    ('negative = "c"\n' + BASE.replace("classification", "ner"), 1, "ner has no negative class"),
    ('metric = "f1"\n' + BASE, 1, "classification has no metric 'f1'; it has accuracy, macro_f1, micro_f1"),
    ('ignore = [1]\n' + BASE, 1, "what is ignored should be texts"),
    ('ignore = "O"\n' + BASE, 1, "ignore should be a list, found 'O'"),
    ('marks = "masks!"\n' + BASE, 1, "unknown marks 'masks!'; there are markers and masks"),
    ('directed = 1\n' + BASE, 1, "directed should be true or false, found 1"),
    (BASE + 'format = "csvv"\n', 5, "unknown format 'csvv'; did you mean csv?"),
    (BASE + 'train = "a.csv"\n', 4, "name either one file as data, or files of splits, not both"),
    (BASE.replace("data =", "dev ="), 3, r"the table \[files\] names no file for train"),
    (BASE.replace('data = "notes.csv"', 'format = "csv"'), 3, r"the table \[files\] names no file"),
    (BASE + 'config = "x"\n', 5, "a configuration goes with a dataset of the hub"),
    (BASE + 'delimiter = ";;"\n', 5, "the delimiter should be one character"),
    (BASE + 'delimiter = "\\n"\n', 5, "the delimiter should be one character, not a line end"),
    (BASE + "delimiter = '\"'\n", 5, "the delimiter should be one character, not a line end and not the quote"),
    (BASE + 'quote = "<<"\n', 5, "the quote should be one character, or empty"),
    (BASE + "[split]\ndev = 1.5\n", 6, "the share of dev should be between 0 and 1, found 1.5"),
    (BASE + "[split]\ndev = nan\n", 6, "the share of dev should be between 0 and 1, found nan"),
    (BASE + "[split]\ndev = true\n", 6, "dev should be a number, found True"),
    (BASE + "[split]\ndev = 0.5\ntest = 0.5\n", 5, "the shares of dev and test leave nothing for train"),
    (BASE + "[split]\nseed = -1\n", 6, "the seed should be a whole number from 0 to 4294967295, found -1"),
    (BASE + "[split]\nby = 3\n", 6, "by should be a text, found 3"),
    (BASE + '[split]\nby = "a"\n[columns]\ndocument = "b"\n', 6, "examples are kept together by the column document already; remove one"),
    (BASE + '[recipe]\nlong_inputs = "keep-mentions"\n', 6, "text classification has no long_inputs 'keep-mentions'; it has cut, windows"),
    (BASE.replace("data =", "train =") + 'dev = "d.csv"\n[split]\ndev = 0.1\n', 7, "dev has a file of its own"),
    (BASE + '[columns]\ntxt = "x"\n', 6, "classification has no column 'txt'; did you mean text?"),
    (BASE + "[columns]\ntext = 1.5\n", 6, "a column is named by its name or its number, found 1.5"),
    (BASE + '[columns]\ntext = ["a", "b"]\n', 6, "text is in one column, found a list; name one column"),
    (BASE.replace("classification", "choice") + "[columns]\noptions = []\n", 6, r"a column is named by its name or its number, found \[\]"),
    (BASE.replace("classification", "choice") + "[columns]\noptions = [true]\n", 6, "a column is named by its name or its number"),
    (BASE + "[columns]\nseparator = 5\n", 6, "the separator should be a text, found 5"),
    (BASE + '[columns]\nfirst_answer = "1"\n', 6, 'first_answer should be 0, 1 or "A", found \'1\''),
    (BASE + "[recipe]\nepochs = 1\nepoch = 1\n", 7, "unknown setting 'epoch'; did you mean epochs?"),
    (BASE + '[recipe]\nseed = "x"\n', 6, "the seed should be a whole number from 0 to 4294967295, found 'x'"),
    (BASE + "[recipe]\nlearning_rate = -1\n", 6, "learning_rate should be above"),
    ('name = "x"\nfamily = "ner"\nfiles.data = "x"\nfiles.foo = "y"\n', 4, "unknown key 'foo'"),
    ('name = "x"\nfamily = "ner"\nfiles = {foo = "y"}\n', 3, "unknown key 'foo'"),
    ("name = x\n", 1, r"not TOML \(Invalid value \(at line 1, column 8\)\); texts need quotes"),
    (BASE + "[files]\n", 5, "not TOML"),
    ('name = "x"\nfamily = """\n', 3, "not TOML"),
    (BASE.encode() + b"# caf\xe9\n", 5, "not UTF-8"),
    (BASE.encode("utf-16"), 1, "not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_what_is_wrong_is_refused_with_its_line(path, text, line, message):
    with pytest.raises(RequestError, match=rf"my.toml:{line}: {message}"):
        read(path, text, taken=("gad",))


def test_all_problems_are_reported_together(path):
    with pytest.raises(RequestError) as caught:
        read(path, 'metric = "f1"\n' + BASE + "[recipe]\nepochs = 0\nfoo = 1\n")
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["1", "7", "8"]


def test_a_missing_file_and_a_folder_are_refused(path):
    with pytest.raises(RequestError, match="no such task file; `linkbert init"):
        read_task_file(path)
    path.mkdir()
    with pytest.raises(RequestError, match="the task file cannot be read"):
        read_task_file(path)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(path):
    assert read(path, "\ufeff" + BASE.replace("\n", "\r\n")).name == "notes"

"""Small corpora in their original formats, tiny models, and the command line in one process."""

from __future__ import annotations

import gzip
import json
import os
import signal
from pathlib import Path

import pytest

# Set before anything imports torch or the hub's library: tests use no network and no cache of the user's.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["COLUMNS"] = "200"
os.environ["LINKBERT_DEBUG"] = "1"  # a defect shows where it is
if "PYTEST_XDIST_WORKER" in os.environ:
    # The threads of several processes wait for each other: with two each on two cores, the tests took twice as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell script starts its background commands with SIGINT ignored; tests send that signal to themselves and to children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_MOST_PROCESSES = 4  # each holds torch, about 1 GB


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return in how many processes tests run: one for each core. Those that take minutes or start clusters run alone."""
    default = all(f"not {marker}" in config.option.markexpr for marker in ("slow", "cluster"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES) if default and cores > 1 else 0


def pytest_report_header() -> str:
    """Name the package that is tested: another copy may be installed."""
    import linkbert

    root, package = Path(__file__).resolve().parents[1], Path(linkbert.__file__).resolve().parent
    other = "" if package == root else f", and not {root}: run `pip install -e .` there to test that one"
    return f"linkbert: tests {package}{other}"


class _RootIsNoTestPackage:
    """Keeps pytest from importing the repository root, which is the package `linkbert`, under the name of its folder.

    That import would make a second copy of the package, or fail in a folder such as `linkbert-0.1.0`, whose name is no
    name of a module. A hook in this file would not be asked about a folder above `tests`, but one of a plugin is.
    """

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == Path(__file__).resolve().parents[1] else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_RootIsNoTestPackage())


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    os.environ["LINKBERT_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("LINKBERT_DATA_DIR", None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real benchmark files."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real benchmark files (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run a command line in this process, in an empty folder; returns a result with exit_code, stdout, stderr."""
    from linkbert.cli.main import app
    from typer.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def run(*args, stdin=None):
        result = runner.invoke(app, [str(arg) for arg in args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        return result

    return run


# --- sources: ten or so rows a split, with the oddities of the real files ------------------------------------------


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        with gzip.open(path, "wb") as handle:
            handle.write(text.encode())
    else:
        path.write_bytes(text.encode())


def ner_text(rows: int, *, typed: str = "", docstart: str = "") -> str:
    """Sentences with adjacent mentions (`B I B`); `typed` adds a type to the tags."""
    suffix = f"-{typed}" if typed else ""
    text = ""
    for number in range(rows):
        if docstart and number % 4 == 0:
            text += docstart + "\n\n"
        text += f"the\tO\nrenal\tB{suffix}\npain\tI{suffix}\nfever\tB{suffix}\nin\tO\n{'ab'[number % 2]}\tO\n.\tO\n\n"
    return text


def pico_text(rows: int) -> str:
    text = ""
    for number in range(rows):
        if number % 4 == 0:
            text += f"-DOCSTART- ({10000 + number})\n\n"
        text += "women\tI-PAR\ntook\tO\ndrug\tI-INT\nfor\tO\npain\tI-OUT\n.\tO\n\n"
    return text


def write_contributed_ner(folder: Path) -> None:
    """Write a few typed sentences of each NER corpus that is not of the published benchmark."""
    from linkbert.tasks.registry import TASKS
    from linkbert.tasks.task import EXTRA

    for task in TASKS.values():
        if task.suite == EXTRA and task.head.per_word:
            sentences = [f"the\tO\nrenal\tB-{kind}\npain\tI-{kind}\n.\tO\n\n" for kind in task.tag_types]
            for split, size in {"train": 12, "dev": 6, "test": 8}.items():
                text = "".join(sentences[number % len(sentences)] for number in range(size))
                _write(folder / task.folders[0] / f"{split}.tsv", text)


def write_sources(folder: Path) -> None:
    """Write every corpus of the registry in its original format."""
    write_contributed_ner(folder)
    rows = {"train": 12, "dev": 6, "test": 8}
    for split, size in rows.items():
        for name in ("bc5chem", "bc5disease", "ncbi_disease", "bc2gm"):
            _write(folder / name / "blurb" / f"{split}.tsv", ner_text(size))
        _write(folder / "jnlpba" / "blurb" / f"{split}.tsv", ner_text(size, docstart="-DOCSTART- 95369245"))
        _write(folder / "ebm_pico" / "blurb" / f"{split}.tsv", pico_text(size))
        chemprot, ddi, gad = [], [], []
        for number in range(size):
            label = ("false", "CPR:3", "CPR:4", "CPR:9")[number % 4]
            mask = "@CHEM-GENE$ is" if number == 1 else "@CHEMICAL$ acts on @GENE$ with"
            chemprot.append(f"{1000 + number}.T1.T2\t{mask} pain {number}.\t{label}")
            label = ("DDI-false", "DDI-effect", "DDI-int")[number % 3]
            ddi.append(f"DDI-X.d{number}.s0.p0\t@DRUG$ and @DRUG$ with fever {number}.  \t{label}")
            gad.append(f"{number}\t@GENE$ and @DISEASE$ in women {number}\t{number % 2}")
        _write(folder / "chemprot" / "blurb" / f"{split}.tsv.gz", "\n".join(chemprot) + "\n")
        _write(folder / "ddi" / "blurb" / f"{split}.tsv", "\n".join(ddi) + "\n")
        _write(folder / "gad" / "blurb" / f"{split}.tsv", "index\tsentence\tlabel\n" + "\n".join(gad) + "\n")
        pairs = [
            f"{number}\tthe drug {number}\tthe\u00a0pain {number}\t{number % 5}.2".replace("4.2", "4.0")
            for number in range(size)
        ]
        _write(
            folder / "biosses" / "blurb" / f"{split}.tsv", "pair_id\tsent1\tsent2\tscore\n" + "\n".join(pairs) + "\n"
        )
        hoc = []
        for number in range(size):
            for sentence in range(2):
                flags = ",".join(f"{k}_{int(k == (number + sentence) % 10 and number % 3 != 0)}" for k in range(10))
                hoc.append(f'{flags}\t"drug" and fever {sentence} .\t{2000 + number}_s{sentence}')
        _write(folder / "hoc" / "blurb" / f"{split}.tsv", "labels\tsentence\tindex\n" + "\n".join(hoc) + "\n")
        bioasq = [
            f'{number:024x}\tIs the "drug" for pain?\t the women had fever {number} \t{("yes", "no")[number % 2]}'
            for number in range(size)
        ]
        _write(folder / "bioasq" / "blurb" / f"{split}.tsv", "\n".join(bioasq) + "\n")
        medqa = [
            json.dumps(
                {
                    "question": f"The women\nhad fever {number}. Which drug?",
                    "answer": "b",
                    "options": {"D": "d", "A": "a", "B": "b", "C": "c"},
                    "answer_idx": "B",
                }
            )
            for number in range(size)
        ]
        _write(folder / "medqa" / "4_options" / f"phrases_no_exclude_{split}.jsonl", "\n".join(medqa) + "\n")
    answers = ("yes", "no", "yes", "maybe")
    questions = {
        str(900 + number): {
            "QUESTION": f" Is drug {number} for pain? ",
            "CONTEXTS": [" the women took it. ", "  ", "fever fell."],
            "final_decision": answers[number % 4],
            "LONG_ANSWER": "it does",
        }
        for number in range(120)
    }
    _write(folder / "pubmedqa" / "data" / "ori_pqal.json", json.dumps(questions))
    for split, size in {"val": 5, "test": 8}.items():
        lines = [f'"The ""drug"", {number}",a,b,c,d,{"ABCD"[number % 4]}' for number in range(size)]
        _write(folder / "mmlu" / "data" / split / f"professional_medicine_{split}.csv", "\r\n".join(lines))
    header = "question,choice0,choice1,choice2,choice3,answer\n"
    _write(folder / "mmlu" / "professional_medicine_dev.csv", header + "pain?,a,b,c,d,3\n")


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir(sources, tmp_path_factory) -> Path:
    """The prepared form of `sources`; tests must not write to it."""
    from linkbert.corpora.prepare import prepare
    from linkbert.tasks.registry import TASKS

    folder = tmp_path_factory.mktemp("data")
    prepare([task.corpus for task in TASKS.values()], sources, folder)
    return folder


# --- tiny models ---------------------------------------------------------------------------------------------------

WORDS = (
    "the renal pain fever in women took drug for is and with acts on had it fell chemical gene disease which a b c d "
    "was of to does help"
).split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789.,?\"'$@-:()+")


def _wordpiece_vocabulary() -> list[str]:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return list(dict.fromkeys(pieces))


def _tokenizer(kind: str, folder: Path) -> None:
    """Write a tokenizer of the architecture's own sort."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import BertTokenizer, DebertaV2Tokenizer, PreTrainedTokenizerFast, RobertaTokenizer

    if kind in ("bert", "electra", "distilbert"):
        (folder / "vocab.txt").write_text("\n".join(_wordpiece_vocabulary()), encoding="utf-8")
        tokenizer = BertTokenizer.from_pretrained(folder)
        if kind == "distilbert":
            tokenizer.model_input_names = ["input_ids", "attention_mask"]
    elif kind == "deberta-v2":
        pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "\u2581", *(f"\u2581{word}" for word in WORDS), *LETTERS]
        vocabulary = [(piece, -float(index)) for index, piece in enumerate(dict.fromkeys(pieces))]
        tokenizer = DebertaV2Tokenizer(vocab=vocabulary, unk_id=3)
    else:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        special = (
            ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if kind == "roberta" else ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
        )
        vocabulary = {piece: index for index, piece in enumerate([*special, *alphabet])}
        if kind == "roberta":
            tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[])
        else:
            backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))
            backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            backend.decoder = decoders.ByteLevel()
            backend.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
            )
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_object=backend,
                cls_token="[CLS]",
                sep_token="[SEP]",
                pad_token="[PAD]",
                unk_token="[UNK]",
                model_input_names=["input_ids", "attention_mask"],
            )
    tokenizer.save_pretrained(folder)


def write_model(kind: str, folder: Path, *, positions: int = 64, hidden: int = 16) -> Path:
    """Write a two-layer model with random weights of one architecture."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    _tokenizer(kind, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    size = {"vocab_size": max(len(tokenizer), 110), "pad_token_id": tokenizer.pad_token_id}
    if kind == "distilbert":
        size |= {"dim": hidden, "hidden_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": positions}
    else:
        size |= {"hidden_size": hidden, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        size["max_position_embeddings"] = positions + (2 if kind == "roberta" else 0)
    if kind == "electra":
        size["embedding_size"] = hidden
    if kind == "modernbert":
        size |= {"bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2, "local_attention": 16}
    if kind == "deberta-v2":
        size |= {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0}
    if kind == "roberta":
        size["type_vocab_size"] = 1
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**size)
    model = AutoModel.from_config(config)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    made: dict[tuple, Path] = {}

    def make(kind: str = "bert", **options) -> Path:
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = write_model(kind, tmp_path_factory.mktemp("models") / f"tiny-{kind}", **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def tiny(make_model) -> Path:
    """A two-layer BERT with 64 positions."""
    return make_model("bert")


@pytest.fixture(scope="session")
def tokenizer(tiny):
    from linkbert.models.tokenizer_loading import load_tokenizer

    return load_tokenizer(tiny, words=True)


@pytest.fixture(scope="session")
def trained(data_dir, tiny, tmp_path_factory):
    """A project folder with one finished run of a few tasks: `runs/` and `results/`."""
    from linkbert import finetune

    folder = tmp_path_factory.mktemp("trained")
    for task in ("ncbi-disease", "ebm-pico", "gad", "biosses", "hoc", "pubmedqa", "medqa"):
        finetune(
            task,
            model=str(tiny),
            name="tiny",
            max_steps=2,
            max_length=32,
            batch_size=4,
            warmup=0,
            seed=1,
            precision="fp32",
            data_dir=data_dir,
            runs_dir=folder / "runs",
            results_dir=folder / "results",
        )
    return folder

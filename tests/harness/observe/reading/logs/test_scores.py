"""Score lines: labels, numbers, exactness, what is diagnostic, and which score is the result."""

import pytest

from harness.model.logs import Score
from harness.observe.reading.logs.lines import Line
from harness.observe.reading.logs.scores import MAX_SCORES, ScoreBook, final_score, read_score, seconds_of


def read(text: str, number: int = 1) -> Score | None:
    """The score on `text`."""
    return read_score(Line(number, text, text.lower()))[0]


def read_all(*texts: str) -> list[Score]:
    """The scores of several lines."""
    return [score for number, text in enumerate(texts, 1) if (score := read(text, number)) is not None]


@pytest.mark.parametrize(
    ("text", "label", "exact", "val_loss", "val_bpb", "seconds"),
    [
        (
            "final_int8_zlib_roundtrip val_loss:2.0 val_bpb:1.2244 eval_time:1401ms",
            "final_int8_zlib_roundtrip",
            False,
            2.0,
            1.2244,
            1.401,
        ),
        (
            "final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570",
            "final_int8_zlib_roundtrip",
            True,
            2.07269931,
            1.2243657,
            None,
        ),
        (
            "final_sliding_window_eval_exact stride:64 val_loss:1.96 val_bpb:1.1630",
            "final_sliding_window_eval stride:64",
            True,
            1.96,
            1.163,
            None,
        ),
        (
            "ttt_sliding:done val_loss=1.889768 val_bpb=1.119230 elapsed=409.8s",
            "ttt_sliding:done",
            False,
            1.889768,
            1.11923,
            409.8,
        ),
        ("q_sw_x vl:1.89452350 bpb:1.12204650", "q_sw", True, 1.8945235, 1.1220465, None),
        ("q_sw vl:1.8945 bpb:1.1220 s:64 t:76214ms", "q_sw", False, 1.8945, 1.122, 76.214),
        (
            "final_slot val_loss:1.2 val_bpb:0.7 exact:0.71234567 eval_time:9ms",
            "final_slot",
            True,
            1.2,
            0.71234567,
            0.009,
        ),
        ("🏁 Final BPB: 1.1070", "final", False, None, 1.107, None),
        ("  Post-TTT BPB: 1.1070", "post-ttt", False, None, 1.107, None),
        ("Quantized BPB (XSA-all): 1.031403", "quantized (xsa-all)", False, None, 1.031403, None),
        ("final_q param_count:12836768 val_bpb:1.2271", "final_q", False, None, 1.2271, None),
        ("final_mix model_bpb:1.4853 ngram_bpb:0.3508", "final_mix ngram_bpb", False, None, 0.3508, None),
        (
            "done val_loss=1.9 val_bpb=1.1 elapsed=2.5sdone val_loss=1.9 val_bpb=1.1 elapsed=3.5s",
            "done",
            False,
            1.9,
            1.1,
            2.5,
        ),
    ],
)
def test_score_lines(
    text: str, label: str, exact: bool, val_loss: float | None, val_bpb: float, seconds: float | None
) -> None:
    """Label, numbers and evaluation time come out in one form, whatever the spelling."""
    score = read(text)
    assert score is not None
    assert not score.diagnostic
    found = (score.label, score.exact, score.val_loss, score.val_bpb, score.seconds)
    assert found == (label, exact, val_loss, val_bpb, seconds)


@pytest.mark.parametrize(
    "text",
    [
        "DIAGNOSTIC post_ema val_loss:1.9222 val_bpb:1.1385 eval_time:1960ms",
        "pre-quantization post-ema val_loss:2.5 val_bpb:1.1048",
        "Pre-TTT BPB: 1.5188 | Loss: 3.8637",
        "  sliding_eval [ 10.6%] 12832/121136 windows running_bpb=1.143566",
        "  ttt_chunk [1/1893] bpb=1.159980 time=0.5s",
        "  GPU 0: Doc 20/200 | BPB 1.1311",
        "evs:rank:0 DONE val_loss=1.894740 val_bpb=1.122175",
        "temp_search: temp=0.85 val_bpb=1.2064",
        "Using ema weights (val_bpb=1.1194)",
        "candidate_eval:ema val_loss:1.96 val_bpb:1.1637",
        "Mean val_bpb: 1.19617 (std 0.0005)",
        "wandb: final_val_bpb 1.1552",
        '            "bpb": 8.40257,',
        "LLM-only BPB: 1.11133698",
    ],
)
def test_intermediate_scores_are_diagnostic(text: str) -> None:
    """What is scored before the artifact exists, or on a part of the data, is never the result."""
    score = read(text)
    assert score is not None
    assert score.diagnostic


@pytest.mark.parametrize(
    "text",
    [
        "val_bpb:enabled tokenizer_kind=sentencepiece",
        'log0(f"final val_loss:{loss:.4f} val_bpb:{bpb:.4f} ")',
        "ttt_gain: 0.224360 BPB gain over int8",
        "final_mix delta_bpb:-1.1345",
        "Full run: about 1.20 BPB",
        "ema:applying best (decay=0.9970 bpb=inf)",
    ],
)
def test_lines_without_a_score(text: str) -> None:
    """Words, source code and differences are no scores."""
    assert read(text) is None


def test_research_is_no_search() -> None:
    """Words of a label count whole: a `research_export` is not the search that the filter means."""
    score = read("final_research_export_exact val_loss:1.9 val_bpb:1.15330295")
    assert score is not None
    assert not score.diagnostic


def test_a_result_that_is_not_finite_is_kept_and_reported() -> None:
    """A run whose result is `nan` has a score without numbers, and that is an error of the run."""
    score, broken = read_score(Line(1, "final_q val_loss:nan val_bpb:nan", "final_q val_loss:nan val_bpb:nan"))
    assert score is not None
    assert (score.val_loss, score.val_bpb, broken) == (None, None, True)


def test_the_final_score_is_the_last_result() -> None:
    """Diagnostics behind the result do not count, and the exact twin of the last label is preferred."""
    scores = read_all(
        "final_int6_roundtrip_exact val_loss:2.0 val_bpb:1.21031545",
        "legal_ttt_exact val_loss:1.88976776 val_bpb:1.11922988",
        "legal_ttt val_loss:1.8898 val_bpb:1.1192 eval_time:410268ms",
        "best_averaging:ema val_bpb:1.1126",
    )
    final = final_score(scores)
    assert final is not None
    assert (final.label, final.exact, final.val_bpb) == ("legal_ttt", True, 1.11922988)


def test_a_rounded_score_of_another_label_is_not_passed_over() -> None:
    """Exactness is preferred within one label only: the last evaluation is the result."""
    scores = read_all(
        "final_int8_zlib_roundtrip_exact val_loss:2.05850955 val_bpb:1.21916531",
        "final_int8_ttt val_loss:1.9990 val_bpb:1.1839 eval_time:80318ms",
    )
    final = final_score(scores)
    assert final is not None
    assert final.label == "final_int8_ttt"


def test_summaries_count_only_alone() -> None:
    """A closing summary may repeat any earlier score, so a labelled score goes before it."""
    labelled, bare = "legal_ttt_exact val_loss:1.9 val_bpb:1.11868501", "  final_val_bpb: 1.12132391"
    final = final_score(read_all(labelled, bare))
    assert final is not None
    assert final.val_bpb == 1.11868501
    alone = final_score(read_all(bare))
    assert alone is not None
    assert alone.val_bpb == 1.12132391


def test_the_time_of_an_alias_is_that_of_its_twin() -> None:
    """A result printed again under another name takes the evaluation time from the line with the same value."""
    scores = read_all(
        "final_int6_sliding_window val_loss:1.9092 val_bpb:1.1307 stride:64 eval_time:85703ms",
        "final_int6_sliding_window_exact val_loss:1.90915845 val_bpb:1.13071416",
        "final_int8_zlib_roundtrip_exact val_loss:1.90915845 val_bpb:1.13071416",
    )
    assert seconds_of(scores[-1], scores) == (85.703, 1)


def test_results_outlast_diagnostics() -> None:
    """Beyond the limit diagnostic scores go first, and what is left out is counted."""
    book = ScoreBook()
    for n in range(2 * MAX_SCORES):
        book.add(Score(label="chunk", val_bpb=1.0, diagnostic=True, line=n))
    for n in range(10):
        book.add(Score(label="final", val_bpb=1.0, line=10_000 + n))
    assert len(book.kept()) == MAX_SCORES
    assert sum(not s.diagnostic for s in book.kept()) == 10
    assert book.omitted == MAX_SCORES + 10

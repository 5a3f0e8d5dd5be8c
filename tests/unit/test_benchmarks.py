"""The benchmarks' own arithmetic: formulas against a counter, figures from reports, the page from the table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]

import draw  # noqa: E402
import flops  # noqa: E402
import jobs  # noqa: E402
import measures  # noqa: E402
import ours  # noqa: E402
import results  # noqa: E402
import rows as rows_of  # noqa: E402
import seconds_to_loss  # noqa: E402
import watch  # noqa: E402

from tiny import tiny_base  # noqa: E402

CONFIG = {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 2, "vocab_size": 64, "head_dim": 8,
}
ROWS, SUPERVISED, RANK = 12, 5, 4


class LowRank(torch.nn.Module):
    """A frozen linear layer beside two small matrices that learn."""

    def __init__(self, base: torch.nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = torch.nn.Linear(base.in_features, RANK, bias=False)
        self.up = torch.nn.Linear(RANK, base.out_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.up(self.down(x))


def network(low_rank: bool):
    from transformers import LlamaConfig, LlamaForCausalLM

    made = LlamaForCausalLM(LlamaConfig(**CONFIG, tie_word_embeddings=True, attn_implementation="eager"))
    if low_rank:
        made.requires_grad_(False)
        for layer in made.model.layers:
            for part, names in ((layer.self_attn, "qkvo"), (layer.mlp, ("gate", "up", "down"))):
                for name in names:
                    setattr(part, f"{name}_proj", LowRank(getattr(part, f"{name}_proj")))
    return made


@pytest.mark.parametrize("rank", [RANK, None])
def test_the_formulas_count_what_a_counter_counts_on_a_tiny_llama(rank):
    llama = network(rank is not None)
    ids = torch.randint(0, 64, (1, ROWS))
    with FlopCounterMode(display=False) as counter:
        hidden = llama.model(input_ids=ids, use_cache=False).last_hidden_state[0, -SUPERVISED:]
        llama.lm_head(hidden).sum().backward()
    parts = flops.step(flops.Shape.of(CONFIG), [(ROWS, SUPERVISED)], rank)
    # the counted network computes whole squares, and keeps its scores: 4 products of 5 in the backward pass
    expected = (parts.total - parts.attention_forward - parts.attention_backward
                + 2 * parts.attention_forward + 2 * parts.attention_backward * 4 / 5)
    assert counter.get_total_flops() == expected


def test_the_formulas_count_what_a_counter_counts_on_a_tiny_encoder():
    from transformers import BertConfig, BertForSequenceClassification

    config = CONFIG | {"vocab_size": 99, "max_position_embeddings": 32}
    bert = BertForSequenceClassification(BertConfig(**config, num_labels=7, attn_implementation="eager"))
    with FlopCounterMode(display=False) as counter:
        bert(input_ids=torch.randint(0, 99, (1, ROWS))).logits.sum().backward()
    parts = flops.step(flops.Shape.of(CONFIG, 7), [(ROWS, 1)], None)
    assert counter.get_total_flops() == parts.total - parts.attention_backward * 1 / 5  # it keeps its scores


def test_the_design_s_figure_for_a_token_of_short_texts_comes_out():
    shape = flops.Shape(hidden=384, queries=384, keys=384, inner=1536, vocabulary=77, layers=6, both_ways=True)
    assert flops.step(shape, [(15, 1)] * 32, None).total / (32 * 15) == pytest.approx(65e6, rel=0.02)


def test_the_rows_of_job_d_are_short_texts_of_many_classes_the_same_each_time(tmp_path):
    if not jobs.DATA.is_dir():
        pytest.skip("the shared data is not here")
    for name in ("D", "D banking77"):
        job, made = jobs.JOBS[name], []
        for number in range(2):
            job.write_rows(tmp_path / f"{number}.jsonl", 800, skip=256)
            made.append((tmp_path / f"{number}.jsonl").read_text(encoding="utf-8"))
        assert made[0] == made[1]
        rows = [json.loads(line) for line in made[0].splitlines()]
        assert len(rows) == 800 and len({row["label"] for row in rows}) == job.classes


def test_the_design_s_figure_for_a_token_of_gsm8k_comes_out():
    shape = flops.Shape(hidden=576, queries=576, keys=192, inner=1536, vocabulary=49152, layers=30)
    parts = flops.step(shape, [(251, 149)] * 8, 16)
    assert parts.total / (8 * 251) == pytest.approx(549e6, rel=0.01)


def test_the_page_of_results_is_what_the_table_says():
    assert draw.DRAWN.read_text(encoding="utf-8") == draw.drawn(results.read())


def test_a_row_written_to_the_table_is_read_back(tmp_path):
    book = results.Book("2026-01-01T00:00:00+00:00", "a machine", tmp_path / "table.csv")
    book.add("A", "tunesmith", "tokens/s mean", 1234.56, low=1000.0, count=3, versions="torch 2")
    book.add("A", "TRL best", "tokens/s mean", 0.123456)
    first, second = results.read(tmp_path / "table.csv")
    assert (first.value, first.low, first.high, first.count, first.versions) == (1235.0, 1000.0, None, 3, "torch 2")
    assert second.value == 0.1235


def test_first_steps_and_steps_that_compile_are_not_measured():
    report = {"begun": 10.0, "stamps": [14.0, 15.0, 18.0, 19.0], "asides": [0.0, 0.0, 0.5, 0.0],
              "graphs": [2, 2, 3, 3]}
    found = measures.steps(report, [[(10, 9, 4)]] * 4, flops.Shape.of(CONFIG), RANK)
    assert [step.seconds for step in found] == [4.0, 1.0, 2.5, 1.0]
    assert [step.measured for step in found] == [False, True, False, True]


def test_rows_are_counted_up_to_their_last_target():
    row = {"step": 0, "input_ids": [5, 6, 7, 8, 9], "labels": [-100, -100, 7, 8, -100]}
    assert rows_of.sizes([row, {**row, "step": 1}]) == [[(5, 3, 2)], [(5, 3, 2)]]


def test_a_text_that_is_of_a_class_is_computed_whole_by_everybody():
    row = {"step": 0, "input_ids": [5, 6, 7], "labels": 4}
    assert rows_of.sizes([row]) == [[(3, 3, 1)]]
    assert watch.sizes(row) == [3, 3, 1]


def test_other_rows_than_those_given_are_noticed():
    given = [[(5, 3, 2), (6, 5, 1)], [(7, 6, 1)]]
    assert measures.strangers({"steps": [[[7, 6, 1], [5, 3, 2]], [[6, 5, 1]]]}, given) == []
    assert measures.strangers({"steps": [[[7, 6, 1], [5, 3, 2]], [[6, 4, 1]]]}, given) == [(6, 4, 1), (6, 5, 1)]


def test_the_moment_a_loss_is_reached_lies_between_two_measurements():
    report = {"spawned": 100.0, "stamps": [110.0, 120.0, 135.0, 145.0], "asides": [0.0, 0.0, 5.0, 0.0],
              "judged": [[2, 1.0], [4, 0.5]]}
    assert seconds_to_loss.reached(report, 0.75) == 20.0 + 0.5 * (40.0 - 20.0)
    assert seconds_to_loss.reached(report, 0.4) is None


def test_our_side_reports_what_the_figures_are_made_of(tmp_path, monkeypatch, capsys):
    base = tiny_base(tmp_path / "base")
    rows = [{"prompt": f"What is {n} and 1?", "answer": f"It is {n + 1}."} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "bench.yaml").write_text(
        f"base: {base}\ntask: chat\ndata: {{train: rows.jsonl, validation: 0, test: 0}}\n"
        f"training: {{steps: 2, batch_size: 2, max_length: 128}}\nrun: {{folder: {tmp_path / 'runs'}}}\n",
        encoding="utf-8")
    (tmp_path / "settings.json").write_text(json.dumps({"recipe": str(tmp_path / "bench.yaml")}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["ours.py", str(tmp_path / "settings.json")])
    ours.main()
    report = json.loads(capsys.readouterr().out)
    assert len(report["stamps"]) == len(report["losses"]) == len(report["tokens"]) == 2
    assert report["begun"] <= report["stamps"][0] <= report["stamps"][1]

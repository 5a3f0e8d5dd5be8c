"""The log of a served run: it keeps what the run says, loses nothing but what it counts, and survives being killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tunesmith.errors import Failure, Misuse
from tunesmith.monitoring import log as logs
from tunesmith.monitoring.features import Known, features
from tunesmith.monitoring.log import Judgement, Log, Seen, drawn, open_log
from tunesmith.monitoring.window import read
from tunesmith.recipe.monitoring import Monitoring

TEXT = Monitoring(keep="text")


def seen(number: int, asked: str = "Where is my card?", **changes) -> Seen:
    told = {"id": f"answer-{number}", "time": time.time(), "model": "orders", "kind": "predict", "asked": asked,
            "answered": "card_arrival", "tokens_in": 6, "tokens_out": 1, "seconds": 0.02, "confidence": 0.9,
            "label": "card_arrival", **changes}
    return Seen(**told)


def rows(path: Path, what: str = "*", table: str = "answers") -> list[tuple]:
    with sqlite3.connect(path) as database:
        return database.execute(f"select {what} from {table}").fetchall()


@pytest.fixture
def opened(tmp_path):
    made: list[Log] = []

    def open_with(settings: Monitoring = TEXT, known: Known | None = None) -> Log:
        made.append(open_log(tmp_path / "seen.sqlite", settings, known))
        return made[-1]

    yield open_with
    for each in made:
        each.close()


def test_an_answer_is_kept_with_its_judgement(opened):
    log = opened()
    log.write(seen(1))
    assert log.judge("answer-1", Judgement(good=False, correction="card_delivery"))
    assert log.flush()
    assert rows(log.path, "id, asked, answered, label, tokens_in") == [
        ("answer-1", "Where is my card?", "card_arrival", "card_arrival", 6)]
    assert rows(log.path, "answer, good, rating, correction", "judgements") == [("answer-1", 0, None, "card_delivery")]


def test_a_file_of_the_first_version_is_read_as_it_is_and_gets_scores_when_it_is_written(opened):
    first = opened()
    first.write(seen(1))
    first.close()
    with sqlite3.connect(first.path) as database:
        database.execute("alter table answers drop column scores")
        database.execute("pragma user_version = 1")
    database.close()
    before = first.path.read_bytes()
    [entry] = read(first.path, Known()).entries
    assert (entry.label, entry.scores) == ("card_arrival", {}) and first.path.read_bytes() == before
    log = opened()
    log.write(seen(2, scores={"card_arrival": 0.9, "kart gəldi": 0.1}))
    assert log.flush()
    found = read(log.path, Known())
    assert [entry.scores for entry in found.entries] == [{}, {"card_arrival": 0.9, "kart gəldi": 0.1}]
    assert found.rows.scores == ({}, {"card_arrival": 0.9, "kart gəldi": 0.1})
    log.close()
    with sqlite3.connect(log.path) as database:
        database.execute("update answers set scores = 'half of' where id = 'answer-2'")
    with pytest.raises(Misuse, match="no log of answers"):
        read(log.path, Known())


def test_a_second_judgement_takes_the_place_of_the_first(opened):
    log = opened()
    log.judge("answer-1", Judgement(rating=1))
    log.judge("answer-1", Judgement(rating=5))
    assert log.flush()
    assert rows(log.path, "rating", "judgements") == [(5,)]


def test_a_run_that_says_nothing_of_it_keeps_nothing(opened):
    log = opened(Monitoring())
    log.write(seen(1))
    assert not log.judge("answer-1", Judgement(good=True))
    assert log.flush()
    assert rows(log.path) == [] == rows(log.path, table="judgements")


def test_features_alone_hold_no_word_of_what_was_said(opened):
    log = opened(Monitoring(keep="features"), Known.of(["where is my"]))
    log.write(seen(1, "Where is my zanzibar?", answered="A secret answer", label=None))
    log.judge("answer-1", Judgement(correction="zanzibar"))
    assert log.flush()
    [(asked, answered, characters, unknown)] = rows(log.path, "asked, answered, characters, unknown")
    assert (asked, answered, characters, unknown) == (None, None, 21, 0.25)
    log.close()
    whole = b"".join(path.read_bytes() for path in log.path.parent.iterdir()).lower()
    assert b"zanzibar" not in whole and b"secret" not in whole


def test_personal_data_never_reaches_the_disk(opened):
    log = opened()
    log.write(seen(1, "I am anna@example.com, call +994 50 123 45 67", answered="Mail anna@example.com"))
    log.judge("answer-1", Judgement(correction="ask bob@example.com"))
    assert log.flush()
    assert rows(log.path, "asked, answered") == [("I am [EMAIL], call [PHONE]", "Mail [EMAIL]")]
    log.close()
    whole = b"".join(path.read_bytes() for path in log.path.parent.iterdir())
    assert b"example.com" not in whole


def test_a_share_is_drawn_by_the_id_the_same_in_every_process(opened):
    quarter = Monitoring(keep="text", share=0.25)
    log = opened(quarter)
    for number in range(400):
        log.write(seen(number))
    assert log.flush()
    kept = {name for [name] in rows(log.path, "id")}
    assert kept == {f"answer-{number}" for number in range(400) if drawn(f"answer-{number}", quarter)}
    assert 70 <= len(kept) <= 130
    assert not drawn("answer-1", Monitoring(share=1e-9)) and drawn("answer-1", Monitoring())


def test_threads_write_together_and_no_row_is_lost_or_crossed(opened):
    log = opened()

    def many(thread: int) -> None:
        for number in range(100):
            log.write(seen(thread * 100 + number, f"from {thread * 100 + number}"))

    threads = [threading.Thread(target=many, args=[thread]) for thread in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert log.flush()
    assert sorted(rows(log.path, "id, asked")) == sorted((f"answer-{n}", f"from {n}") for n in range(800))
    assert not log.unwritten


def test_a_full_queue_is_counted_and_keeps_nobody_waiting(opened, monkeypatch):
    monkeypatch.setattr(logs, "QUEUED", 5)
    held = threading.Event()
    monkeypatch.setattr(Log, "_commit", lambda self, rows: held.wait(30))
    log = opened()
    for number in range(40):
        log.write(seen(number))
    held.set()
    assert 25 <= log.unwritten["the queue was full"] <= 35


def test_rows_that_cannot_be_written_are_counted_told_in_the_file_and_take_no_other_with_them(opened):
    log = opened()
    log.write(seen(1))
    log.write(seen(1, "the same id again"))
    log.write(seen(2, tokens_in=2**70))
    log.write(seen(3))
    assert log.flush()
    assert sum(log.unwritten.values()) == 2
    log.write(seen(4))
    assert log.flush()
    assert [name for [name] in rows(log.path, "id")] == ["answer-1", "answer-3", "answer-4"]
    assert sum(count for [count] in rows(log.path, "rows", "lost")) == 2


def test_a_file_that_another_process_holds_costs_rows_and_no_answer(opened, monkeypatch):
    log = opened()
    log._database.execute("pragma busy_timeout = 1")
    with sqlite3.connect(log.path, isolation_level=None) as other:
        other.execute("begin exclusive")
        log.write(seen(1))
        assert log.flush()
        assert sum(log.unwritten.values()) == 1 and "locked" in next(iter(log.unwritten))
        other.execute("rollback")
    log.write(seen(2))
    assert log.flush()
    assert [name for [name] in rows(log.path, "id")] == ["answer-2"]


def test_half_a_character_is_kept_as_a_question_mark(opened):
    log = opened()
    log.write(seen(1, "caf\ud83d"))
    assert log.flush()
    assert rows(log.path, "asked") == [("caf?",)]


def test_what_is_too_old_or_too_much_is_deleted_oldest_first(opened):
    log = opened()
    now = time.time()
    for number in range(300):
        log.write(seen(number, "x" * 20_000, time=now - 300 + number))
    log.write(seen(1000, time=now - 40 * 86_400))
    log.judge("answer-1000", Judgement(good=True))
    assert log.flush()
    logs.sweep(log._database, Monitoring(keep="text", days=30, megabytes=2), now)
    kept = [name for [name] in rows(log.path, "id")]
    assert "answer-1000" not in kept and "answer-0" not in kept and "answer-299" in kept
    assert 50 <= len(kept) < 110
    assert log.path.stat().st_size <= 2_200_000


def test_what_is_too_old_is_gone_once_the_log_is_opened_though_nobody_asks(opened):
    log = opened(Monitoring(keep="text", days=3650))
    log.write(seen(1, time=time.time() - 40 * 86_400))
    log.write(seen(2))
    log.close()
    assert opened(Monitoring(keep="text", days=30)).flush()
    assert [name for [name] in rows(log.path, "id")] == ["answer-2"]


def test_the_file_is_its_owners_alone(opened):
    assert opened().path.stat().st_mode & 0o777 == 0o600


def test_another_programs_file_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "bank.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table money (amount integer)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(Misuse, match="no log of answers"):
        open_log(path, TEXT)
    assert path.read_bytes() == before
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(Misuse, match="no log of answers"):
        open_log(path, TEXT)


def test_a_folder_that_cannot_be_made_is_told_when_the_log_is_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be opened"):
        open_log(tmp_path / "file" / "seen.sqlite", TEXT)


KILLED = """
import sys, time
from pathlib import Path
from tunesmith.monitoring.log import Judgement, Seen, open_log
from tunesmith.recipe.monitoring import Monitoring
log = open_log(Path(sys.argv[1]), Monitoring(keep="text"))
start = int(sys.argv[2])
for number in range(start, start + 100_000):
    log.write(Seen(f"answer-{number:07}", time.time(), "m", "chat", "asked " * 20, f"{number}", 1, 1, 0.1))
    log.judge(f"answer-{number:07}", Judgement(good=True))
    if number % 7 == 0:
        log.flush()
        print(number, flush=True)
"""


def test_a_log_killed_at_any_moment_is_whole_and_has_all_that_was_flushed(tmp_path):
    path, start = tmp_path / "seen.sqlite", 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for times in (1, 9, 30, 80):
        running = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(start)], stdout=subprocess.PIPE,
                                   env=environment, text=True)
        flushed = [int(running.stdout.readline()) for _ in range(times)][-1]
        running.send_signal(signal.SIGKILL)
        running.wait()
        flushed = max([flushed, *(int(line) for line in running.stdout.read().split("\n")[:-1])])
        running.stdout.close()
        with sqlite3.connect(path) as database:
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
            kept = [(int(name[-7:]), answered) for name, answered in
                    database.execute("select id, answered from answers where id >= ? order by id",
                                     (f"answer-{start:07}",))]
            judged = database.execute("select count(*) from judgements").fetchone()[0]
        assert [number for number, _ in kept][: flushed - start + 1] == list(range(start, flushed + 1))
        assert all(answered == str(number) for number, answered in kept)
        assert judged >= flushed + 1 - start
        start = kept[-1][0] + 1


def test_words_are_known_again_whatever_their_case():
    known = Known.of(["Straße İstanbul"])
    told = features("STRASSE zebra", known)
    assert (told.words, told.unknown) == (2, 0.5)


def test_pieces_are_counted_up_to_what_a_byte_holds():
    found = Counter(features("a " * 2000).hashed)
    assert found[255] == 2 and sum(found.values()) == 1024

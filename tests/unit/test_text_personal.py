"""Personal data is told by its form, hidden by its kind, and numbers that are none are left alone."""

from __future__ import annotations

import re
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.load import load
from tunesmith.data.texts import texts
from tunesmith.text.personal import KINDS, masked, personal

KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA==\n-----END RSA PRIVATE KEY-----"
PLANTED = {
    "email": ["anna.b+x@mail.example.az", "ləman@nümunə.az", "<a_b@c-d.org>"],
    "phone": ["+994 50 123 45 67", "+994(50)1234567", "(050) 123-45-67", "0501234567", "012 404 10 10",
              "994 55 123 45 67",
              "(415) 555-0123", "415-555-0123", "1-800-555-0199", "+1 503-200-5678", "+44 20 7946 0958",
              "020 7946 0958",
              "8 (495) 123-45-67", "0532 123 45 67", "01 23 45 67 89", "call me at 5550123",
              "telefon nömrəsi: 4041010"],
    "card": ["4111 1111 1111 1111", "5500-0055-5555-5559", "378282246310005", "3782 822463 10005",
              "8600 1234 5678 9012"],
    "iban": ["AZ21NABZ00000000137010001944", "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432",
             "TR330006100519786457841326", "FR14 2004 1010 0505 0001 3M02 606"],
    "ip": ["85.132.24.7", "192.168.1.17", "IP: 8.8.8.8", "2001:4860:4860::8888", "http://10.20.30.40/x"],
    "key": ["sk-proj-abcdEFGH1234567890abcdEF", "ghp_" + "a1B2" * 9, "AKIAIOSFODNN7EXAMPLE", "AIza" + "SyA1b" * 7,
            "xoxb-123456789012-abcdefABCDEF", "hf_" + "aB3" * 11, "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", KEY_BLOCK,
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"],
    "id": ["SSN: 219-09-9999", "social security number is 219 09 9999", "FİN: 5ZK8Q2A", "FİN kod 1AB2C3D"],
}
NONE = [
    "version 10.2.33.4", "v 1.2.3.4", "see 1.2.3.4", "127.0.0.1 and 0.0.0.0", "255.255.255.0", "Chrome/91.0.4472.124",
    "4111 1111 1111 1112", "1234567890123456", "DE88 3704 0044 0532 0130 00", "ZZ12ABCD12345678901", "12:34:56",
    "std::map::x",
    "2020-03-15", "15.03.2020-16.04.2020", "15 000 000", "3.14159265358979", "1,234,567,890", "10 * 20 + 300 = 500",
    "+20+30+1000", "order 5550123", "the phone costs 1200.50", "call 911", "a phone of 2019 2020", "219-09-9999 parts",
    "@decorator", "a @ b", "user@host", "sk-learn-is-a-package-for-python", "FINLAND", "fin 1AB2C3D",
    "x = 0x0501234567",
    "<<8*5=40>>40 #### 40", "cell phones.\n#### 655502", "c++ 2023-2024", "1990-2020 call 1990-2020", "ISO 8601-2019-1",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, each in PLANTED.items() for text in each])
def test_each_kind_is_found_by_its_form_inside_a_sentence(kind, text):
    sentence = f"Yaz: {text}, sağ ol."
    found = personal(sentence)
    assert [one.kind for one in found] == [kind]
    assert not re.search(r"\d{4}", masked(sentence)) and found[0].mask in masked(sentence)
    assert masked(sentence).startswith("Yaz: ") and masked(sentence).endswith(", sağ ol.")


@pytest.mark.parametrize("text", NONE)
def test_what_only_looks_like_it_is_left_alone(text):
    assert personal(text) == [] and masked(text) == text


def test_only_the_kinds_that_are_chosen_are_hidden():
    text = "anna@mail.az, 415-555-0123"
    assert masked(text, ["email"]) == "[EMAIL], 415-555-0123"
    assert set(PLANTED) == set(KINDS)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*chain(*PLANTED.values()), *NONE, "tel", "phone", " ", "-", "\n", "1", ", "]),
                max_size=12))
def test_hiding_twice_is_hiding_once_and_nothing_that_was_found_stays(parts):
    once = masked(" ".join(parts))
    assert masked(once) == once and personal(once) == []


def test_the_dialogues_of_chat_sgd_name_phones_and_nothing_else(shared):
    examples = load("chat_sgd/train.jsonl", base_folder=shared / "data").examples
    kinds = [found.kind for example in examples for text in texts(example) for found in personal(text)]
    written = [text for example in examples for text in texts(example)
               if re.search(r"\b\d{3}-\d{3}-\d{4}\b", text)]  # as the set writes American numbers
    assert set(kinds) == {"phone"} and len(written) == 120
    assert all(any(found.kind == "phone" for found in personal(text)) for text in written)


@pytest.mark.parametrize(("file", "most"), [
    ("gsm8k/train.jsonl", 0), ("scitldr/train.jsonl", 0), ("goemotions/train.tsv", 0), ("text_az/ted_az.txt", 0)])
def test_sets_without_personal_data_give_no_alarm(shared, file, most):
    examples = load(file, base_folder=shared / "data").examples
    assert sum(bool(personal(text)) for example in examples for text in texts(example)) <= most

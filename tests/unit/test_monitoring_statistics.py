"""Two-sample tests by permutation: held against scipy's and scikit-learn's own numbers, and against their promise."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.monitoring import statistics

DRAWS = 400


def draws() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_distance_of_two_distributions_is_scipys(ties):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    for _ in range(20):
        one, two = rng.normal(size=60), rng.normal(0.3, 1.4, size=45)
        if ties:
            one, two = one.round(), two.round()
        found = statistics.distributions(one, two, draws=DRAWS, rng=draws())
        assert found.effect == pytest.approx(stats.ks_2samp(one, two).statistic, abs=1e-12)
        found = statistics.distributions(one, two, draws=DRAWS, rng=draws(), larger=True)
        assert found.effect == pytest.approx(stats.ks_2samp(one, two, alternative="greater").statistic, abs=1e-12)


def test_the_p_value_of_two_distributions_is_scipys_by_permutation():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(2)
    one, two = rng.normal(size=60), rng.normal(0.4, size=60)
    exact = stats.ks_2samp(one, two, method="exact").pvalue
    found = statistics.distributions(one, two, draws=4000, rng=draws())
    assert found.p == pytest.approx(exact, abs=0.02)


def test_the_p_value_of_shares_is_that_of_the_chi_square_test():
    stats = pytest.importorskip("scipy.stats")
    before, after = ["a"] * 60 + ["b"] * 30 + ["c"] * 10, ["a"] * 40 + ["b"] * 35 + ["c"] * 25
    exact = stats.chi2_contingency([[60, 30, 10], [40, 35, 25]], correction=False).pvalue
    found = statistics.shares(before, after, draws=20_000, rng=draws())
    assert found.p == pytest.approx(exact, abs=0.004)
    assert found.effect == pytest.approx(0.2)


def test_more_often_is_fishers_exact_test():
    stats = pytest.importorskip("scipy.stats")
    for before, after in (((3, 200), (9, 180)), ((0, 50), (0, 40)), ((10, 20), (1, 30)), ((5, 5), (4, 4))):
        table = [[after[0], after[1] - after[0]], [before[0], before[1] - before[0]]]
        exact = stats.fisher_exact(table, alternative="greater").pvalue
        assert statistics.more_often(before, after).p == pytest.approx(exact, rel=1e-9)


def test_the_area_under_the_curve_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    scores, chosen = rng.normal(size=(5, 80)), rng.random((5, 80)) < 0.4
    found = statistics.area(scores, chosen)
    assert found == pytest.approx([metrics.roc_auc_score(*each) for each in zip(chosen, scores, strict=True)])


def test_the_classifier_leaves_each_row_out_as_a_fit_without_it_does():
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(4)
    vectors = np.concatenate([rng.normal(size=(30, 6)), rng.normal(0.4, size=(20, 6))])
    chosen = np.arange(50) >= 30
    centred = vectors - vectors.mean(0)
    ridge = statistics.RIDGE * (centred**2).sum() / 50
    scores = []
    for left_out in range(50):
        kept = np.arange(50) != left_out
        # the hat matrix holds the centre of all rows fixed: so does this
        model = linear.Ridge(alpha=ridge, fit_intercept=False).fit(
            np.c_[centred, np.full(50, np.sqrt(ridge) * 1e4)][kept], chosen[kept].astype(float))
        scores.append(model.predict(np.c_[centred, np.full(50, np.sqrt(ridge) * 1e4)][[left_out]])[0])
    found = statistics.told_apart(vectors, 20, draws=10, rng=draws())
    assert found.effect == pytest.approx(metrics.roc_auc_score(chosen, scores), abs=0.01)


def test_the_kernel_distance_is_the_sum_over_all_pairs():
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=(12, 3)), rng.normal(0.5, size=(9, 3))
    both = np.concatenate([one, two])
    far = ((both[:, None] - both[None]) ** 2).sum(-1)
    kernel = np.exp(-far / np.median(far[np.triu_indices(21, 1)]))
    naive = kernel[:12, :12].mean() + kernel[12:, 12:].mean() - 2 * kernel[:12, 12:].mean()
    found = statistics.kernel_distance(both, 9, draws=10, rng=draws())
    assert found.effect == pytest.approx(naive)


def ones(names: list[str], among: str) -> np.ndarray:
    """Rows of one label each, as weights."""
    return np.array([[name == each for each in among] for name in names], float)


def test_of_two_names_the_p_value_of_parts_is_that_of_the_chi_square_test():
    stats = pytest.importorskip("scipy.stats")  # of two names both steps are equal, so that looking twice costs nothing
    before, after = ["a"] * 300 + ["b"] * 100, ["a"] * 160 + ["b"] * 80
    found = statistics.parts(ones(before, "ab"), ones(after, "ab"), draws=20_000, rng=draws())
    assert found.p == pytest.approx(stats.fisher_exact([[300, 100], [160, 80]]).pvalue, abs=0.01)
    assert found.effect == pytest.approx(0.75 - 160 / 240)


def test_parts_do_not_mind_names_that_no_row_has_nor_rows_that_are_all_alike():
    same = np.tile([0.2, 0.8, 0.0], (60, 1))
    found = statistics.parts(same[:40], same[40:], draws=20, rng=draws())
    assert (found.effect, found.p) == (pytest.approx(0, abs=1e-12), 1.0)


def caught(made, trials: int = 40) -> float:
    """How often a drift is found at 0.01. made: the rows of both sides by a generator."""
    return float(np.mean([statistics.parts(*made(np.random.default_rng(trial)), draws=DRAWS, rng=draws()).p <= 0.01
                          for trial in range(trials)]))


def test_one_name_of_many_that_comes_more_often_is_found_and_so_are_many_that_do():
    def made(times: np.ndarray):
        def sides(rng):
            shares = times / times.sum()
            return [np.eye(60)[rng.choice(60, many, p=each)] for many, each in ((800, np.full(60, 1 / 60)),
                                                                                (400, shares))]
        return sides

    assert caught(made(np.where(np.arange(60) == 0, 6.0, 1.0))) > 0.9
    assert caught(made(np.where(np.arange(60) < 20, 4.0, 1.0))) > 0.9
    assert caught(made(np.ones(60))) <= 0.05


def test_probabilities_of_a_weak_classifier_say_more_than_its_labels():
    def sides(rng, hard: bool):
        found = []
        for many, shares in ((600, (1 / 3, 1 / 3, 1 / 3)), (300, (0.55, 0.225, 0.225))):
            seen = 0.6 * np.eye(3)[rng.choice(3, many, p=shares)] + rng.normal(size=(many, 3))
            told = np.exp(0.6 * seen)
            told /= told.sum(1, keepdims=True)
            found.append(np.eye(3)[told.argmax(1)] if hard else told)
        return found

    soft, hard = (caught(lambda rng, hard=hard: sides(rng, hard)) for hard in (False, True))
    assert soft >= hard + 0.1


@pytest.mark.parametrize("test", ["distributions", "shares", "parts", "told_apart", "kernel_distance"])
def test_p_values_are_at_most_as_small_as_they_say_where_nothing_differs(test):
    rng = np.random.default_rng(6)
    found = []
    for trial in range(200):
        made = np.random.default_rng(trial)
        if test == "distributions":
            told = statistics.distributions(rng.integers(0, 9, 40) * 1.0, rng.integers(0, 9, 25) * 1.0, draws=99,
                                            rng=made)
        elif test == "shares":
            told = statistics.shares([*rng.choice(list("abcd"), 40)], [*rng.choice(list("abcd"), 25)], draws=99,
                                     rng=made)
        elif test == "parts":
            told = statistics.parts(rng.dirichlet(np.full(9, 0.3), 40), rng.dirichlet(np.full(9, 0.3), 25), draws=99,
                                    rng=made)
        else:
            told = vars(statistics)[test](rng.normal(size=(50, 8)), 20, draws=99, rng=made)
        found.append(told.p)
    for level in (0.05, 0.2, 0.5):
        # 200 trials: three standard deviations above what is promised
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 200)
    assert min(found) >= 1 / 99


@pytest.mark.parametrize("test", ["told_apart", "kernel_distance"])
def test_what_differs_is_found(test):
    rng = np.random.default_rng(7)
    vectors = np.concatenate([rng.normal(size=(100, 8)), rng.normal(0.7, size=(100, 8))])
    assert vars(statistics)[test](vectors, 100, draws=DRAWS, rng=draws()).p == 1 / DRAWS


def test_texts_that_are_all_the_same_tell_nothing_apart():
    same = np.ones((60, 4))
    assert statistics.told_apart(same, 20, draws=20, rng=draws()).p == 1.0
    assert statistics.kernel_distance(same, 20, draws=20, rng=draws()).p == 1.0


def test_holms_correction_is_as_he_wrote_it():
    told = statistics.holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5})
    assert told == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "d": 0.5})


def test_a_test_that_weighs_more_may_use_more_of_the_rate_and_all_together_no_more_than_it():
    even = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5}
    assert statistics.holm(even, dict.fromkeys(even, 2.0)) == pytest.approx(statistics.holm(even))
    # 0.012 of b weighs as 0.004 would: first of five parts, then a of two
    assert statistics.holm({"a": 0.02, "b": 0.012, "c": 0.9}, {"b": 3, "absent": 9}) == pytest.approx(
        {"b": 0.02, "a": 0.04, "c": 0.9})
    rng, alarms = np.random.default_rng(8), 0
    for _ in range(2000):
        alarms += min(statistics.holm(dict(zip("abcd", rng.random(4), strict=True)), {"a": 5}).values()) <= 0.05
    assert alarms <= 2000 * 0.05 + 3 * np.sqrt(2000 * 0.05 * 0.95)

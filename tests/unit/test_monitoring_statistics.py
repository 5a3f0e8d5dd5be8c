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


@pytest.mark.parametrize("test", ["distributions", "shares", "told_apart", "kernel_distance"])
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

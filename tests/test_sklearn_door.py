"""The classifier does as scikit-learn's do."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from ambulo import AmbuloClassifier, Recognizer
from ambulo.errors import TrainingError
from ambulo.sklearn_door import ShapeError
from ambulo.windows import Windows

FAILS = {
    "check_classifiers_train": "its windows have two samples: no shape in time to learn from",
    "check_methods_subset_invariance": "float32; its windows of three samples lie on thresholds",
}
QUICK = (
    *(
        "check_estimator_cloneable",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
    ),
    *(
        "check_set_params",
        "check_estimators_unfitted",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
    ),
    *("check_complex_data", "check_estimators_nan_inf", "check_classifiers_one_label"),
    *(
        "check_n_features_in_after_fitting",
        "check_dict_unchanged",
        "check_estimators_empty_data_messages",
    ),
)
"""The others fit a dozen times for two minutes: they run where AMBULO_NIGHTLY is set."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pair
        for pair in estimator_checks_generator(
            AmbuloClassifier(random_state=0), expected_failed_checks=FAILS, mark="skip"
        )
        if os.environ.get("AMBULO_NIGHTLY") or getattr(pair[1], "func", pair[1]).__name__ in QUICK
    ],
    ids=lambda x: getattr(getattr(x, "func", x), "__name__", ""),
)
def test_scikit_learns_own_checks(estimator: AmbuloClassifier, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def quick(**settings: object) -> AmbuloClassifier:
    options = {"sizes": {"features": 252}, "copies": 1}
    return AmbuloClassifier("rocket", options=options, random_state=0, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fitted(synthetic: Windows) -> AmbuloClassifier:
    known = synthetic.labelled()
    names = np.array(known.activities)[known.labels]
    classifier = quick(channels=known.channels)
    return classifier.fit(known.values, names, groups=known.subjects)


def test_arrays_flat_or_in_lists_are_the_same_windows(
    fitted: AmbuloClassifier, synthetic: Windows
) -> None:
    known = synthetic.labelled()
    expected = fitted.predict_proba(known.values)
    assert expected.shape == (len(known), 6) and expected.sum(axis=1) == pytest.approx(1)
    for form in (
        known.values.reshape(len(known), -1),
        list(known.values),
        [known.values[:7], known.values[7:]],
    ):
        np.testing.assert_allclose(fitted.predict_proba(form), expected, atol=1e-6)
    truth = np.array(known.activities)[known.labels]
    assert fitted.score(known.values, truth) > 0.9


@pytest.mark.slow
def test_a_list_of_people_is_groups(synthetic: Windows) -> None:
    known = synthetic.labelled()
    parts = [known.of([person]) for person in known.people]
    listed = quick().fit([part.values for part in parts], [part.labels for part in parts])
    people = np.concatenate([np.full(len(part), k) for k, part in enumerate(parts)])
    plain = quick().fit(
        np.concatenate([p.values for p in parts]), np.concatenate([p.labels for p in parts]), people
    )
    x = known.values[:20]
    np.testing.assert_allclose(listed.predict_proba(x), plain.predict_proba(x), atol=1e-6)


def test_windows_of_nobody_are_dealt_to_some_people(
    synthetic: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many people as windows would each be a stranger to all others once."""
    seen: list[Windows] = []

    def train(model: str, windows: Windows, **options: object) -> None:
        seen.append(windows)

    monkeypatch.setattr("ambulo.training.train", train)
    AmbuloClassifier().fit(np.zeros((1203, 4, 2)), np.arange(1203) % 3)
    AmbuloClassifier().fit(np.zeros((20, 4, 2)), np.arange(20) % 2)
    many, few = seen
    assert len(many.people) == 30 and len(few.people) == 20
    assert len(set(many.recordings)) == 1203  # no window speaks for the next
    counts = [np.bincount(many.of([person]).labels, minlength=3) for person in many.people]
    assert np.min(counts) >= 13


def test_its_recognizer_is_saved_and_it_crosses_processes(
    fitted: AmbuloClassifier, synthetic: Windows, tmp_path: Path
) -> None:
    x = synthetic.values[:10]
    loaded = Recognizer.load(fitted.recognizer_.save(tmp_path / "r.ambulo"))
    np.testing.assert_allclose(loaded.probabilities(x), fitted.predict_proba(x), atol=1e-5)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    np.testing.assert_array_equal(again.predict(x), fitted.predict(x))


def test_cross_validation_by_people(synthetic: Windows) -> None:
    known = synthetic.labelled()
    scores = cross_val_score(
        quick(channels=known.channels), known.values, known.labels,
        groups=known.subjects, cv=GroupKFold(2),
    )  # fmt: skip
    assert scores.min() > 0.5


def test_what_does_not_fit_is_told(fitted: AmbuloClassifier, synthetic: Windows) -> None:
    x, y = synthetic.values[:20], np.arange(20) % 2
    with pytest.raises(NotFittedError):
        clone(fitted).predict(x)
    with pytest.raises(ShapeError, match="cut them alike"):
        quick().fit(x, y).predict(x[:, :, :5])
    with pytest.raises(ShapeError, match="one class"):
        AmbuloClassifier().fit(x, y * 0)
    with pytest.raises(ShapeError, match="one each"):
        AmbuloClassifier().fit(x, y, groups=[1, 2])
    with pytest.raises(ShapeError, match="4 names|names in channels"):
        AmbuloClassifier(channels=["acc_x"] * 4).fit(x, y)
    with pytest.raises(ShapeError, match="one length"):
        AmbuloClassifier().fit([x[0], x[1][:5]], y[:2])


def test_too_few_windows_are_told() -> None:
    two = np.random.default_rng(0).normal(size=(2, 50, 3))
    with pytest.raises(TrainingError, match="1 of 2 windows is left to learn from"):
        AmbuloClassifier("best", channels=("acc_x", "acc_y", "acc_z")).fit(two, [0, 1])
    known = AmbuloClassifier(
        "best", channels=("acc_x", "acc_y", "acc_z"), options={"validation": 0}
    ).fit(two, [0, 1])
    assert np.isfinite(known.predict_proba(two)).all()


def test_people_in_a_list_are_scored(fitted: AmbuloClassifier, synthetic: Windows) -> None:
    names = np.array(synthetic.activities)[synthetic.labels]
    whose = [synthetic.subjects == person for person in synthetic.people[:2]]
    both = whose[0] | whose[1]
    score = fitted.score([synthetic.values[k] for k in whose], [names[k] for k in whose])
    assert score == fitted.score(synthetic.values[both], names[both])


def test_nothing_and_no_rate_are_told(synthetic: Windows) -> None:
    with pytest.raises(ValueError, match="0 sample"):
        AmbuloClassifier().fit(synthetic.values[:0], synthetic.labels[:0])
    with pytest.raises(ShapeError, match="rate=0"):
        AmbuloClassifier(rate=0).fit(synthetic.values, synthetic.labels)

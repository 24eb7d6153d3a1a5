"""Settings of a training run: what is misspelt, contradicts or would not be heeded is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")

from pstmo_core.atomic_files import OutputError
from pstmo_core.errors import ConfigError
from pstmo_core.training.config import load_run_config
from pstmo_core.training.contradictions import refuse_contradictions
from pstmo_core.training.recipes import recipe_names, recipe_path
from pstmo_core.training.run_folder import check_run_folder


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimiser.stepz=7", "no setting is 'optimiser.stepz': did you mean steps?"),
        ("balance.crouchd=0.1", "no setting is 'balance.crouchd'"),
        ("model.frames=28", "frames is 28"),
        ("optimiser.batch=many", "batch"),
        ("precision=fp8", "must be one of 'bf16', 'fp16', 'fp32'"),
        ("seed=-1", "seed is -1"),
        ("save_every=0", "save_every is 0"),
        ("optimiser.kind=sgd", "optimiser.kind is 'sgd', but must be one of 'adamw', 'amsgrad'"),
        ("optimiser.schedule=step", "must be one of 'constant_decay', 'exponential'"),
        ("optimiser.accumulate=0", "optimiser.accumulate is 0"),
        ("optimiser.learning_rate=fast", "optimiser.learning_rate is 'fast', but must be a number"),
        ("loss.velocity=true", "loss.velocity is True, but must be a number"),
        ("stream.rates=[slow,9]", "stream.rates is 'slow', but must be a number"),
        ("stream.rates=[9]", r"stream.rates is \[9\], but must be a list of 2"),
        ("mocap_more=own.npz", r"mocap_more is 'own.npz', but must be a list: mocap_more=\["),
        ("without_licences=CC BY", "without_licences is 'CC BY', but must be a list"),
        ("optimiser.learning_rate=" + "9" * 400, "too large"),
        ("loss.velocity=-1", "loss.velocity is -1.0, but must be a number of 0.0 or more"),
        ("sampler.join_share=50", "join_share is 50.0, but must be a number between 0.0 and 1.0"),
        ("sampler.twins=0.6", "sampler.twins is 0.6, but must be a number between 0.0 and 0.5"),
        ("balance.low=12", "balance.low is 12.0"),
        ("stream.frames=1", "stream.frames is 1"),
        ("stream.asked=41", "stream.asked is 41, but a sequence has only 40 frames"),
    ],
)
def test_a_wrong_override_is_refused_with_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_run_config(None, [override])


def test_a_name_without_a_value_empties_a_text_or_list_of_the_file() -> None:
    emptied = ["initial=", "mocap_more=", "mocap_replaced=", "without_licences=", "balance="]
    run = load_run_config(recipe_path("lifter27"), emptied)
    assert run.initial == run.mocap_replaced == ""
    assert run.mocap_more == run.without_licences == ()
    assert run.balance is None
    with pytest.raises(ConfigError, match="lifter27.yaml and the values after it: .*seed"):
        load_run_config(recipe_path("lifter27"), ["seed="])


def test_a_runs_folder_stands_for_its_settings(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").touch()
    assert recipe_path(tmp_path) == tmp_path / "run.yaml"
    with pytest.raises(OutputError, match="is a file, but `output` must name a folder"):
        check_run_folder(load_run_config(None, [f"output={tmp_path / 'run.yaml'}"]))


def test_the_shipped_runs_contradict_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for name in recipe_names():
        refuse_contradictions(load_run_config(recipe_path(name), []))
    assert not caplog.records


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("stage=pretrain initial=a", "initial is 'a', which is for stage=lift and live, but"),
        ("stage=pretrain encoder=a", "encoder is 'a', which is for stage=lift, but stage is"),
        ("stage=live encoder=a", "stage is live: leave it out, or set encoder="),
        ("lifter=a", "lifter is 'a', which is for stage=refine"),
        ("encoder=a initial=b", "set encoder= or initial="),
        ("stage=refine", "stage=refine needs lifting weights"),
        ("stage=live dataset.kind=h36m", "leave dataset.kind empty"),
        ("dataset.poses=a dataset.train=b", "dataset.poses and dataset.train would not be read"),
        ("dataset.kind=mocap mocap_more=[a]", "leave mocap_more empty"),
        ("loss.sigma=0.01", "the network has no sigma: set model.sigma=true"),
        ("dataset.kind=mpi_inf_3dhp loss.bones=1", "other joints: set loss.bones=0"),
        ("loss.twins=1", "no window has a twin"),
    ],
)
def test_settings_that_contradict_or_would_not_be_heeded_are_refused(
    overrides: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        refuse_contradictions(load_run_config(None, overrides.split()))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("model.sigma=true", "loss.sigma is 0: sigma is not trained"),
        ("stage=live loss.sigma=1", "loss.moments is 0: only the look-ahead 0 is trained"),
    ],
)
def test_outputs_that_are_not_trained_are_named(
    overrides: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_contradictions(load_run_config(None, overrides.split()))
    assert [record.message for record in caplog.records if sentence in record.message]

from pathlib import Path

import pytest

from app.checks import StartError, listen, read_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # Settings, in either case; what docker-compose.yml has; what Kubernetes and Docker's links inject.
        ("AKSHAR_MAX_QUEUE", "500"),
        ("akshar_max_queue", "500"),
        ("AKSHAR_BIND", "0.0.0.0"),
        ("AKSHAR_PORT", "8000"),
        ("AKSHAR_PORT", "tcp://10.0.0.1:8000"),
        ("AKSHAR_SERVICE_HOST", "10.0.0.1"),
        ("AKSHAR_SERVICE_PORT", "8000"),
        ("AKSHAR_SERVICE_PORT_HTTP", "8000"),
        ("AKSHAR_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("AKSHAR_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("AKSHAR_GPU_SERVICE_HOST", "10.0.0.1"),
        ("AKSHAR_GPU_PORT", "tcp://10.0.0.1:8000"),
        ("AKSHAR_GPU_PORT_8000_TCP_PROTO", "tcp"),
        ("AKSHAR_NAME", "/web/akshar"),
        ("OTHER_MAX_QUE", "5"),
    ],
)
def test_variables_that_are_none_of_our_settings_and_no_mistake(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    read_settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AKSHAR_MAX_QUE", "AKSHAR_MAX_QUEUE"),
        ("akshar_max_que", "AKSHAR_MAX_QUEUE"),
        ("AKSHAR_PROB_PORT", "AKSHAR_PROBE_PORT"),
        ("AKSHAR_XYZZY", ""),
    ],
)
def test_a_mistaken_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "5")
    with pytest.raises(StartError, match=name.upper()) as refusal:
        read_settings()
    assert (f"did you mean {meant}?" in str(refusal.value)) == bool(meant)


def test_the_library_takes_no_offence_at_unknown_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from akshar.model.manifest import BundleError
    from akshar.reader import Reader

    monkeypatch.setenv("AKSHAR_MAX_QUE", "5")
    with pytest.raises(BundleError):
        Reader(tmp_path)


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(StartError, match=r"cannot listen on 203\.0\.113\.1, port 0"):
        listen("203.0.113.1", 0)

"""The places of a cluster, as they are written; and the addresses that are refused."""

import socket

import pytest

from ticketlab.cli import main
from ticketlab.engine.places import Address, Local, Slurm, parse_place
from ticketlab.errors import UserError


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("local", Local()),
        ("local:4", Local(4)),
        ("slurm", Slurm()),
        (
            "slurm:20,queue=short,memory=8GB,walltime=02:00:00",
            Slurm(20, "short", memory="8GB", walltime="02:00:00"),
        ),
        ("slurm:directives=--qos=long+--nice", Slurm(directives=("--qos=long", "--nice"))),
        ("tls://node7:8786", Address("tls://node7:8786")),
        ("node7:8786", Address("tls://node7:8786")),
        ("tcp://127.0.0.1:8786", Address("tcp://127.0.0.1:8786")),
        ("tcp://localhost:8786", Address("tcp://localhost:8786")),
        ("tcp://[::1]:8786", Address("tcp://[::1]:8786")),
    ],
)
def test_places_are_written(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("locl", "expected local, local:N, slurm:field=value"),
        ("local:0", "0 workers"),
        ("local:many", "a whole number"),
        ("slurm:que=short", "Did you mean 'queue'"),
        ("slurm:walltime=long", "a time such as 02:00:00"),
        ("slurm:memory=lots", "a size such as 8GB"),
        ("slurm:gpus=2", "0 or 1"),
        ("slurm:jobs=0", "1 to 1024"),
        ("http://127.0.0.1:8787", "an address such as tls://"),
        ("tcp://127.0.0.1", "an address such as tls://"),
        ("nowhere.json", "names no scheduler"),
        ("tcp://192.168.0.10:8786", "not on this host and has no TLS; expected tls://192.168.0.10:8786"),
        ("tcp://0.0.0.0:8786", "has no TLS"),
        ("tcp://[2001:db8::1]:8786", "has no TLS"),
    ],
)
def test_others_are_refused(text, words):
    with pytest.raises(UserError) as refused:
        parse_place(text)
    assert words in str(refused.value)


def test_a_name_is_here_only_if_all_its_addresses_are(monkeypatch):
    def both(host, port):
        return [(2, 1, 6, "", ("127.0.0.1", 0)), (2, 1, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(UserError, match="has no TLS"):
        parse_place("tcp://here:8786")
    assert parse_place("tcp://here:8786", insecure=True) == Address("tcp://here:8786")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--jobs", "0"], "got --jobs 0"),
        (["--jobs", "2", "--devices", "2"], "got --jobs with --devices; expected one of them"),
        (["--jobs", "2", "--cluster", "local"], "got --jobs with --cluster"),
        (["--cluster", "tcp://192.168.0.10:8786"], "In a network that you trust, add --insecure-cluster."),
        (["--insecure-cluster"], "got --insecure-cluster alone"),
    ],
)
def test_the_command_refuses_what_cannot_be(words, why, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "toy", *words], {"toy": "toy_study:Toy"}) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()

# https: a hub whose certificate nobody vouches for is sent nothing, and one that the user trusts is used.
import ssl
import subprocess

import pytest
from fake_hub import FakeHub
from hub_cache import holds, model, snapshots

VARIABLES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def make_certificate(folder, names):
    """A key and a certificate that it signed itself, in one file."""
    place = folder / "hub.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", place, "-out", folder / "certificate.pem", "-days", "2", "-subj", "/CN=a hub of the tests",
                    "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
    place.write_text(place.read_text() + (folder / "certificate.pem").read_text())
    return place


@pytest.fixture
def names():
    return "IP:127.0.0.1"


@pytest.fixture
def certificate(tmp_path, names):
    return make_certificate(tmp_path, names)


@pytest.fixture
def hub(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeHub(tls=context) as running:
        running.tokens.add("hf_right")
        yield running


@pytest.fixture
def environment(environment):
    return {key: value for key, value in environment.items() if key not in VARIABLES} | {"HF_TOKEN": "hf_right"}


def test_a_certificate_of_its_own_is_refused(hub, refused):
    hub.add("org/name", model())
    refused(hub.url, "certificate", "SSL_CERT_FILE can name a file", code=4)
    assert hub.requests == []


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_certificate_that_a_variable_names_is_accepted(hub, run, cache, certificate, variable):
    files = model()  # the weights come from the second server
    hub.add("org/name", files)
    result = run("download", "org/name", env={variable: str(certificate)})
    assert result.returncode == 0, result.stderr
    assert holds(snapshots(cache)[0], files)


@pytest.mark.parametrize("names", ["DNS:elsewhere.example"])
def test_a_certificate_of_another_host_is_refused_though_it_is_trusted(hub, refused, certificate):
    hub.add("org/name", model())
    refused("certificate", f"{certificate}, which SSL_CERT_FILE names", code=4, env={"SSL_CERT_FILE": str(certificate)})
    assert hub.requests == []


def test_a_file_of_certificates_that_is_not_there_is_named(hub, refused, tmp_path):
    hub.add("org/name", model())
    missing = tmp_path / "missing.pem"
    refused(f"{missing}, which CURL_CA_BUNDLE names", code=4, env={"CURL_CA_BUNDLE": str(missing)})


def test_a_redirect_out_of_the_encryption_is_refused(hub, refused, certificate):
    hub.add("org/name", model())
    hub.store_scheme = "http"
    refused("redirects to http://", "it is not encrypted", code=4, env={"SSL_CERT_FILE": str(certificate)})

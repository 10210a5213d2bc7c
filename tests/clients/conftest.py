"""What the tests of the official clients share."""

import json
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.clients.node import require_packages
from tests.clients.serving import Served
from tests.processes.children import nursery


@pytest.fixture(scope="session")
def node() -> str:
    """The program Node.js, beside the packages of npm."""
    return require_packages()


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secret key of a provider of identities, as PEM."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    path = tmp_path_factory.mktemp("provider") / "key.pem"
    path.write_bytes(pem)
    return path


@pytest.fixture(scope="session")
def jwks(signing_key: Path) -> str:
    """The public key of that provider, as the server is given it."""
    algorithm = jwt.get_algorithm_by_name("EdDSA")
    key = algorithm.prepare_key(signing_key.read_text()).public_key()
    return json.dumps({"keys": [{**algorithm.to_jwk(key, as_dict=True), "kid": "1"}]})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, jwks: str):
    """A server that all tests of a module share; it has to end well."""
    with nursery() as start:
        server = Served(start, tmp_path_factory.mktemp("served") / "db", jwks)
        yield server
        server.finish()

"""Keys, seals and signatures (page 05)."""

import hashlib
import hmac

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wire import Refused, require

SUITE = 1
VERSION = 1
OVERHEAD = 32 + 16


def hash32(data):
    return blake3(data).digest()


def keyed(key, data):
    return blake3(data, key=key).digest()


def derive(context, material):
    return blake3(material, derive_key_context=context).digest()


def symmetric_key(root, salt, name=b""):
    """The object key that a root gives to the object with this salt, or to a named part of it."""
    return derive("holdall 1 object key", derive("holdall 1 root symmetric", root) + salt + name)


def public_half(root):
    secret = X25519PrivateKey.from_private_bytes(derive("holdall 1 root x25519", root))
    return secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def exported_secret(root, enc):
    """What the HPKE receiver exports (RFC 9180, base mode), written out."""
    kem, hpke = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"

    def extract(suite, salt, label, data):
        return hmac.digest(salt, b"HPKE-v1" + suite + label + data, hashlib.sha256)

    def expand(suite, key, label, data):
        # One block of HKDF-Expand is all the 32 bytes that are ever asked for.
        return hmac.digest(key, b"\x00\x20HPKE-v1" + suite + label + data + b"\x01", hashlib.sha256)

    secret = X25519PrivateKey.from_private_bytes(derive("holdall 1 root x25519", root))
    try:
        shared = secret.exchange(X25519PublicKey.from_public_bytes(enc))
    except ValueError as error:
        raise Refused("the key field gives 32 zero bytes") from error  # [SEAL-6]
    shared = expand(kem, extract(kem, b"", b"eae_prk", shared), b"shared_secret", enc + public_half(root))
    context = b"\x00" + extract(hpke, b"", b"psk_id_hash", b"") + \
        extract(hpke, b"", b"info_hash", b"holdall 1 encapsulation")
    exporter = expand(hpke, extract(hpke, shared, b"secret", b""), b"exp", context)
    return expand(hpke, exporter, b"sec", b"holdall 1 exported key")


def field_key(root, kind, field, salt):
    """The object key that a key field yields: symmetric (0) or encapsulated (1)."""
    if kind == 0:
        return symmetric_key(root, salt)
    return derive("holdall 1 object key", exported_secret(root, field) + salt)


def check_commitment(key, commitment, what):
    """[SEAL-5]"""
    require(derive("holdall 1 commitment", key) == commitment, f"{what}: the key does not match the commitment")


def open_part(key, magic, part, salt, number, sealed, what, version=VERSION):
    """Opens sealed bytes at the place where they were found. `part` is the class of the place."""
    require(len(sealed) >= OVERHEAD, f"{what}: sealed bytes are too short")  # [SEAL-2]
    digest, ciphertext = sealed[:32], sealed[32:]
    part_key = derive("holdall 1 seal key", key + number.to_bytes(8, "little") + digest)
    bound = magic + version.to_bytes(2, "little") + SUITE.to_bytes(2, "little") + bytes([part]) + salt + \
        number.to_bytes(8, "little")
    try:
        plaintext = AESGCM(part_key).decrypt(bytes(12), ciphertext, bound)
    except InvalidTag as error:
        raise Refused(f"{what}: the seal does not open") from error  # [SEAL-3] [SEAL-4]
    require(keyed(derive("holdall 1 seal hash", key), plaintext) == digest, f"{what}: the seal does not open")
    return plaintext


def check_signature(signer, signature, data, what):
    """[SEAL-7]"""
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signature, b"holdall 1 signature\x00" + hash32(data))
    except (InvalidSignature, ValueError) as error:
        raise Refused(f"{what}: the signature is not valid") from error

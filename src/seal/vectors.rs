//! The vectors of format-spec/vectors/seal, and the requirements of its page.

use super::*;
use crate::id::SignerKey;
use crate::vectors::{Vector, assert_current, bytes, hex, value};
use std::fmt::Write as _;

const HEAD: &str = "Seals, keys and signatures. `kind` says what a file is about. derive: BLAKE3's derive_key. seal: a part sealed under
the object key of a root and a salt, or, where `part` stands, of that part. encapsulated: a seal whose object key comes
out of a key field. signature: Ed25519. Values are hexadecimal, but for magic, context and part (text) and numbers.
file | verdict | what comes out, or the refusal | comment";

const ROOT: [u8; 32] = [0x01; 32];
const SALT: [u8; 32] = [0x77; 32];
const PLAINTEXT: &[u8] = b"what a holdall holds";

fn binding() -> Binding {
    Binding { magic: *b"HOLDTEST", version: 1, class: 2, salt: SALT, number: 3 }
}

fn root() -> RootSecret {
    RootSecret::new(Secret::from_bytes(ROOT))
}

/// The values of a seal file, to be changed before they are written.
#[derive(Clone)]
struct Sealed {
    kind: &'static str,
    field: Option<[u8; 32]>,
    part: Option<&'static str>,
    binding: Binding,
    commitment: [u8; 32],
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

impl Sealed {
    fn new(key: &ObjectKey, plaintext: &[u8]) -> Self {
        Self::at(binding(), key, plaintext)
    }

    fn at(binding: Binding, key: &ObjectKey, plaintext: &[u8]) -> Self {
        let (commitment, sealed) = (key.commitment(), key.seal(&binding, plaintext));
        let plaintext = plaintext.to_vec();
        Self { kind: "seal", field: None, part: None, binding, commitment, plaintext, sealed }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn text(&self) -> String {
        let Binding { magic, version, class, salt, number } = self.binding;
        let mut text = format!("kind: {}\nroot: {}\nsalt: {}\n", self.kind, hex(&ROOT), hex(&salt));
        self.field.iter().for_each(|field| writeln!(text, "key field: {}", hex(field)).unwrap());
        self.part.iter().for_each(|part| writeln!(text, "part: {part}").unwrap());
        writeln!(text, "commitment: {}", hex(&self.commitment)).unwrap();
        writeln!(text, "magic: {}", std::str::from_utf8(&magic).unwrap()).unwrap();
        writeln!(text, "version: {version}\nclass: {class}\nnumber: {number}").unwrap();
        writeln!(text, "plaintext: {}\nsealed: {}", hex(&self.plaintext), hex(&self.sealed)).unwrap();
        text
    }
}

/// Sealed bytes whose tag is right for a hash that is not that of the plaintext: only a holder of the key can make them.
fn wrong_hash() -> Vec<u8> {
    let key = root().object_key(&SALT);
    let hash = [0xee; HASH_BYTES];
    let mut buffer = PLAINTEXT.to_vec();
    let aad = Aad::from(binding().associated_data());
    key.part_key(3, &hash).seal_in_place_append_tag(zero_nonce(), aad, &mut buffer).unwrap();
    [&hash[..], &buffer].concat()
}

fn flipped(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[offset] ^= 1;
    out
}

fn derive_text(context: &str, secret: [u8; 32], material: &[u8]) -> String {
    let secret_and_material = [&secret[..], material].concat();
    let result = blake3::derive_key(context, &secret_and_material);
    let (secret, material, result) = (hex(&secret), hex(material), hex(&result));
    format!("kind: derive\ncontext: {context}\nsecret: {secret}\nmaterial: {material}\nresult: {result}\n")
}

fn signature_text(public: SignerKey, message: &[u8], signature: &[u8]) -> String {
    let (seed, public) = (hex(&[5; 32]), hex(public.as_bytes()));
    format!("kind: signature\nseed: {seed}\npublic: {public}\nbytes: {}\nsignature: {}\n", hex(message), hex(signature))
}

/// The same signature with the group's order added to its second half: accepted by lenient verifiers.
fn malleable(signature: &Signature) -> Vec<u8> {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut out = signature.to_vec();
    let mut carry = 0u16;
    for (byte, add) in out[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    out
}

fn derivations() -> Vec<Vector> {
    let text = Vector::text;
    vec![
        text("derive-symmetric", derive_text("holdall 1 root symmetric", ROOT, b""), "the symmetric root of a root"),
        text("derive-x25519", derive_text("holdall 1 root x25519", ROOT, b""), "the X25519 secret of a root"),
        text(
            "derive-object-key",
            derive_text("holdall 1 object key", [2; 32], &SALT),
            "an object key of a symmetric root",
        ),
        text(
            "derive-part",
            derive_text("holdall 1 object key", [2; 32], &[&SALT[..], b"footer"].concat()),
            "the object key of a part",
        ),
        text("derive-commitment", derive_text("holdall 1 commitment", [3; 32], b""), "the commitment of an object key"),
        text(
            "derive-hash-key",
            derive_text("holdall 1 seal hash", [3; 32], b""),
            "the key of the hash before sealed bytes",
        ),
        text(
            "derive-seal-key",
            derive_text("holdall 1 seal key", [3; 32], &[&3u64.to_le_bytes()[..], &[4; 32]].concat()),
            "the key of one part: number and hash",
        ),
    ]
}

fn seals() -> Vec<Vector> {
    let elsewhere = Binding { magic: *b"HOLDELSE", version: 0x0203, class: 0x41, salt: SALT, number: 1 << 40 | 5 };
    let key = root().object_key(&SALT);
    let seal = Sealed::new(&key, PLAINTEXT);
    let footer = Sealed::new(&root().part_object_key("footer", &SALT), PLAINTEXT).with(|it| it.part = Some("footer"));
    let (sealed, tag) = (seal.sealed.clone(), seal.sealed.len() - TAG_BYTES);
    let moved = |change: fn(&mut Binding)| seal.with(|it| change(&mut it.binding)).text();
    let bytes_of = |sealed: Vec<u8>| seal.with(|it| it.sealed = sealed).text();
    let text = Vector::text;
    vec![
        text("seal", seal.text(), "a part of an object"),
        text("seal-empty", Sealed::new(&key, b"").text(), "no plaintext"),
        text(
            "seal-elsewhere",
            Sealed::at(elsewhere, &key, PLAINTEXT).text(),
            "another place: every field of it counts",
        ),
        text("seal-footer", footer.text(), "a part with an object key of its own"),
        text("seal-hash", bytes_of(flipped(&sealed, 0)), "a flipped bit in the hash"),
        text("seal-ciphertext", bytes_of(flipped(&sealed, HASH_BYTES)), "a flipped bit in the ciphertext"),
        text("seal-tag", bytes_of(flipped(&sealed, tag)), "a flipped bit in the tag"),
        text("seal-wrong-hash", bytes_of(wrong_hash()), "a valid tag, and the hash of another plaintext"),
        text("seal-magic", moved(|it| it.magic = *b"HOLDTESS"), "moved to an object of another magic"),
        text("seal-version", moved(|it| it.version = 2), "moved to another version"),
        text("seal-class", moved(|it| it.class = 1), "moved to another class"),
        text("seal-number", moved(|it| it.number = 4), "moved to another number"),
        text("seal-salt", moved(|it| it.salt = [0x78; 32]), "moved to another salt: already the commitment differs"),
        text("seal-commitment", seal.with(|it| it.commitment[31] ^= 1).text(), "a commitment to another key"),
        text("seal-47", bytes_of(sealed[..47].to_vec()), "one byte less than a hash and a tag"),
        text("seal-cut", bytes_of(sealed[..sealed.len() - 1].to_vec()), "the last byte is missing"),
        Vector::fixed("encapsulated.txt", "an object key encapsulated to the public half of a root"),
        Vector::fixed("encapsulated-bit.txt", "a flipped bit in the key field gives another key"),
        text(
            "encapsulated-low-order",
            seal.with(|it| (it.kind, it.field) = ("encapsulated", Some([0; 32]))).text(),
            "a point of low order as the key field",
        ),
    ]
}

fn signatures() -> Vec<Vector> {
    let signer = SigningKey::from_seed(&Secret::from_bytes([5; 32]));
    let other = SigningKey::from_seed(&Secret::from_bytes([6; 32]));
    let (message, signature) = (b"the bytes of an object", signer.sign(b"the bytes of an object"));
    let signed =
        |public: &SigningKey, message: &[u8], signature: &[u8]| signature_text(public.public(), message, signature);
    let text = Vector::text;
    vec![
        text("signature", signed(&signer, message, &signature), "a signature"),
        text("signature-bytes", signed(&signer, b"the bytes of an abject", &signature), "other bytes"),
        text("signature-key", signed(&other, message, &signature), "another key"),
        text("signature-bit", signed(&signer, message, &flipped(&signature, 0)), "a flipped bit"),
        text(
            "signature-malleable",
            signed(&signer, message, &malleable(&signature)),
            "the second half above the order of the group",
        ),
        text(
            "signature-plain",
            signed(&signer, message, signer.pair_sign(message).as_ref()),
            "the bytes themselves signed, not their hash in its context",
        ),
    ]
}

fn vectors() -> Vec<Vector> {
    derivations().into_iter().chain(seals()).chain(signatures()).collect()
}

fn array<const N: usize>(text: &str, name: &str) -> [u8; N] {
    bytes(value(text, name)).try_into().unwrap()
}

fn answer(_: &str, text: &str) -> Result<String, String> {
    let refuse = |error: SealError| error.to_string();
    match value(text, "kind") {
        "derive" => {
            let context: &'static str = value(text, "context").to_owned().leak();
            let result = Secret::from_bytes(array(text, "secret")).derive(context, &[&bytes(value(text, "material"))]);
            assert_eq!(hex(result.expose()), value(text, "result"));
            Ok("the result".to_owned())
        }
        "signature" => {
            let signer = SignerKey::from_bytes(array(text, "public"));
            verify(&signer, &bytes(value(text, "bytes")), &array(text, "signature")).map_err(refuse)?;
            Ok("signed".to_owned())
        }
        kind => {
            let (root, salt) = (RootSecret::new(Secret::from_bytes(array(text, "root"))), array(text, "salt"));
            let part = text.lines().find_map(|line| line.strip_prefix("part: "));
            let key = match (kind, part) {
                ("encapsulated", _) => root.decapsulate(&array(text, "key field"), &salt).map_err(refuse)?,
                (_, None) => root.object_key(&salt),
                (_, Some(_)) => root.part_object_key("footer", &salt),
            };
            text.lines().filter_map(|line| line.strip_prefix("root public: ")).for_each(|public| {
                assert_eq!(hex(&root.public().0), public);
            });
            key.check(&array(text, "commitment")).map_err(refuse)?;
            let number = |name| value(text, name).parse::<u64>().unwrap();
            let binding = Binding {
                magic: value(text, "magic").as_bytes().try_into().unwrap(),
                version: number("version").try_into().unwrap(),
                class: number("class").try_into().unwrap(),
                salt,
                number: number("number"),
            };
            let plaintext = key.open(&binding, &bytes(value(text, "sealed"))).map_err(refuse)?;
            assert_eq!(hex(&plaintext), value(text, "plaintext"));
            Ok("the plaintext".to_owned())
        }
    }
}

fn answered(file: &str) -> Result<String, String> {
    let vector = vectors().into_iter().find(|vector| vector.file == format!("{file}.txt")).unwrap();
    answer(&vector.file, &vector.text.unwrap())
}

#[test]
fn seal_1_vectors_are_current_and_answered_as_their_index_says() {
    assert_current("seal", HEAD, &vectors(), answer);
}

#[test]
fn seal_2_sealed_bytes_are_hash_ciphertext_and_tag() {
    let sealed = root().object_key(&SALT).seal(&binding(), PLAINTEXT);
    assert_eq!(sealed.len(), HASH_BYTES + PLAINTEXT.len() + TAG_BYTES);
    let hash_key = Secret::from_bytes(*root().object_key(&SALT).key.expose()).derive("holdall 1 seal hash", &[]);
    assert_eq!(sealed[..HASH_BYTES], *blake3::keyed_hash(hash_key.expose(), PLAINTEXT).as_bytes());
    assert_eq!(answered("seal-47"), Err("sealed bytes are shorter than a hash and a tag".to_owned()));
}

#[test]
fn seal_3_changed_bytes_and_a_foreign_hash_are_refused() {
    for file in ["seal-hash", "seal-ciphertext", "seal-tag", "seal-cut", "seal-wrong-hash"] {
        let refused = "the seal does not open: wrong key, wrong place, or changed bytes";
        assert_eq!(answered(file), Err(refused.to_owned()), "{file}");
    }
}

#[test]
fn seal_4_a_part_opens_at_its_place_alone() {
    for file in ["seal-magic", "seal-version", "seal-class", "seal-number"] {
        let refused = "the seal does not open: wrong key, wrong place, or changed bytes";
        assert_eq!(answered(file), Err(refused.to_owned()), "{file}");
    }
}

#[test]
fn seal_5_a_commitment_is_checked_before_a_part_is_opened() {
    for file in ["seal-commitment", "seal-salt", "encapsulated-low-order"] {
        assert!(answered(file).is_err(), "{file}");
    }
    assert_eq!(answered("seal-commitment"), Err("the key does not match the commitment".to_owned()));
}

#[test]
fn seal_6_an_encapsulation_that_gives_nothing_is_refused() {
    assert_eq!(answered("encapsulated-low-order"), Err("the encapsulated key is not valid".to_owned()));
}

#[test]
fn seal_7_only_the_signature_of_the_hash_in_its_context_is_accepted() {
    for file in ["bytes", "key", "bit", "malleable", "plain"] {
        let refused = "the signature is not valid";
        assert_eq!(answered(&format!("signature-{file}")), Err(refused.to_owned()), "{file}");
    }
}

#[test]
fn seal_8_the_same_bytes_at_the_same_place_are_sealed_alike_and_others_under_another_key() {
    let key = root().object_key(&SALT);
    assert_eq!(key.seal(&binding(), PLAINTEXT), key.seal(&binding(), PLAINTEXT));
    let [one, two] = [b"aaaa", b"aaab"].map(|plaintext| key.seal(&binding(), plaintext));
    let stream = |sealed: &[u8], plaintext: &[u8; 4]| -> Vec<u8> {
        sealed[HASH_BYTES..].iter().zip(plaintext).map(|(sealed, plain)| sealed ^ plain).collect()
    };
    assert_ne!(stream(&one, b"aaaa"), stream(&two, b"aaab"), "a key stream used twice");
}

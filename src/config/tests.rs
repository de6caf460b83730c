//! Configurations and their chain.

mod vectors;

use super::*;
use crate::envelope::testing::{Keys, NOW_NS, hash, hash_of, keys, rechecked, resigned};
use crate::seal::{Secret, SigningKey};

fn first(keys: &Keys) -> Config {
    keys.chain.get(0).unwrap().clone()
}

fn signing(keys: &Keys) -> &SigningKey {
    keys.of(Role::All).signing()
}

fn publics(epoch: u32) -> EpochPublics {
    EpochPublics { epoch, ..*crate::envelope::testing::keys().of(Role::All).publics().next().unwrap() }
}

#[test]
fn config_1_every_flipped_bit_and_every_truncation_is_refused() {
    let keys = keys();
    let (_, bytes) = &keys.configs[1];
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 { ConfigError::Magic } else { ConfigError::Checksum };
        assert_eq!(SignedConfig::parse(&flipped), Err(expected), "bit {bit}");
        if (64..(bytes.len() - 32) * 8).contains(&bit) {
            let rechecked = rechecked(bytes, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            assert!(SignedConfig::parse(&rechecked).is_err(), "bit {bit}: the signature covers it");
        }
    }
    for length in 0..bytes.len() {
        assert!(SignedConfig::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn config_1_a_configuration_above_its_cap_is_refused() {
    let long = vec![0; CONFIG_BYTES_MAX + 1];
    let refused = ConfigError::Length { found: CONFIG_BYTES_MAX + 1, expected: CONFIG_BYTES_MAX };
    assert_eq!(SignedConfig::parse(&long), Err(refused));
}

type Change = fn(&mut Config);

fn signer(byte: u8, role: Role, from: u32, until: u32) -> Signer {
    Signer { key: SignerKey::from_bytes([byte; 32]), role, from, until }
}

/// Every rule for a configuration alone, with a change that breaks it and nothing else.
const BROKEN: &[(&str, Change)] = &[
    ("its number", |config| {
        config.number = OPEN;
        config.previous = hash(1);
    }),
    ("the hash of the configuration before", |config| config.previous = hash(1)),
    ("the hash of the configuration before", |config| config.number = 1),
    ("a chunk length", |config| config.parameters.chunk_bytes_min = 4094),
    ("a chunk length", |config| config.parameters.chunk_bytes_min = 16_385),
    ("a chunk length", |config| config.parameters.chunk_bytes_min = 65_536),
    ("a chunk length", |config| config.parameters.chunk_bytes_avg = 65_538),
    ("a chunk length", |config| config.parameters.chunk_bytes_max = 65_536),
    ("a chunk length", |config| config.parameters.chunk_bytes_max = 262_145),
    ("a chunk length", |config| config.parameters.chunk_bytes_max = (4 << 20) + 2),
    ("the normalisation level", |config| config.parameters.normalization = 4),
    ("the frame target", |config| config.parameters.frame_bytes_target = (64 << 10) - 1),
    ("the frame target", |config| config.parameters.frame_bytes_target = (16 << 20) + 1),
    ("the pack target", |config| config.parameters.pack_bytes_target = (1 << 20) - 1),
    ("the pack target", |config| config.parameters.pack_bytes_target = (1 << 30) + 1),
    ("the mean of manifest leaves", |config| config.parameters.manifest_leaf_mean = 1),
    ("the mean of manifest leaves", |config| config.parameters.manifest_leaf_mean = 65_537),
    ("the mean of stat leaves", |config| config.parameters.stat_leaf_mean = 1),
    ("the mean of inner nodes", |config| config.parameters.inner_mean = 1),
    ("the mean of item leaves", |config| config.parameters.item_mean = 0),
    ("the longest inline content", |config| config.parameters.inline_bytes_max = 4097),
    ("the list of key epochs", |config| config.epochs.0.clear()),
    ("the list of key epochs", |config| config.epochs.0.push(publics(1))),
    ("the list of key epochs", |config| config.epochs.0 = (0..1025).map(publics).collect()),
    ("the list of signers", |config| config.signers.0.push(signer(0, Role::Put, 0, OPEN))),
    ("the list of signers", |config| config.signers.0.push(config.signers.0[0])),
    ("the list of signers", |config| {
        let key = |n: u32| SignerKey::from_bytes([n.to_be_bytes(); 8].concat().try_into().unwrap());
        config.signers.0 = (0..8193).map(|n| Signer { key: key(n), ..config.signers.0[0] }).collect();
    }),
    ("the validity of a signer", |config| config.signers.0.push(signer(0xff, Role::Put, 1, OPEN))),
    ("the validity of a signer", |config| config.signers.0.push(signer(0xff, Role::Put, 0, 0))),
    ("the validity of a signer", |config| config.signers.0.push(signer(0xff, Role::Put, 0, 1))),
    ("the list of features", |config| config.features.0 = vec![Feature { id: 0x8000, mandatory: 0 }; 2]),
    ("the list of features", |config| {
        config.features.0 = (0..1025).map(|id| Feature { id, mandatory: 0 }).collect();
    }),
    ("the purposes of a feature", |config| config.features.0.push(Feature { id: 1, mandatory: 16 })),
];

#[test]
fn config_2_every_field_out_of_its_range_is_refused() {
    let keys = keys();
    for (what, change) in BROKEN {
        let mut config = first(&keys);
        change(&mut config);
        let refused = ConfigError::Range { number: config.number, what };
        assert_eq!(config.sign(signing(&keys)), Err(refused.clone()), "{what}");
        assert_eq!(SignedConfig::parse(&config.assemble(signing(&keys))), Err(refused), "{what}");
    }
}

#[test]
fn config_2_the_limits_themselves_are_accepted() {
    let keys = keys();
    let limits: [Change; 4] = [
        |config| config.parameters.chunk_bytes_min = 4096,
        |config| {
            config.parameters.chunk_bytes_max = 4 << 20;
            config.parameters.pack_bytes_target = 1 << 30;
            config.parameters.inline_bytes_max = 0;
        },
        |config| config.features.0 = (0..1024).map(|id| Feature { id, mandatory: 0 }).collect(),
        |config| config.epochs.0 = (0..1024).map(publics).collect(),
    ];
    for change in limits {
        let mut config = first(&keys);
        change(&mut config);
        assert_eq!(SignedConfig::parse(&config.sign(signing(&keys)).unwrap()).unwrap().config, config);
    }
}

#[test]
fn config_2_a_configuration_without_an_all_key_is_refused() {
    let keys = keys();
    for role in [Role::Put, Role::Read, Role::Prune] {
        let mut config = first(&keys);
        all_signer(&mut config).role = role;
        assert_eq!(config.sign(signing(&keys)), Err(ConfigError::NoAllSigner(0)));
        assert_eq!(SignedConfig::parse(&config.assemble(signing(&keys))), Err(ConfigError::NoAllSigner(0)));
    }
}

#[test]
fn config_3_a_chain_is_complete_and_begins_where_the_key_says() {
    let keys = keys();
    let trusted = keys.chain.first_hash();
    let [(_, zero), (_, one)] = &keys.configs[..] else { panic!("two configurations") };
    let load = |objects: &[(u32, &Vec<u8>)]| {
        let objects: Vec<_> = objects.iter().map(|(number, bytes)| (*number, (*bytes).clone())).collect();
        ConfigChain::load(&objects, &trusted)
    };
    assert_eq!(load(&[(1, one), (0, zero)]).unwrap(), keys.chain, "in any order");
    assert_eq!(load(&[]), Err(ConfigError::Gap(0)));
    assert_eq!(load(&[(1, one)]), Err(ConfigError::Gap(0)));
    assert_eq!(load(&[(0, zero), (2, one)]), Err(ConfigError::Gap(1)));
    assert_eq!(load(&[(0, zero), (0, zero)]), Err(ConfigError::Gap(1)));
    assert_eq!(load(&[(0, zero), (1, zero)]), Err(ConfigError::Misplaced { expected: 1, found: 0 }));
    let other = first(&keys).clone();
    let other = Config { created_at_ns: 0, ..other }.sign(signing(&keys)).unwrap();
    let refused = ConfigError::NotTrusted { expected: trusted, found: hash_of(&other) };
    assert_eq!(load(&[(0, &other)]), Err(refused));
}

#[test]
fn a_chain_knows_the_bytes_of_each_of_its_configurations() {
    let keys = keys();
    for (number, bytes) in &keys.configs {
        assert_eq!(keys.chain.hash_of(*number), Some(hash_of(bytes)));
    }
    let beyond = u32::try_from(keys.configs.len()).unwrap();
    assert!(beyond > 1 && keys.chain.hash_of(beyond).is_none() && keys.chain.hash_of(u32::MAX).is_none());
}

#[test]
fn config_3_a_first_configuration_signed_by_a_stranger_is_refused_even_if_trusted() {
    let keys = keys();
    let stranger = SigningKey::from_seed(&Secret::from_bytes([9; 32]));
    let bytes = first(&keys).sign(&stranger).unwrap();
    let trusted = hash_of(&bytes);
    let refused = ConfigError::NotAllowed { number: 0, signer: stranger.public() };
    assert_eq!(ConfigChain::load(&[(0, bytes)], &trusted), Err(refused));
}

#[test]
fn config_4_only_an_all_key_of_the_configuration_before_signs_the_next() {
    let keys = keys();
    for role in Role::EVERY {
        let mut chain = keys.chain.clone();
        let signer = keys.of(role).signer();
        let bytes = chain.draft(NOW_NS).sign(keys.of(role).signing()).unwrap();
        let expected = if role == Role::All { Ok(()) } else { Err(ConfigError::NotAllowed { number: 2, signer }) };
        assert_eq!(chain.extend(&bytes), expected, "{role}");
    }
    // A key that the configuration itself enlists may not sign it, and a revoked one signs none after its end.
    let fresh = SigningKey::from_seed(&Secret::from_bytes([0x77; 32]));
    let mut chain = keys.chain.clone();
    let mut draft = chain.draft(NOW_NS);
    draft.enlist(fresh.public(), Role::All).unwrap();
    draft.revoke(&signing(&keys).public()).unwrap();
    let by_itself = draft.sign(&fresh).unwrap();
    assert_eq!(chain.extend(&by_itself), Err(ConfigError::NotAllowed { number: 2, signer: fresh.public() }));
    chain.extend(&draft.sign(signing(&keys)).unwrap()).unwrap();
    let late = chain.draft(NOW_NS).sign(signing(&keys)).unwrap();
    let refused = ConfigError::NotAllowed { number: 3, signer: signing(&keys).public() };
    assert_eq!(chain.extend(&late), Err(refused));
    chain.extend(&chain.draft(NOW_NS).sign(&fresh).unwrap()).unwrap();
}

fn all_signer(config: &mut Config) -> &mut Signer {
    config.signers.0.iter_mut().find(|signer| signer.role == Role::All).unwrap()
}

/// Every rule for what may change, with a change that breaks it and nothing else.
const BREACHES: &[(&str, Change)] = &[
    ("it names another one", |config| config.previous = hash(9)),
    ("the repository", |config| config.repository = RepositoryId::from_bytes([1; 16])),
    ("the chunk lengths", |config| config.parameters.chunk_bytes_min = 8192),
    ("the chunk lengths", |config| config.parameters.normalization = 2),
    ("an older key epoch", |config| config.epochs.0[0].stat = config.epochs.0[0].content),
    ("an older key epoch", |config| config.epochs.0[0].epoch = 0),
    ("a signer's past", |config| _ = config.signers.0.remove(0)),
    ("a signer's past", |config| config.signers.0[0].from = 2),
    ("a signer's past", |config| {
        all_signer(config).until = 1;
        config.enlist(SignerKey::from_bytes([0xfe; 32]), Role::All).unwrap();
    }),
    ("a signer's past", |config| config.signers.0.push(signer(0xff, Role::Put, 1, OPEN))),
    ("a signer's past", |config| config.signers.0.push(signer(0xff, Role::Put, 1, 2))),
    ("a signer's past", |config| {
        let put = config.signers.0.iter_mut().find(|signer| signer.role == Role::Put).unwrap();
        put.role = Role::Prune;
    }),
];

#[test]
fn config_5_a_configuration_that_does_not_follow_is_refused() {
    let keys = keys();
    for (what, change) in BREACHES {
        let mut chain = keys.chain.clone();
        let mut draft = chain.draft(NOW_NS);
        change(&mut draft);
        let refused = chain.extend(&draft.sign(signing(&keys)).unwrap());
        assert_eq!(refused, Err(ConfigError::Broken { number: 2, what }), "{what}");
        assert_eq!(chain, keys.chain, "the chain is as it was");
    }
}

#[test]
fn config_5_a_revocation_can_not_be_taken_back() {
    let keys = keys();
    let mut chain = keys.chain.clone();
    let put = keys.of(Role::Put).signer();
    let mut draft = chain.draft(NOW_NS);
    draft.revoke(&put).unwrap();
    assert_eq!(draft.revoke(&put), Err(ConfigError::SignerUnknown { signer: put, number: 2 }));
    assert_eq!(draft.enlist(put, Role::Put), Err(ConfigError::SignerListed(put)));
    chain.extend(&draft.sign(signing(&keys)).unwrap()).unwrap();
    let mut draft = chain.draft(NOW_NS);
    draft.signers.0.iter_mut().find(|signer| signer.key == put).unwrap().until = OPEN;
    let refused = chain.extend(&draft.sign(signing(&keys)).unwrap());
    assert_eq!(refused, Err(ConfigError::Broken { number: 3, what: "a signer's past" }));
}

#[test]
fn config_5_everything_else_may_change() {
    let keys = keys();
    let mut chain = keys.chain.clone();
    let mut draft = chain.draft(NOW_NS);
    draft.parameters.pack_bytes_target = 64 << 20;
    draft.parameters.inner_mean = 64;
    draft.epochs.0.push(publics(2));
    draft.features.0.push(Feature { id: 0x8001, mandatory: 0 });
    draft.enlist(SignerKey::from_bytes([0x44; 32]), Role::Read).unwrap();
    chain.extend(&draft.sign(signing(&keys)).unwrap()).unwrap();
    assert_eq!(chain.latest(), &draft);
    assert_eq!(chain.get(1), keys.chain.get(1));
}

#[test]
fn config_6_a_key_signs_from_its_first_to_before_its_last_configuration() {
    let keys = keys();
    let mut chain = keys.chain.clone();
    let put = keys.of(Role::Put).signer();
    let mut draft = chain.draft(NOW_NS);
    draft.revoke(&put).unwrap();
    chain.extend(&draft.sign(signing(&keys)).unwrap()).unwrap();
    let not_valid = |number| Err(ConfigError::SignerUnknown { signer: put, number });
    assert_eq!(chain.role_of(&put, 0), not_valid(0));
    assert_eq!(chain.role_of(&put, 1), Ok(Role::Put));
    assert_eq!(chain.role_of(&put, 2), not_valid(2));
    assert_eq!(chain.role_of(&put, 3), Err(ConfigError::Unknown(3)));
    let listed = chain.latest().signers.0.iter().find(|signer| signer.key == put).unwrap();
    assert_eq!(
        [0, 1, 2].map(|number| listed.is_valid_in(number)),
        [false, true, false],
        "the newest list says the same"
    );
}

#[test]
fn config_7_an_unknown_feature_stops_the_purposes_for_which_it_is_mandatory() {
    let purposes = [(Purpose::Read, 1), (Purpose::Write, 2), (Purpose::Collect, 4), (Purpose::Check, 8)];
    let keys = keys();
    for mandatory in 0..16 {
        let mut chain = keys.chain.clone();
        let mut draft = chain.draft(NOW_NS);
        draft.features.0.push(Feature { id: 0x8000, mandatory });
        chain.extend(&draft.sign(signing(&keys)).unwrap()).unwrap();
        for (purpose, bit) in purposes {
            let refused = ConfigError::UnknownFeature { id: 0x8000, purpose };
            let expected = if mandatory & bit == 0 { Ok(()) } else { Err(refused) };
            assert_eq!(chain.allows(purpose), expected, "{mandatory} {purpose}");
        }
    }
}

#[test]
fn a_body_with_too_many_bytes_is_refused() {
    let keys = keys();
    let (_, zero) = &keys.configs[0];
    let body_bytes = u8::try_from(zero.len() - 16 - 128 - 256).unwrap();
    assert_eq!(zero[12..14], [body_bytes, 1]);
    let longer = resigned(zero, keys.of(Role::All).signing(), |bytes| {
        bytes.insert(bytes.len() - 32, 0);
        bytes[12] += 1;
    });
    assert!(matches!(SignedConfig::parse(&longer), Err(ConfigError::Body(WireError::Trailing { count: 1, .. }))));
}

/// Whoever writes a program of his own takes these from the text.
#[test]
fn the_format_says_with_which_lengths_a_new_repository_cuts() {
    let parameters = Parameters::default();
    let chunks = include_str!("../../format-spec/03-chunk.md");
    let rows = [
        ("minimum, bytes", parameters.chunk_bytes_min),
        ("average, bytes", parameters.chunk_bytes_avg),
        ("maximum, bytes", parameters.chunk_bytes_max),
        ("normalisation", parameters.normalization.into()),
    ];
    for (field, value) in rows {
        let row = chunks.lines().find(|line| line.starts_with(&format!("| {field} |")));
        let told = row.and_then(|row| row.trim_end_matches([' ', '|']).rsplit(' ').next());
        assert_eq!(told, Some(value.to_string().as_str()), "{field}");
    }
    let frames = include_str!("../../format-spec/04-frame.md");
    let target = format!("({} MiB by default)", parameters.frame_bytes_target >> 20);
    assert!(frames.contains(&target), "{target}");
}

//! Configurations and their chain.

use super::*;
use crate::envelope::testing::keys;

#[test]
fn a_chain_reads_back_in_any_order() {
    let keys = keys();
    let mut objects = keys.configs.clone();
    objects.reverse();
    let chain = ConfigChain::load(&objects, &keys.chain.first_hash()).unwrap();
    assert_eq!(chain, keys.chain);
    assert_eq!(chain.latest().number, 1);
}

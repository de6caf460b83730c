//! From a password to the key of a repository.

use super::document::base64;
use super::error::Fault;
use super::seal::SealKey;
use scrypt::{Params, scrypt};
use serde::Deserialize;
use zeroize::{Zeroize as _, Zeroizing};

/// The most memory that deriving a key may take, in bytes. restic itself settles for some 60 MiB.
const KDF_MEMORY_BYTES_MAX: u64 = 1 << 30;
/// The most that deriving a key may cost: bytes of memory, times how often they are gone through.
const KDF_COST_MAX: u64 = 8 << 30;

/// What the key file says.
#[derive(Deserialize)]
struct KeyFile {
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

/// What is sealed in it.
#[derive(Deserialize)]
struct MasterDocument {
    mac: MacDocument,
    encrypt: String,
}

#[derive(Deserialize)]
struct MacDocument {
    k: String,
    r: String,
}

/// The key of a repository.
pub struct MasterKey(pub(super) SealKey);

impl MasterKey {
    /// Opens a key file; none when the password does not. Takes as long and as much memory as the file says, up to 1 GiB.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(file: &[u8], password: &[u8]) -> Result<Option<Self>, Fault> {
        let file: KeyFile = serde_json::from_slice(file).map_err(|error| Fault::Meaning(error.to_string()))?;
        if file.kdf != "scrypt" {
            return Err(Fault::Meaning(format!("the key is derived with {:?}, not scrypt", file.kdf)));
        }
        let parameters = parameters(&file)?;
        let (salt, mut data) = (base64(&file.salt)?, base64(&file.data)?);
        let mut derived = Zeroizing::new([0u8; 64]);
        scrypt(password, &salt, &parameters, derived.as_mut_slice())
            .map_err(|_| Fault::Meaning("scrypt does not take its parameters".to_owned()))?;
        let Some(opened) = split(derived.as_slice()).and_then(|key| key.open(&mut data).map(|plain| plain.to_vec()))
        else {
            return Ok(None);
        };
        master(&Zeroizing::new(opened)).map(Some)
    }
}

/// scrypt's parameters, if they cost no more than may be spent on them.
fn parameters(file: &KeyFile) -> Result<Params, Fault> {
    let memory = file.n.checked_mul(u64::from(file.r)).and_then(|blocks| blocks.checked_mul(128));
    let cost = memory.and_then(|bytes| bytes.checked_mul(file.p.into()));
    let affordable =
        memory.is_some_and(|bytes| bytes <= KDF_MEMORY_BYTES_MAX) && cost.is_some_and(|cost| cost <= KDF_COST_MAX);
    if !file.n.is_power_of_two() || !affordable {
        let message = format!("scrypt with N {}, r {} and p {} is not computed", file.n, file.r, file.p);
        return Err(Fault::Meaning(message));
    }
    let log_n = u8::try_from(file.n.ilog2()).unwrap_or(u8::MAX);
    Params::new(log_n, file.r, file.p).map_err(|_| Fault::Meaning("scrypt does not take its parameters".to_owned()))
}

/// What scrypt gave, as a key.
fn split(derived: &[u8]) -> Option<SealKey> {
    let (encryption, mac) = derived.split_first_chunk::<32>()?;
    let (mac_k, mac_r) = mac.split_first_chunk::<16>()?;
    Some(SealKey { encryption: *encryption, mac_k: *mac_k, mac_r: *mac_r.first_chunk::<16>()? })
}

fn master(document: &[u8]) -> Result<MasterKey, Fault> {
    let mut document: MasterDocument =
        serde_json::from_slice(document).map_err(|error| Fault::Meaning(error.to_string()))?;
    let key = SealKey {
        encryption: exactly(&document.encrypt)?,
        mac_k: exactly(&document.mac.k)?,
        mac_r: exactly(&document.mac.r)?,
    };
    document.encrypt.zeroize();
    document.mac.k.zeroize();
    document.mac.r.zeroize();
    Ok(MasterKey(key))
}

fn exactly<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    let bytes = Zeroizing::new(base64(text)?);
    bytes.as_slice().try_into().map_err(|_| Fault::Meaning(format!("a part of the key has not {N} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_cost_too_much_are_refused_before_anything_is_computed() {
        let file = |n, r, p| KeyFile { kdf: "scrypt".to_owned(), n, r, p, salt: String::new(), data: String::new() };
        assert!(parameters(&file(32768, 8, 5)).is_ok(), "what restic makes");
        for (n, r, p) in
            [(0, 8, 1), (3, 8, 1), (1 << 40, 8, 1), (1 << 20, 1 << 20, 1), (1 << 15, 8, 1 << 20), (2, 0, 1)]
        {
            assert!(parameters(&file(n, r, p)).is_err(), "{n} {r} {p}");
        }
    }
}

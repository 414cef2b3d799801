//! Session passwords.
//!
//! A session may be resumed on any member of an ensemble, Apache's among them, and nothing of the
//! password travels between members or lies on disk: each derives it from the session's id. So the
//! derivation is Apache's, byte for byte: `java.util.Random` seeded with the id and a constant.
//! Whoever knows an id knows the password; it guards against mistakes, not against attackers.

use lockkeeper_wire::SessionId;
use lockkeeper_wire::connect::PASSWORD_LEN;

/// `ZooKeeperServer.superSecret`.
const SECRET: i64 = 0xB341_5C00;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

/// The password of a session.
pub fn session_password(session: SessionId) -> [u8; PASSWORD_LEN] {
    let mut state = ((session.0 ^ SECRET) as u64 ^ MULTIPLIER) & MASK;
    let mut password = [0; PASSWORD_LEN];
    for word in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        word.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs seen from Apache's server 3.8.0.
    #[test]
    fn equals_apache() {
        let seen = [
            (0x0100_002a_01d0_0000, "82895d5fe789cbf0300d847f0806f54c"),
            (0x0100_002a_01d0_0001, "95aa575f87d5aa352550ebaadc8e091a"),
        ];
        for (id, password) in seen {
            let hex: String = session_password(SessionId(id))
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, password);
        }
    }
}

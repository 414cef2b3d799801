//! What a dialler says first on an election port: who it is and where it can be dialled itself.

/// Versions of the message; anything else is an id in the form before 3.5, without an address.
const ONE_ADDRESS: i64 = -65_536;
const SEVERAL_ADDRESSES: i64 = -65_535;

/// Version, id, length of the addresses.
const HEAD_LEN: usize = 8 + 8 + 4;
const VERSION_LEN: usize = 8;

/// Replaces the address in the first message of a stream and lets the rest pass.
#[derive(Debug)]
pub(super) struct Initial {
    address: String,
    /// What has come of the message so far; nothing once it has passed.
    begun: Option<Vec<u8>>,
}

impl Initial {
    /// The dialler is to be dialled at this port.
    pub(super) fn new(port: u16) -> Self {
        Self {
            address: format!("127.0.0.1:{port}"),
            begun: Some(Vec::new()),
        }
    }

    /// What is to be passed on now. The message leaves in one piece, since it is read in one.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(mut message) = self.begun.take() else {
            return bytes.to_vec();
        };
        message.extend_from_slice(bytes);
        let Some(&version) = message.first_chunk() else {
            self.begun = Some(message);
            return Vec::new();
        };
        if ![ONE_ADDRESS, SEVERAL_ADDRESSES].contains(&i64::from_be_bytes(version)) {
            return message;
        }
        let Some(end) = end_of(&message) else {
            self.begun = Some(message);
            return Vec::new();
        };
        let len = i32::try_from(self.address.len()).expect("an address is short");
        let own = self.address.as_bytes();
        let id = &message[VERSION_LEN..HEAD_LEN - 4];
        [&version, id, &len.to_be_bytes(), own, &message[end..]].concat()
    }
}

/// Where the whole message ends. A length that no member accepts counts as none: the other side
/// judges what follows.
fn end_of(message: &[u8]) -> Option<usize> {
    let len = message.get(HEAD_LEN - 4..)?.first_chunk()?;
    let len = usize::try_from(i32::from_be_bytes(*len)).unwrap_or(0);
    (message.len() >= HEAD_LEN + len).then_some(HEAD_LEN + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(version: i64, address: &str) -> Vec<u8> {
        let len = i32::try_from(address.len()).expect("short");
        let (version, id) = (version.to_be_bytes(), 3_i64.to_be_bytes());
        [&version, &id, &len.to_be_bytes()[..], address.as_bytes()].concat()
    }

    /// What leaves, write by write.
    fn passed(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut initial = Initial::new(81);
        let passed = stream.chunks(piece).map(|bytes| initial.pass(bytes));
        passed.filter(|bytes| !bytes.is_empty()).collect()
    }

    #[test]
    fn the_address_is_replaced_in_one_write_however_it_arrives() {
        for version in [ONE_ADDRESS, SEVERAL_ADDRESSES] {
            let own = message(version, "a-host.example:2888|[::1]:2888");
            let seen = message(version, "127.0.0.1:81");
            for piece in 1..=own.len() {
                assert_eq!(passed(&own, piece), [&seen[..]], "pieces of {piece}");
            }
            let stream = [&own[..], b"notification"].concat();
            for piece in 1..=stream.len() {
                let passed = passed(&stream, piece);
                assert_eq!(passed.concat(), [&seen[..], b"notification"].concat());
                assert!(passed[0].starts_with(&seen), "pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_has_no_address_passes_as_it_is() {
        let old = [&7_i64.to_be_bytes()[..], b"notification"].concat();
        for piece in 1..=old.len() {
            assert_eq!(passed(&old, piece).concat(), old);
        }
    }
}
